"""Which level of a tree of folders is the class, which the split, and which the patient."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from gmai_data.sources.layout import SPLIT_NAMES
from gmai_data.sources.pairing import split_of_name
from gmai_data.vocabulary import Split

_PERSON = re.compile(
    r"(?:patient|subject|subj?|case|person|pat|video|study|series|exam|seq|scan|pid|id)[ _-]?\w*\d", re.I
)
_PART_OF_A_SET = re.compile(r"(?:.*[^a-z])?(?:part|set|batch|fold|chunk|images?|imgs?)[ _-]*\d+.*", re.IGNORECASE)
_ID = re.compile(r"\d{4,}|[0-9a-f]{8,}", re.I)
_NO_CLASSES = frozenset(
    {"image", "images", "img", "imgs", "data", "dataset", "all", "raw", "photos", "pictures", "jpegimages", "frames",
     "labels", "masks", "video", "videos", "scans", "volumes", "files", "nifti", "png", "jpg", "dicom", "dcm", "input",
     "original", "ct", "mr", "mri"}
)  # fmt: skip
_MOST_CLASSES = 300


@dataclass(frozen=True)
class ClassTree:
    """What the folders of a tree mean.

    Attributes:
        above: Folder that all lie in, or nothing.
        has_splits: The first level below is the publisher's split.
        classes: Names of the folders that are classes; empty where only the publisher knows.
        pattern: A pattern with `{class}` where patient or other folders lie above or around it.
        splits: Name of a split's folder ▶ our split, where it is not one of the usual names.
        notes: What was seen beside it.
    """

    above: str
    has_splits: bool
    classes: tuple[str, ...]
    pattern: str = ""
    splits: Mapping[str, Split] = field(default_factory=dict[str, Split])
    notes: tuple[str, ...] = ()


def class_tree(files: Sequence[str]) -> ClassTree | None:
    """Return what the folders mean, or None where no level of them can be a class.

    A level is the split where every folder of it is called like one, the patient where its folders are numbered or have
    the names of patients, and else the class, unless all files share the folder.
    """
    rows = [PurePosixPath(file).parts[:-1] for file in files]
    rows = [row for row in rows if row]
    if not rows:
        return None
    depth = max(map(len, rows))
    levels = [list(dict.fromkeys(row[at] for row in rows if len(row) > at)) for at in range(depth)]
    first = next((at for at, names in enumerate(levels) if len(names) > 1), depth - 1)
    above = "/".join(levels[at][0] for at in range(first))
    roles = [_role(names, [row[: at + 1] for row in rows if len(row) > at]) for at, names in enumerate(levels)]
    of_class = [at for at in range(first, depth) if roles[at] == "class"]
    if not of_class:
        return None
    level = of_class[0]
    classes = tuple(sorted(levels[level]))
    strays = len(files) - sum(len(PurePosixPath(file).parts) > level + 1 for file in files)
    notes = [f"{strays} files lie in no folder of a class."] if strays else []
    if len(classes) == 1:
        notes.append(f"There is one folder only, {classes[0]}: is it a class?")
    has_splits = first < depth and roles[first] == "split"
    names = {name: split_of_name(name) for name in levels[first]} if has_splits else {}
    known = {name: split for name, split in names.items() if split is not None}
    splits = {} if all(name in SPLIT_NAMES for name in known) else known
    if level == first + has_splits:
        return ClassTree(above, has_splits, classes, splits=splits, notes=tuple(notes))
    written = [_literal(levels[at][0]) for at in range(first)]
    taken: set[str] = set()
    for at in range(first, depth):
        name = "class" if at == level else roles[at] if roles[at] in ("split", "patient") else ""
        written.append(f"{{{name}}}" if name and name not in taken else "*")
        taken.add(name)
    deep = Counter(map(len, rows)).most_common(1)[0][0]
    written = written[:deep]
    ending = Counter(PurePosixPath(file).suffix for file in files).most_common(1)[0][0]
    pattern = "/".join([*written, f"*{ending}"])
    return ClassTree(above, has_splits, classes, pattern, splits, tuple(notes))


def _role(names: Sequence[str], places: Sequence[tuple[str, ...]]) -> str:
    """Return `split`, `patient`, `class`, or nothing for a level of folders."""
    if all(split_of_name(name) is not None and not _is_word_of_class(name) for name in names):
        return "split"
    if sum(bool(_PERSON.fullmatch(name) or _ID.search(name)) for name in names) > len(names) / 2:
        return "patient"
    if len(names) > _MOST_CLASSES or all(name.lower() in _NO_CLASSES for name in names):
        return ""
    if all(_PART_OF_A_SET.fullmatch(name) for name in names):
        return ""
    by_parent: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for place in places:
        by_parent[place[:-1]].add(place[-1])
    numbered = all(re.search(r"\d", name) for name in names)
    repeats = len(by_parent) > 1 and any(len(set(names) & held) > 1 for held in by_parent.values())
    if numbered and len(names) > 12 and not repeats:
        return "patient"
    return "class"


def _is_word_of_class(name: str) -> bool:
    """Return whether a name that says a split says more, such as `test_positive`."""
    return bool(re.search(r"positive|negative|normal|benign|malignant|abnormal", name, re.IGNORECASE))


def _literal(text: str) -> str:
    return re.sub(r"[\[*?]", lambda sign: f"[{sign[0]}]", text)
