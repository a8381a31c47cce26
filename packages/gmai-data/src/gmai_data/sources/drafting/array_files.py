"""The draft of a card for files of arrays (npz, HDF5, MATLAB): which array is the image, the labels, the mask."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from gmai_formats.errors import UserError

from gmai_data.apart import look_apart
from gmai_data.ledger import SourceError
from gmai_data.sources.drafting.pairing import literal
from gmai_data.sources.files.array_containers import HDF5_ENDINGS, MAT_ENDINGS
from gmai_data.sources.files.array_files import array_names, open_array
from gmai_data.sources.files.folder import Folder, Guess, ending_pattern
from gmai_data.sources.layout import SPLIT_NAMES

_ENDINGS = (".npz", *HDF5_ENDINGS, *MAT_ENDINGS)
_IMAGE = re.compile(r"(?:^|[/_])(?:images?|imgs?|im|x|data|volumes?|vol|scans?|slices?|raw|ct|mri?|pixels?)s?$", re.I)
_MASK = re.compile(r"mask|seg|(?:^|[/_])(?:labels?|gts?|y|annotations?|targets?|truth)$", re.I)
_LABEL = re.compile(r"label|class|target|(?:^|[/_])(?:y|ans|answers?|dx|diagnosis|grades?)$", re.I)
_PERSON = re.compile(r"(?:^|[/_])(?:pid|patient(?:_?id)?|subject(?:_?id)?|case_?id)$", re.I)
_PARTS = (("_x", "_y"), ("X_", "Y_"), ("x_", "y_"), ("images", "labels"), ("image", "label"), ("imgs", "labels"),
          ("images", "masks"), ("image", "mask"), ("data", "labels"), ("data", "label"))  # fmt: skip
_LOOKED_AT = 12
_LEAST_PX = 8
"""Shorter axes count colours, and not pixels."""
_MOST_LABELS = 1000
_K = TypeVar("_K")
_V = TypeVar("_V")


class Outline(NamedTuple):
    """What a draft is made from, of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Return the number of axes."""
        return len(self.shape)


Arrays = Mapping[str, Outline]


def arrays_guess(folder: Folder) -> Guess | None:
    """Return the draft, or None where there is no file of arrays, or pictures or volumes lie beside them."""
    files = folder.with_ending(*_ENDINGS)
    if not files or (not folder.with_ending(".npz") and (folder.images or folder.volumes)):
        return None
    splits = next((path for path in folder.with_ending(".npz") if _has_splits(_names(folder, path))), None)
    if splits is not None:
        layout = {"kind": "arrays", "files": literal(folder.below(splits))}
        labels = [str(each) for each in _numbers(folder, [splits], r".*labels")]
        return Guess("npz arrays (MedMNIST's names)", "2d_classification", layout, labels)
    # Of several sorts of files, as slices and whole volumes, a card reads one.
    sorts = Counter((path.suffix.lower(), tuple(_names(folder, path))) for path in files[:: len(files) // 40 + 1])
    (ending, names), _ = sorts.most_common(1)[0]
    own = [path for path in files if path.suffix.lower() == ending and (len(sorts) == 1 or _is_of(folder, path, names))]
    held = _apart(_outlines, folder, own[0], names)
    notes = [f"files: {own[0].name} holds {_in_words(held, names)}."]
    beside = _file_beside(folder, own)
    others = len(files) - len(own) * (1 if beside is None else 2)
    if others:
        notes.append(f"files: {others} other files of arrays hold other things, and need a card of their own.")
    image = _image_of(held)
    if image is None:
        layout = {"kind": "arrays", "files": _pattern(folder, own), "images": "TODO", "labels": "TODO"}
        notes.append("images: no array is called as pictures are; name it, and `labels` or `masks`, or leave these out")
        return Guess("files of arrays", "2d_classification", layout, notes=tuple(notes))
    return _of_image(folder, own, names, held, image, beside, notes)


def _of_image(
    folder: Folder,
    own: Sequence[Path],
    names: Sequence[str],
    held: Arrays,
    image: str,
    beside: tuple[str, str, str] | None,
    notes: list[str],
) -> Guess:
    """Return the draft of the files that hold pictures in an array."""
    shape = held[image].shape
    is_matlab = own[0].suffix.lower() in MAT_ENDINGS
    grey = shape[:-1] if len(shape) > 2 and shape[-1] in (1, 3, 4) else shape
    mask = next((name for name in held if name != image and _MASK.search(name) and held[name].shape[: len(grey)] == grey
                 and held[name].ndim - len(grey) < 2), None)  # fmt: skip
    person = next((name for name in names if _PERSON.search(name)), None)
    beside = beside if mask is None and not _counted(held, image) else None
    is_volume = len(grey) == len(shape) == 3 and (mask is not None or len(own) > 1)
    if is_volume and beside is None and not _counted(held, image):
        # A volume in each file: an array of labels would say how many pictures it is.
        place = _pattern(folder, own)
        layout: dict[str, Any] = {"kind": "volume", "image": place, "image_key": image}
        if mask is None:
            notes.append("mask: no array is called as masks are; name it as `mask_key`, with `mask`, or leave both out")
            return Guess("a volume in each file of arrays", "3d_segmentation", layout, notes=tuple(notes))
        layout |= {"mask": "{parent}/{stem}" + own[0].suffix, "mask_key": mask}
        return Guess("a volume and its mask in each file of arrays", "3d_segmentation", layout,
                     _marked(folder, own, mask), notes=tuple(notes))  # fmt: skip
    single = len(grey) == 2
    layout = {"kind": "arrays", "files": _pattern(folder, own), "images": image}
    if single:
        layout |= {"single": True, **({"group": person} if person else {})}
    count = () if single else shape[:1]
    label = next((name for name in held if name not in (image, mask, person) and _LABEL.search(name)
                  and _is_label(held[name].shape, count)), None)  # fmt: skip
    layout["labels"] = label
    if mask is not None:
        layout["masks"] = mask
    if beside is not None:
        layout |= {"labels": f"{{parent}}/{{stem}}{own[0].suffix}:{beside[2]}", "cut": list(beside[:2])}
        twins = [path.with_name(path.name.replace(*beside[:2])) for path in own]
        labels = [str(each) for each in _numbers(folder, twins, re.escape(beside[2]))]
        words = "arrays with labels in files beside them"
        return Guess(words, "2d_classification", layout, labels, notes=tuple(notes))
    if is_matlab and not single:
        notes.append("files: MATLAB's first axis counts rows; where the last one counts the pictures, save them again")
    raws = [] if label is None else [str(each) for each in _numbers(folder, own, re.escape(label))]
    if mask is not None:
        marked = _marked(folder, own, mask)
        both = sorted(set(raws) & set(marked))
        if both:
            same = f"labels: {', '.join(both)} are values of {label} and of {mask}, which one card cannot tell apart"
            notes.append(f"{same}; this one reads the mask. For the label, set `labels` and take `masks` out.")
            layout["labels"], raws = None, []
        raws = [*raws, *(raw for raw in marked if raw not in raws)]
    if not raws:
        notes.append("labels: no array is called as labels or masks are; name one, or `labels_of_every_image`")
    words = "a picture in each file of arrays" if single else "arrays of pictures"
    return Guess(words, "2d_segmentation" if mask else "2d_classification", layout, raws, notes=tuple(notes))


def _names(folder: Folder, path: Path) -> list[str]:
    try:
        return array_names(folder.root, folder.below(path))
    except (SourceError, UserError):  # a library is missing, or the file is damaged: there is nothing to say of it
        return []


def _has_splits(names: Sequence[str]) -> bool:
    return any(name.removesuffix("_images") in SPLIT_NAMES for name in names if name.endswith("_images"))


def _is_of(folder: Folder, path: Path, names: Sequence[str]) -> bool:
    return tuple(_names(folder, path)) == tuple(names)


def _apart(
    look: Callable[[Path, str, Sequence[str]], dict[_K, _V]], folder: Folder, path: Path, names: Sequence[str]
) -> dict[_K, _V]:
    """Return what a look at some arrays of a file gives; nothing where the file does harm, or a library is missing."""
    file = folder.below(path)
    try:
        return look_apart(look, path.stat().st_size, file, folder.root, file, names)
    except (OSError, SourceError, UserError):
        return {}


def _opened(root: Path, file: str, names: Sequence[str]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield the arrays of numbers of a file; those of objects are not opened."""
    for name in names:
        try:
            yield name, open_array(root, file, name, images=True, scalar=True)
        except (SourceError, UserError):
            continue


