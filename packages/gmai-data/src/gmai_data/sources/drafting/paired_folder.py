"""The draft of a card for pictures or volumes with masks: the patterns, the values of the masks, what is left open."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.raster import load_mask_channels
from gmai_data.ledger import SourceError
from gmai_data.sources.drafting.mask_values import MaskValues, is_lossy, values_of_masks
from gmai_data.sources.drafting.pairing import Pairing, mask_files, pair, words_of
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.volume_files import VOLUME_ENDINGS, load_volumes, volume_stem
from gmai_data.sources.names import NamePattern

_FEW = 24
"""A picture or volume of no more whole values is a mask."""
_LOOKED_AT, _READ = 40, 3


def paired_guess(folder: Folder, files: Sequence[Path], *, volumes: bool) -> Guess | None:
    """Return the draft for files of which some are masks, or None where no mask has a picture.

    Args:
        folder: The folder.
        files: Its pictures, or its volumes.
        volumes: Which of the two they are.
    """
    every = [folder.below(path) for path in files]
    masks = mask_files(every) or masks_by_values(folder.root, every)
    taken = set(masks)
    images = [file for file in every if file not in taken]
    found = pair(images, masks, classes=not volumes) if masks and images else None
    if found is None:
        return _unpaired(folder, images, masks, volumes=volumes) if masks and images else None
    twice = next((masks for masks in found.together if _mark_the_same(folder.root, masks)), None)
    if twice is not None:
        found = replace(found, masks=None, candidates=twice)
    image_key, mask_key = ("image", "mask") if volumes else ("images", "masks")
    values = {path: values_of_masks(folder.root, list(some)) for path, some in found.mask_files.items()}
    layout: dict[str, Any] = {
        "kind": "volume" if volumes else "image_mask",
        image_key: found.images,
        mask_key: "TODO"
        if found.masks is None
        else list(found.masks)
        if isinstance(found.masks, tuple)
        else found.masks,
    }
    chosen = next(iter(values.values()), None) if found.masks is not None else None
    if chosen is not None and found.structures and not chosen.fringes and len(chosen.raw_labels) > 1:
        # A structure's mask holds that structure; several values are a whole parcellation, each by another method.
        layout[mask_key] = "TODO"
        found = replace(found, masks=None, structures=(), candidates=_each_alone(found))
    if chosen is not None and not volumes and not found.structures and chosen.encoding != "index":
        layout["encoding"] = chosen.encoding
    spoiled = chosen is not None and (chosen.fringes or any(is_lossy(path) for path in values))
    if chosen is not None and spoiled and chosen.encoding != "binary" and not found.structures and not volumes:
        layout["fringes"] = "nearest"
    paired = sum(map(len, found.mask_files.values()))
    if len(images) > paired > 0 and found.masks is not None and not found.other_images:
        layout["without_mask"] = "leave_out"
    raw = list(found.structures) or (chosen.raw_labels if chosen else ["1"])
    return Guess(
        "volumes with masks" if volumes else "images with masks",
        "3d_segmentation" if volumes else "2d_segmentation",
        layout,
        [*found.classes, *raw],
        notes=(*_notes(found, values, mask_key, image_key), *_unread(found.images, images, found, image_key)),
        splits={name: str(split) for name, split in found.splits.items()},
    )


def _each_alone(found: Pairing) -> tuple[str, ...]:
    return tuple(str(found.masks).replace("{label}", label) for label in found.structures)


def _unpaired(folder: Folder, images: Sequence[str], masks: Sequence[str], *, volumes: bool) -> Guess | None:
    """Return the draft for pictures and masks that no pattern pairs, where those called so are masks by values."""
    if not all(_is_mask(folder.root, file) for file in masks[:_READ]) or _is_mask(folder.root, images[0]):
        return None
    kind, image_key, mask_key = ("volume", "image", "mask") if volumes else ("image_mask", "images", "masks")
    note = (
        f"{mask_key}: no pattern pairs the {len(images)} pictures, such as {images[0]}, with the {len(masks)} masks, "
        f"such as {masks[0]}; capture what they share as {{id}}, or list the pairs in a JSON file for `kind: datalist`"
    )
    task = "3d_segmentation" if volumes else "2d_segmentation"
    layout = {"kind": kind, image_key: "TODO", mask_key: "TODO"}
    return Guess("images with masks", task, layout, values_of_masks(folder.root, masks).raw_labels, notes=(note,))


def _unread(pattern: str, images: Sequence[str], found: Pairing, image_key: str) -> tuple[str, ...]:
    """Return a note on pictures that the pattern does not find and that are no other pictures of a case."""
    read = NamePattern(pattern)
    others = set(found.other_images)
    left = [file for file in images if read.read(file) is None and file.rpartition("/")[2] not in others]
    if not left or found.other_images:
        return ()
    shown = f"{', '.join(left[:3])}{'' if len(left) < 4 else ', ...'}"
    note = f"{image_key}: {len(left)} of {len(images)} pictures are not read ({shown}); widen the "
    return (f"{note}pattern if they are of the same set, and say with `without_mask` what they show.",)


def masks_by_values(root: Path, files: Sequence[str]) -> list[str]:
    """Return the files of which a few like them hold masks by their values, where others hold none.

    Alike are the files of a folder, or those whose names have the same words beside those of their folders.
    """
    for key in (_place, _words_beside_case):
        alike: dict[object, list[str]] = {}
        for file in files:
            alike.setdefault(key(file), []).append(file)
        if not 1 < len(alike) <= _LOOKED_AT:
            continue
        marked = {name: all(_is_mask(root, file) for file in some[:_READ]) for name, some in alike.items()}
        if any(marked.values()) and not all(marked.values()):
            return [file for name, some in alike.items() if marked[name] for file in some]
    return []


def _place(file: str) -> str:
    return file.rpartition("/")[0]


def _words_beside_case(file: str) -> frozenset[str]:
    """Return the words of a name that its folders do not have: `pvs` of ED_01/ED_01_PVS.nii.gz."""
    place, _, name = file.rpartition("/")
    return frozenset(word for word in words_of(volume_stem(name)) if not word.isdigit()) - {*words_of(place)}


def _mark_the_same(root: Path, masks: Sequence[str]) -> bool:
    """Return whether two masks of a picture mark mostly the same pixels, as those of two readers do."""
    try:
        marked = [_values_in(root, file) != 0 for file in masks]
    except SourceError:
        return False
    pairs = itertools.combinations((each.any(axis=-1) if each.ndim == 3 else each for each in marked), 2)
    return any(
        one.shape == other.shape and 2 * (one & other).sum() > min(one.sum(), other.sum()) for one, other in pairs
    )


def _is_mask(root: Path, file: str) -> bool:
    try:
        found = np.unique(_values_in(root, file))
    except SourceError:
        return False
    return len(found) <= _FEW and bool(np.all(found == np.rint(found)))


def _values_in(root: Path, file: str) -> npt.NDArray[Any]:
    if file.lower().endswith(VOLUME_ENDINGS):
        return load_volumes(root, file, key="imgs", frames="first")[0][1].array
    return load_mask_channels(root, file)


def _notes(found: Pairing, values: dict[str, MaskValues], mask_key: str, image_key: str) -> tuple[str, ...]:
    notes = [f"{path}: {held.in_words()}" for path, held in values.items()]
    if found.masks is None:
        if found.candidates:
            notes.append(f"{mask_key}: several masks fit a picture: {' or '.join(found.candidates)}")
        else:
            notes.append(
                f"{mask_key}: no pattern names the masks of all pictures; one has {', '.join(found.unmatched)}"
            )
        if found.depths > 1:
            notes.append(f"{image_key}: pictures lie in {found.depths} depths of folders: list a pattern for each")
    if found.other_images:
        notes.append(f"{image_key}: each case has other pictures, too, such as {', '.join(found.other_images[:6])}")
    if found.classes:
        notes.append(f"The folders {', '.join(found.classes)} are taken for classes of the picture, {{class}}.")
    return tuple(notes)
