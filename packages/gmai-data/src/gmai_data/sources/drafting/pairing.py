"""Which mask belongs to which picture, worked out from the names of a folder's files, and written as patterns.

Names are taken apart into words and numbers. A mask and its picture share what names the case; what only one of them
has says that it is a mask, of which structure, by whom. A pattern is given where it pairs every file as the names do.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from gmai_data.sources.files.folder import IMAGES, either_ending
from gmai_data.sources.files.volume_files import volume_stem
from gmai_data.sources.layout import SPLIT_NAMES
from gmai_data.sources.names import Named, NamePattern, placeholders
from gmai_data.vocabulary import Split

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def _these(words: str) -> frozenset[str]:
    return frozenset(words.split())


_OF_MASKS = _these(
    "mask masks msk label labels seg segs segm segmentation segmentations dseg gt groundtruth truth annotation "
    "annotations manual ho roi rois contour contours lesion lesions delineation delineations"
)
_PLAINLY = _these("mask masks msk gt groundtruth truth label labels segmentation segmentations")
_OF_IMAGES = _these(
    "image images img imgs imaging original originals raw rawdata data input inputs scan scans volume volumes "
    "photo photos picture pictures frame frames ct mr mri cases jpegimages derivatives"
)
_OF_READERS = _these("and or maj st nd rd ho manual reader rater observer expert annotator consensus staple ah vk")
_SPLIT_WORDS: dict[str, Split] = {
    **SPLIT_NAMES,
    **dict.fromkeys(("trainval", "trn", "tr", "训练", "训练集"), Split.TRAIN),
    **dict.fromkeys(("dev", "valid", "validate", "验证", "验证集"), Split.VALIDATION),
    **dict.fromkeys(("testing", "tst", "ts", "eval", "evaluation", "autotest", "测试", "测试集"), Split.HELD_OUT),
}
_NUMBERED_READERS = _these("ho manual reader rater observer expert annotator")
_MOST_MASKS = 2000
"""Masks that are paired; a pattern shows long before."""
_MOST_COMPARED = 200_000
"""Pictures times masks of which each is compared with each."""
_MOST_CLASSES, _LOOKED_AT = 30, 3
_NO_PATIENT = re.compile(
    r"(?:batch|part|set|fold|split|site|cent(?:er|re)|group|chunk|shard|volume|grade|type|class|task|release|phase|stage"
    r"|version|round|challenge|data|ses|session|visit|year|month|week|day|time|time[ _-]?point|tp|reader|expert"
    r"|annotator|(?:^|[ _-])[cvt])[ _-]?$",
    re.IGNORECASE,
)


def words_of(path: str) -> list[str]:
    """Return the words and numbers of a path, in lower case."""
    return [word.lower() for word in _WORD.findall(path)]


def split_of_name(name: str) -> Split | None:
    """Return the split that a folder's or file's name says, or None where it says none, or two."""
    if name.lower() in _SPLIT_WORDS:
        return _SPLIT_WORDS[name.lower()]
    splits = {_SPLIT_WORDS[word] for word in words_of(name) if word in _SPLIT_WORDS}
    return splits.pop() if len(splits) == 1 else Split.TRAIN if splits == {Split.TRAIN, Split.VALIDATION} else None


def mask_files(files: Sequence[str]) -> list[str]:
    """Return the files whose path says that they are masks, by a word that not every file has in that folder."""
    shared = _shared_parts(files)
    words_in = {file: {word for part in _own_parts(file, shared) for word in words_of(part)} for file in files}
    # A word of every name, as GT in GT2001837-1.png, tells no mask from a picture.
    of_all = set.intersection(*words_in.values()) if words_in else set[str]()
    words_in = {file: words - of_all for file, words in words_in.items()}
    found = [file for file in files if words_in[file] & _OF_MASKS]
    # Of folders such as CT-Seg and Mask, where every file says it, the plainer word counts.
    plain = [file for file in found if words_in[file] & _PLAINLY]
    return plain if len(found) == len(files) and len(plain) < len(found) else found


def words_for_masks(path: str) -> frozenset[str]:
    """Return the words of a path that plainly say that it leads to masks."""
    return _PLAINLY.intersection(words_of(path))


@dataclass(frozen=True)
class Pairing:
    """Patterns of pictures and their masks.

    Attributes:
        images: Pattern of the pictures.
        masks: Path of the mask, several where cases differ in it, or None where a picture has several candidates.
        structures: Raw labels of `{label}`, where there is a file per structure.
        candidates: Other paths of masks, or all of them where `masks` is None.
        other_images: Names of other pictures of the first case, to which the masks may belong as well.
        classes: Raw labels that `{class}` captures.
        splits: What `{split}` captures ▶ our split, where it is not one of the usual names.
        mask_files: Masks that were paired, by their candidate.
        together: The masks of a picture, for a few pictures with several that are no structures.
        unmatched: The masks of one picture, where no pattern names those of all pictures.
        depths: So many depths of folders the pictures lie in, where no pattern names their masks.
    """

    images: str
    masks: str | tuple[str, ...] | None
    structures: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    other_images: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    splits: Mapping[str, Split] = field(default_factory=dict[str, Split])
    unmatched: tuple[str, ...] = ()
    depths: int = 1
    mask_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    together: tuple[tuple[str, ...], ...] = ()


def pair(images: Sequence[str], masks: Sequence[str], *, classes: bool) -> Pairing | None:
    """Return how pictures and masks go together, or None where no mask has a picture.

    Args:
        images: Paths below the root.
        masks: Paths below the root.
        classes: Whether a folder of words may be a class of the picture.
    """
    found = _partners(images, masks[:_MOST_MASKS])
    if not found:
        return None
    by_extra: Counter[tuple[str, ...]] = Counter()
    for mask, partners in found.items():
        by_extra.update({_extra(image, mask) for image in partners})
    order = sorted(by_extra, key=lambda extra: (-by_extra[extra], len(set(extra) - _OF_IMAGES), extra))
    chosen: dict[str, list[str]] = defaultdict(list)
    others: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for mask, partners in found.items():
        ranked = sorted(partners, key=lambda image: order.index(_extra(image, mask)))
        chosen[ranked[0]].append(mask)
        for image in ranked[1:]:
            others[_extra(image, mask)].append(image)
    template = _template(sorted(chosen), classes=classes)
    strangers = {*images, *masks} - {*chosen, *_alike(template, images, chosen, others)}
    template = template.without(sorted(strangers))
    kinds: dict[tuple[str, ...], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for image, belonging in chosen.items():
        for mask in belonging:
            kinds[_kind(_extra(mask, image))][image].append(mask)
    first = min((image for files in others.values() for image in files), default="")
    beside = PurePosixPath(first).parent
    every = {image for files in others.values() for image in files if PurePosixPath(image).parent == beside}
    other_images = tuple(sorted(PurePosixPath(image).name for image in every))
    about = Pairing(template.text, None, other_images=other_images, classes=template.classes, splits=template.splits)
    if len(kinds) >= 3 and () not in kinds and not any(_OF_READERS & set(kind) for kind in kinds):
        merged: dict[str, list[str]] = defaultdict(list)
        for by_image in kinds.values():
            for image, belonging in by_image.items():
                merged[image] += belonging
        path, structures = _path(template, merged, labels=True)
        files = tuple(mask for belonging in merged.values() for mask in belonging)
        known = bool(structures) and "" not in structures
        if structures and len(merged) > 1 and len(structures) == len(files):
            # A name that no other picture's mask has is of an instance, as each nucleus has its own.
            path, structures = path.replace("{label}", "*"), ()
        if known and _holds(template.text, path, merged, structures):
            together = () if structures else _several(merged)
            return replace(about, masks=path, structures=structures, mask_files={path: files}, together=together)
    candidates: dict[str, tuple[str, ...]] = {}
    for by_image in kinds.values():
        path, _ = _path(template, by_image)
        if _holds(template.text, path, by_image, ()):
            candidates[path] = tuple(mask for belonging in by_image.values() for mask in belonging)
    owners = [image for by_image in kinds.values() for image in by_image]
    sole = len(owners) == len(set(owners)) and all(
        _holds(template.text, path, {image: masks for by_image in kinds.values() for image, masks in by_image.items()},
               (), own=candidates[path]) for path in candidates
    )  # fmt: skip
    if candidates and len(candidates) == len(kinds) and sole:
        # One mask a picture, whatever it is called: each name is tried.
        paths = tuple(candidates)
        together = _several({image: masks for by_image in kinds.values() for image, masks in by_image.items()})
        found_masks = paths[0] if len(paths) == 1 else paths
        return replace(about, masks=found_masks, mask_files=candidates, together=together)
    if not candidates:
        most = max(chosen, key=lambda image: (len(chosen[image]), image))
        return replace(about, unmatched=tuple(sorted(chosen[most])), depths=len({image.count("/") for image in chosen}))
    return replace(about, candidates=tuple(candidates), mask_files=candidates)


def _several(belonging: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(masks) for masks in belonging.values() if len(masks) > 1)[:_LOOKED_AT]


def _kind(extra: tuple[str, ...]) -> tuple[str, ...]:
    """Return what kind of mask it is that has these words: a number counts only where it is that of a reader.

    Two masks of a number each may be two lesions; those of two readers are one lesion marked twice.
    """
    if _NUMBERED_READERS & set(extra):
        return tuple(sorted(extra))
    return tuple(word for word in extra if not word.isdigit())


def _alike(
    template: "_Template", images: Sequence[str], chosen: Iterable[str], others: Mapping[tuple[str, ...], Sequence[str]]
) -> set[str]:
    """Return the pictures without a mask that are like those that have one: of no other modality or kind."""
    beside = {image for files in others.values() for image in files}
    try:
        pattern = NamePattern(template.text)
    except ValueError:
        return set()

    def form(image: str) -> str:
        parts = pattern.read(image)
        for name, value in (parts or {}).items():
            if name not in ("id", "item"):
                image = image.replace(value, f"{{{name}}}")
        return _skeleton(image)

    known = {form(each) for each in chosen}
    return {image for image in images if image not in beside and form(image) in known}


def _skeleton(path: str) -> str:
    return re.sub(r"(?<![0-9A-Za-z])(?=[a-f]*\d)[0-9a-f]{8,}(?![0-9A-Za-z])|\d+", "0", path)


def _own_parts(path: str, shared: frozenset[tuple[int, str]]) -> list[str]:
    parts = PurePosixPath(path).parts
    return [part for at, part in enumerate(parts) if (at, part) not in shared]


def _shared_parts(files: Sequence[str]) -> frozenset[tuple[int, str]]:
    """Return (position, folder) for the folders that all files lie in."""
    parts = [PurePosixPath(file).parts[:-1] for file in files]
    shared: set[tuple[int, str]] = set()
    for at in range(min(map(len, parts), default=0)):
        if len({each[at] for each in parts}) > 1:
            break
        shared.add((at, parts[0][at]))
    return frozenset(shared)


def _partners(images: Sequence[str], masks: Sequence[str]) -> dict[str, list[str]]:
    """Return mask ▶ the pictures that share most of its words: one, or several of another modality."""
    shared = _shared_parts([*images, *masks])
    roles = _OF_MASKS | _OF_IMAGES
    words: dict[str, Counter[str]] = {}
    for file in (*images, *masks):
        own_words = [word for part in _own_parts(_stem(file), shared) for word in words_of(part)]
        words[file] = Counter(word for word in own_words if word not in roles) or Counter(own_words)
    index: dict[str, list[str]] = defaultdict(list)
    for image in images:
        for word in words[image]:
            index[word].append(image)
    alike_of: dict[str, tuple[str, list[str]]] = {}
    if (only := _only_picture(images)) is not None:
        return {mask: [only] for mask in masks if _lies_by(mask, only)}
    for mask in masks:
        known = sorted((word for word in words[mask] if word in index), key=lambda word: len(index[word]))
        near = dict.fromkeys(image for word in known[:2] for image in index[word])
        fitting = [image for image in near if _same_split(image, mask)]
        if not fitting:
            continue
        rank = {image: _likeness(image, mask, words) for image in fitting}
        best = max(rank.values())
        alike = [image for image in fitting if rank[image][0] == best[0]]
        top = max(alike, key=lambda image: rank[image])
        place = PurePosixPath(top).parent
        beside = [image for image in alike if PurePosixPath(image).parent == place and _is_of_case(image, top)]
        alike_of[mask] = (top, [image for image in beside if image != top])
    # Beside pictures of their own masks, those that no mask fits best are of other modalities of the case.
    tops = {top for top, _ in alike_of.values()}
    return {mask: [top, *(image for image in beside if image not in tops)] for mask, (top, beside) in alike_of.items()}


def _only_picture(images: Sequence[str]) -> str | None:
    """Return the picture of a folder of one case, whose name has no word that a mask could share: `ct.nii.gz`."""
    own_words = {word for image in images for word in words_of(PurePosixPath(_stem(image)).name)}
    return images[0] if len(images) == 1 and own_words <= _OF_IMAGES else None


def _lies_by(mask: str, image: str) -> bool:
    """Return whether a mask lies beside a picture or in a folder below it."""
    return PurePosixPath(mask).is_relative_to(PurePosixPath(image).parent)


def _is_of_case(image: str, other: str) -> bool:
    """Return whether two pictures of a folder differ in words only, or in words such as t1 and t2: not in the case."""
    one, two = (re.findall(r"\d{3,}|(?<![A-Za-z])\d+", _stem(path)) for path in (image, other))
    return one == two


def _likeness(image: str, mask: str, words: Mapping[str, Counter[str]]) -> tuple[int, int, int]:
    common = sum((words[image] & words[mask]).values())
    extra = sum(words[image].values()) - common
    beside = len(_neighbours(image) & _neighbours(mask))
    return common, beside - extra, _common_beginning(PurePosixPath(image).name, PurePosixPath(mask).name)


def _neighbours(path: str) -> set[tuple[str, str]]:
    """Return the words of a path that stand side by side, as `sub` and `03` do."""
    return {pair for part in PurePosixPath(_stem(path)).parts for pair in itertools.pairwise(words_of(part))}


def _common_beginning(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _same_split(one: str, other: str) -> bool:
    splits = [{split_of_name(part) for part in PurePosixPath(path).parts[:-1]} - {None} for path in (one, other)]
    return not splits[0] or not splits[1] or splits[0] == splits[1]


def _extra(path: str, other: str) -> tuple[str, ...]:
    """Return the words that a path has and another has not, in order."""
    left = Counter(words_of(_stem(other)))
    extra: list[str] = []
    for word in words_of(_stem(path)):
        if left[word] > 0:
            left[word] -= 1
        else:
            extra.append(word)
    return tuple(extra)


def _stem(path: str) -> str:
    pure = PurePosixPath(path)
    return (pure.parent / volume_stem(pure.name)).as_posix()


@dataclass(frozen=True)
class _Template:
    text: str
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    ids: tuple[str, ...] = ()
    """What `{id}` captures."""

    def without(self, strangers: Sequence[str]) -> "_Template":
        """Return the pattern with an expression for `{id}` where it would find files that are none of its pictures."""
        if not any(NamePattern(self.text).read(file) is not None for file in strangers) or "{id}" not in self.text:
            return self
        for expression in (_expression(self.ids), _without_words(self.ids, strangers)):
            text = self.text.replace("{id}", f"{{id:{expression}}}", 1)
            pattern = NamePattern(text)
            if not any(pattern.read(file) is not None for file in strangers):
                return replace(self, text=text)
        return self


def _expression(values: Sequence[str]) -> str:
    """Return a regular expression for values: numbers as such, words that all have as they stand."""
    forms: dict[str, list[list[str]]] = defaultdict(list)
    for value in values:
        runs = re.findall(r"\d+|[A-Za-z]+|[^\dA-Za-z]", value)
        forms["".join("0" if run.isdigit() else "a" if run.isalpha() else run for run in runs)].append(runs)
    written: list[str] = []
    for form in sorted(forms)[:6]:
        columns = list(zip(*forms[form], strict=True))
        written.append("".join(
            r"\d+" if column[0].isdigit() else re.escape(column[0]) if len(set(column)) == 1 else "[A-Za-z]+"
            for column in columns
        ))  # fmt: skip
    return "|".join(written)


def _without_words(values: Sequence[str], strangers: Sequence[str]) -> str:
    known = {word for value in values for word in words_of(value)}
    words = {word for file in strangers for word in _WORD.findall(PurePosixPath(_stem(file)).name)}
    foreign = sorted(word for word in words if word.lower() not in known and not word.isdigit() and len(word) > 1)
    return f"(?!.*(?:{'|'.join(map(re.escape, foreign))}))[^/]+" if foreign else "[^/]+"


def _template(files: Sequence[str], *, classes: bool) -> _Template:
    """Return a pattern with captured parts that fits the files, which lie equally deep in most cases."""
    depth = Counter(len(PurePosixPath(file).parts) for file in files).most_common(1)[0][0]
    rows = [PurePosixPath(file).parts for file in files if len(PurePosixPath(file).parts) == depth]
    written: list[str] = []
    captured: dict[str, tuple[str, ...]] = {}
    found_classes: tuple[str, ...] = ()
    splits: dict[str, Split] = {}
    for at in range(depth):
        values = [row[at] for row in rows]
        if len(set(values)) == 1 and (at < depth - 1 or len(rows) > 1):
            written.append(literal(values[0]))
            continue
        text, behind, rest = "", "", values
        endings = sorted({_ending(value) for value in values}) if at == depth - 1 else []
        if len(endings) == 1 or (endings and all(ending.lower() in IMAGES for ending in endings)):
            behind = endings[0] if len(endings) == 1 else either_ending(endings)
            rest = [value.removesuffix(_ending(value)) for value in values]
        for name, column in captured.items():
            both = list(zip(rest, column, strict=True))
            if not text and all(
                value.startswith(part) and not value[len(part) :][:1].isalnum() for value, part in both
            ):
                text, rest = f"{{{name}}}", [value[len(part) :] for value, part in both]
            elif all(value.endswith(part) and not value[: -len(part)][-1:].isalnum() for value, part in both):
                behind, rest = f"{{{name}}}{behind}", [value[: -len(part)] for value, part in both]
                break
        before, middles, after = _affixes(rest)
        if not any(middles) or (len(set(middles)) == 1 and len(files) > 1):
            written.append(text + literal(before + middles[0] + after) + behind)
            continue
        again = next((name for name, column in captured.items() if list(column) == middles), None)
        shared = _in_several(middles, captured.get("split", ()))
        name = again or _name_of(
            middles,
            before,
            at == depth - 1,
            set(captured),
            classes=classes and at < depth - 1,
            in_several_splits=shared,
        )
        captured.setdefault(name, tuple(middles))
        if name == "class":
            found_classes = tuple(sorted(set(middles)))
        if name == "split":
            split_of = {value: split for value in middles if (split := split_of_name(value)) is not None}
            splits = {} if all(value.lower() in SPLIT_NAMES for value in split_of) else split_of
        written.append(f"{text}{literal(before)}{{{name}}}{literal(after)}{behind}")
    return _Template("/".join(written), found_classes, splits, captured.get("id", ()))


def _in_several(values: Sequence[str], splits: Sequence[str]) -> bool:
    """Return whether a value lies in several splits, as grades do and patients do not."""
    return len({*zip(values, splits, strict=False)}) > len(set(values)) if splits else False


def _name_of(
    values: Sequence[str], before: str, is_file: bool, taken: set[str], *, classes: bool, in_several_splits: bool
) -> str:
    distinct = set(values)
    if is_file:
        return "id" if "id" not in taken else "item"
    if (
        "split" not in taken
        and None not in (splits := {split_of_name(value) for value in distinct})
        and len(splits) > 1
    ):
        return "split"
    has_numbers = sum(bool(re.search(r"\d", value)) for value in distinct) > len(distinct) / 2
    of_splits = all(split_of_name(value) is not None for value in distinct)
    if classes and "class" not in taken and not has_numbers and not of_splits and len(distinct) <= _MOST_CLASSES:
        return "class"
    if has_numbers and "patient" not in taken and not in_several_splits and not _NO_PATIENT.search(before):
        return "patient"
    return next(
        name for name in ("folder_a", "folder_b", "folder_c", "folder_d", "folder_e", "folder_f") if name not in taken
    )


def _affixes(values: Sequence[str]) -> tuple[str, list[str], str]:
    """Return (what all begin with, what differs, what all end with); words and numbers are not cut in two."""
    if len(set(values)) == 1:
        found = list(re.finditer(r"\d+", values[0].partition(".")[0]))
        if not found:
            return values[0], [""] * len(values), ""
        first, last = found[-1].span()
        return values[0][:first], [found[-1].group()] * len(values), values[0][last:]
    low, high = min(values), max(values)
    begin = low[: _common_beginning(low, high)]
    backwards = [value[len(begin) :][::-1] for value in values]
    low, high = min(backwards), max(backwards)
    end = low[: _common_beginning(low, high)][::-1]
    numbers = all(
        value[len(begin.rstrip("0123456789")) : len(value) - len(end.lstrip("0123456789"))].isdigit()
        for value in values
    )
    while begin and any(_cuts(value, len(begin), numbers=numbers) for value in values):
        begin = begin[:-1]
    while end and any(_cuts(value, len(value) - len(end), numbers=numbers) for value in values):
        end = end[1:]
    return begin, [value[len(begin) : len(value) - len(end)] for value in values], end


def _cuts(value: str, at: int, *, numbers: bool) -> bool:
    """Return whether a place is inside of a word or number; a word ends where all that differs are numbers."""
    before, behind = value[at - 1 : at], value[at : at + 1]
    if numbers and before.isdigit() != behind.isdigit():
        return False
    return before.isalnum() and behind.isalnum()


def _ending(name: str) -> str:
    return name[len(volume_stem(name)) :] if volume_stem(name) != name else PurePosixPath(name).suffix


def literal(text: str) -> str:
    """Return a pattern that stands for a text with signs of patterns in it."""
    return re.sub(r"[\[*?]", lambda sign: f"[{sign[0]}]", text)


def _path(
    template: _Template, belonging: Mapping[str, Sequence[str]], *, labels: bool = False
) -> tuple[str, tuple[str, ...]]:
    """Return (path of the masks with the placeholders of the picture, raw labels of `{label}`)."""
    pattern = NamePattern(template.text)
    rows: list[tuple[str, ...]] = []
    as_named: list[tuple[str, ...]] = []
    of_images: list[tuple[str, ...]] = []
    for image, masks in belonging.items():
        parts = pattern.read(image)
        if parts is not None:
            filled = placeholders(Named(image, parts), template.text)
            values = {name: filled[name] for name in (*pattern.names, "stem", "folder")}
            for mask in masks:
                as_named.append(PurePosixPath(mask).parts)
                of_images.append(PurePosixPath(image).parts)
                *folders, name = PurePosixPath(mask).parts
                rows.append((*(_with(values, part) for part in folders), _with(values, name, first="id")))
    depth = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    kept = [at for at, row in enumerate(rows) if len(row) == depth]
    rows, as_named, of_images = ([every[at] for at in kept] for every in (rows, as_named, of_images))
    written: list[str] = []
    structures: tuple[str, ...] = ()
    folders = template.text.split("/")[:-1]
    for at in range(depth):
        column, plain = [row[at] for row in rows], {row[at] for row in as_named}
        if len(plain) == 1 and len(belonging) > 1:
            written.append(literal(plain.pop()))
            continue
        if len(set(column)) == 1:
            written.append(column[0])
            continue
        if at < min(depth - 1, len(folders)) and all(
            own[at : at + 1] == mask[at : at + 1] for own, mask in zip(of_images, as_named, strict=True)
        ):
            written.append(folders[at])
            continue
        before, middles, after = _affixes(column)
        open_, close = before.count("{") - before.count("}"), after.count("}") - after.count("{")
        before = before[: before.rindex("{")] if open_ > 0 else before
        after = after[after.index("}") + 1 :] if close > 0 else after
        if labels and at == depth - 1 and not any("{" in middle for middle in middles):
            structures = tuple(sorted(set(middles)))
            written.append(f"{before}{{label}}{after}")
        else:
            written.append(f"{before}*{after}")
    return "/".join(written), structures


def _with(values: Mapping[str, str], part: str, first: str = "") -> str:
    """Return a part of a mask's path with what the picture's name says as placeholders, longest first, each once."""
    taken: list[tuple[int, int, str]] = []
    order = sorted(values.items(), key=lambda each: (-len(each[1]), each[0] != first, each[0] in ("stem", "folder")))
    for name, value in order:
        if not value:
            continue
        alone = rf"(?<![0-9A-Za-z]){re.escape(value)}(?![0-9A-Za-z])"
        for found in re.finditer(alone + (rf"|(?<!\d){value}(?![0-9A-Za-z])" if value.isdigit() else ""), part):
            if all(found.end() <= first or found.start() >= last for first, last, _ in taken):
                taken.append((*found.span(), name))
                break
    written, at = "", 0
    for start, end, name in sorted(taken):
        written += literal(part[at:start]) + f"{{{name}}}"
        at = end
    return written + literal(part[at:])


def _holds(
    images: str,
    path: str,
    belonging: Mapping[str, Sequence[str]],
    structures: Iterable[str],
    *,
    own: Sequence[str] | None = None,
) -> bool:
    """Return whether a path finds the masks of each picture, and none of another's, among those that were paired.

    Of several paths one need find its `own` masks only.
    """
    try:
        pattern = NamePattern(images)
    except ValueError:
        return False
    every = {mask: image for image, masks in belonging.items() for mask in masks}
    compared = {*list(belonging)[:: max(1, len(belonging) * len(every) // _MOST_COMPARED)]}
    for image, masks in belonging.items():
        parts = pattern.read(image)
        if parts is None:
            return False
        place = path
        for name, value in placeholders(Named(image, parts), images).items():
            place = place.replace(f"{{{name}}}", literal(value))
        for label in structures or ("",):
            fits = _compiled(place.replace("{label}", label))
            if image in compared and any(every[mask] != image for mask in every if fits.fullmatch(mask)):
                return False
        fits = [_compiled(place.replace("{label}", label)) for label in structures or ("",)]
        if any(not any(each.fullmatch(mask) for each in fits) for mask in masks if own is None or mask in own):
            return False
    return True


def _compiled(place: str) -> re.Pattern[str]:
    text = re.escape(place).replace(r"\[\*\]", r"\*").replace(r"\[\?\]", r"\?").replace(r"\[\[\]", r"\[")
    return re.compile(text.replace(r"\*", "[^/]*"))