def _outlines(root: Path, file: str, names: Sequence[str]) -> dict[str, Outline]:
    return {name: Outline(tuple(array.shape), array.dtype) for name, array in _opened(root, file, names)}


def _in_words(held: Arrays, names: Sequence[str]) -> str:
    listed = [
        f"{name} ({'×'.join(map(str, held[name].shape))}, {held[name].dtype})"
        if name in held
        else f"{name} (no numbers)"
        for name in names[:12]
    ]
    return ", ".join(listed) or "no array that can be read"


def _image_of(held: Arrays) -> str | None:
    """Return the array that is called as pictures are, or else the only one of so many pixels."""
    large = [name for name, each in held.items() if sum(size >= _LEAST_PX for size in each.shape) > 1]
    plain = [name for name in large if not _MASK.search(name)]
    return next((name for name in plain if _IMAGE.search(name)), plain[0] if len(plain) == 1 else None)


def _is_label(shape: tuple[int, ...], count: tuple[int, ...]) -> bool:
    """Return whether an array has a label, or a row of 0 and 1, for each picture."""
    return shape[: len(count)] == count and sum(size > 1 for size in shape[len(count) :]) < 2


def _counted(held: Arrays, image: str) -> bool:
    count = held[image].shape[:1]
    return any(name != image and _LABEL.search(name) and _is_label(each.shape, count) for name, each in held.items())


def _file_beside(folder: Folder, files: Sequence[Path]) -> tuple[str, str, str] | None:
    """Return (part of the files' names, what stands there in those of the files of labels, the one array of these)."""
    for one, other in _PARTS:
        twins = [path.with_name(path.name.replace(one, other)) for path in files if one in path.name]
        if len(twins) == len(files) and all(twin.is_file() for twin in twins):
            names = _names(folder, twins[0])
            if len(names) == 1:
                return one, other, names[0]
    return None


def _numbers(folder: Folder, files: Sequence[Path], pattern: str) -> list[int]:
    """Return the raw labels of the arrays of a few files whose names match a pattern."""
    raw: set[int] = set()
    for path in files[:: len(files) // _LOOKED_AT + 1]:
        names = [each for each in _names(folder, path) if re.fullmatch(pattern, each)]
        raw.update(_apart(_raw_labels, folder, path, names))
    return sorted(raw) if len(raw) <= _MOST_LABELS else []


def _raw_labels(root: Path, file: str, names: Sequence[str]) -> dict[int, None]:
    raw: set[int] = set()
    for _, array in _opened(root, file, names):
        value = np.asarray(array[:])
        if not value.size:
            continue
        rows = value.reshape(len(value), -1)
        if rows.shape[1] > 1 and rows.shape[0] > 1 and np.isin(rows[~np.isnan(rows)], (-1, 0, 1)).all():
            raw.update(range(rows.shape[1]))
        else:
            raw.update(np.unique(value[np.isfinite(value)]).astype(int).tolist())
        if len(raw) > _MOST_LABELS:
            break
    return dict.fromkeys(raw)


def _marked(folder: Folder, files: Sequence[Path], mask: str) -> list[str]:
    """Return the values of the masks of a few files, without 0."""
    return [str(number) for number in _numbers_of_masks(folder, files, mask) if number]


def _numbers_of_masks(folder: Folder, files: Sequence[Path], mask: str) -> list[int]:
    raw: set[int] = set()
    for path in files[:: len(files) // _LOOKED_AT + 1]:
        raw.update(_apart(_values_of_masks, folder, path, [mask]))
    return sorted(raw)[:_MOST_LABELS]


def _values_of_masks(root: Path, file: str, names: Sequence[str]) -> dict[int, None]:
    raw: set[int] = set()
    for _, array in _opened(root, file, names):
        found = np.unique(np.asarray(array[: 64 if len(array.shape) > 2 else None]))
        raw.update(found[np.isfinite(found)].astype(int).tolist())
    return dict.fromkeys(sorted(raw)[:_MOST_LABELS])


def _pattern(folder: Folder, files: Sequence[Path]) -> str:
    """Return a pattern of the files: their folder, where they share one, and what their names begin and end with."""
    if len(files) == 1:
        return literal(folder.below(files[0]))
    parents = {path.parent for path in files}
    ends = ending_pattern(files)
    if len(parents) > 1:
        return f"**/{ends}"
    place = PurePosixPath(literal(PurePosixPath(folder.below(files[0])).parent.as_posix()))
    if any(path.name.endswith(files[0].suffix) for path in {*parents.pop().iterdir()}.difference(files)):
        stems = [path.stem for path in files]
        tail = "".join(reversed(_shared([stem[::-1] for stem in stems])))
        ends = f"{literal(_shared(stems))}*{literal(tail)}{files[0].suffix}"
    return (place / ends).as_posix()


def _shared(texts: Sequence[str]) -> str:
    low, high = min(texts), max(texts)
    return low[: next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]
