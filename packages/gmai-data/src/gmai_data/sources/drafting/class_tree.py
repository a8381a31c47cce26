"""Which level of a tree of folders is the class, which the split, and which the patient."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from gmai_data.sources.drafting.pairing import literal, split_of_name
from gmai_data.sources.files.folder import ending_pattern
from gmai_data.sources.layout import SPLIT_NAMES
from gmai_data.vocabulary import Split

_PERSON = re.compile(
    r"(?:patient|subject|subj?|case|person|pat|video|study|series|exam|seq|scan|pid|id)[ _-]?\w*\d", re.I
)
_PART_OF_A_SET = re.compile(r"(?:.*[^a-z])?(?:part|set|batch|fold|chunk|images?|imgs?)[ _-]*\d+.*", re.IGNORECASE)
_ID = re.compile(r"\d{4,}|[0-9a-f]{8,}", re.I)
_NO_CLASSES = frozenset(
    {"image", "images", "img", "imgs", "data", "dataset", "all", "raw", "photos", "pictures", "jpegimages", "frames",
     "label", "labels", "mask", "masks", "video", "videos", "scans", "volumes", "files", "nifti", "png", "jpg", "dicom",
     "dcm", "input", "inputs", "original", "originals", "augmented", "enhanced", "cropped", "resized", "preprocessed",
     "processed", "ct", "mr", "mri", "cxr", "xray", "us", "oct", "rgb", "overlay", "overlays", "map", "maps", "heatmap",
     "attention", "annotation", "annotations", "tissue", "patch", "patches", "tile", "tiles", "crop", "crops",
     "subwindows", "left", "right", "first", "second", "set", "sets", "blind", "od", "os", "train", "training", "test",
     "testing", "val", "valid", "validation", "x", "px"}
)  # fmt: skip
"""Words of folders that say what lies in them, or which version of it, and not of which class it is."""
_GRADED = re.compile(
    r"(?:.*[^a-z])?(?:class|grade|level|stage|type|score|category|cat|degree|group|label|birads|bi-rads|tirads|kl|dr|isup"
    r"|gleason|mes|mayo|bbps|phase|sr|[a-z])[ _-]*",
    re.IGNORECASE,
)
"""What stands before the number of a class, as in Grade 2 or G2; PT_06 and VID01 are numbers of a case."""
_MOST_CLASSES = 300


@dataclass(frozen=True)
class ClassTree:
    """What the folders of a tree mean.

    Attributes:
        above: Folder that all lie in, or nothing.
        has_splits: The first level below is the publisher's split.
        classes: Names of the folders that are classes; empty where only the publisher knows.
        pattern: A pattern with `{class}` where patient or other folders lie above or around it, or TODO where several
            levels, or a folder alone, may be the class.
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
    versions = [at for at in range(first, depth) if len(levels[at]) > 1 and all(map(says_no_class, levels[at]))
                and roles[at] != "split"]  # fmt: skip
    of_splits = [name for name in classes if split_of_name(name) is not None and not _is_word_of_class(name)]
    sequences = (roles[first] != "split" and _are_sequences(classes, level, files)) or _are_copies(level, files)
    if len(of_class) > 1 or len(classes) == 1 or versions or of_splits or sequences:
        return _open(rows, levels, of_class, versions, ending_pattern(map(PurePosixPath, files)))
    strays = len(files) - sum(len(PurePosixPath(file).parts) > level + 1 for file in files)
    notes = [f"{strays} files lie in no folder of a class."] if strays else []
    of_split = next((at for at in range(first, depth) if roles[at] == "split"), None)
    has_splits = of_split == first
    names = {} if of_split is None else {name: split_of_name(name) for name in levels[of_split]}
    known = {name: split for name, split in names.items() if split is not None}
    splits = {} if all(name in SPLIT_NAMES for name in known) else known
    if level == first + has_splits and (of_split is None or of_split < level):
        return ClassTree(above, has_splits, classes, splits=splits, notes=tuple(notes))
    written = [literal(levels[at][0]) for at in range(first)]
    taken: set[str] = set()
    for at in range(first, depth):
        name = "class" if at == level else roles[at] if roles[at] in ("split", "patient") else ""
        written.append(f"{{{name}}}" if name and name not in taken else "*")
        taken.add(name)
    deep = Counter(map(len, rows)).most_common(1)[0][0]
    written = written[:deep]
    pattern = "/".join([*written, ending_pattern(map(PurePosixPath, files))])
    return ClassTree(above, has_splits, classes, pattern, splits, tuple(notes))


def _are_sequences(classes: Sequence[str], level: int, files: Sequence[str]) -> bool:
    """Return whether folders of plain numbers are cases: their files have the same names, or the folder's number."""
    if not all(name.isdigit() for name in classes):
        return False
    own = re.compile(r"(?:^|/)(\d+)/(?:[^/]+/)*\1(?!\d)[^/]*$")
    if sum(own.search(file) is not None for file in files) * 2 > len(files):
        return True
    names: Counter[str] = Counter()
    for place in {PurePosixPath(file).parts[level:] for file in files}:
        if len(place) > 1:
            names["/".join(place[1:])] += 1
    return sum(count > 1 for count in names.values()) * 2 > len(names)


def _are_copies(level: int, files: Sequence[str]) -> bool:
    """Return whether each folder holds the same pictures by their names, as of two stains or cameras.

    Names of a word and a number, such as `img_1.png`, are in many folders by habit.
    """
    held: dict[str, set[str]] = defaultdict(set)
    for file in files:
        parts = PurePosixPath(file).parts
        if len(parts) > level + 1:
            held["/".join(parts[level + 1 :])].add(parts[level])
    folders = set[str]().union(*held.values())
    telling = all(len(re.findall(r"\d+", PurePosixPath(name).stem)) > 1 for name in held)
    return telling and len(folders) > 1 and sum(each == folders for each in held.values()) * 10 >= len(held) * 9


def companion(files: Sequence[str]) -> str:
    """Return what most pictures' names have behind the name of another picture of the folder, as masks have, or ''."""
    stems = {PurePosixPath(file).with_suffix("").as_posix() for file in files}
    more: Counter[str] = Counter()
    for stem in stems:
        found = re.fullmatch(r"(.*?\w)([ _-]+[A-Za-z]+)", stem)
        if found and found[1] in stems:
            more[found[2]] += 1
    ending, count = max(more.items(), key=lambda each: each[1], default=("", 0))
    return ending if count * 4 > len(stems) else ""


def _open(
    rows: Sequence[tuple[str, ...]],
    levels: Sequence[Sequence[str]],
    of_class: Sequence[int],
    versions: Sequence[int],
    files: str,
) -> ClassTree:
    """Return a tree whose class is open, with a pattern for each level that it may be."""
    notes: list[str] = []
    for level in of_class:
        deep = Counter(len(row) for row in rows if len(row) > level).most_common(1)[0][0]
        splits = [len(names) > 1 and all(split_of_name(name) is not None for name in names) for names in levels]
        folders = "/".join("{class}" if at == level else "{split}" if splits[at] else "*" for at in range(deep))
        names = ", ".join(sorted(levels[level])[:12])
        of_splits = [name for name in sorted(levels[level]) if split_of_name(name) is not None]
        only = " (one folder only: is it a class?)" if len(levels[level]) == 1 else ""
        notes.append(f"files: `{folders}/{files}` if {names} are the classes{only}")
        if of_splits:
            notes.append(f"files: {', '.join(of_splits)} may be a part of the split and no class")
    for level in versions:
        notes.append(f"files: {', '.join(sorted(levels[level])[:12])} may hold other versions of a picture: name one")
    return ClassTree("", False, (), "TODO", notes=tuple(notes))


def _role(names: Sequence[str], places: Sequence[tuple[str, ...]]) -> str:
    """Return `split`, `patient`, `class`, or nothing for a level of folders."""
    if all(split_of_name(name) is not None and not _is_word_of_class(name) for name in names):
        return "split"
    if sum(bool(_PERSON.fullmatch(name) or _ID.search(name)) for name in names) > len(names) / 2:
        return "patient"
    if len(names) > _MOST_CLASSES or all(says_no_class(name) for name in names):
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
    forms = {re.sub(r"\d+", "0", name) for name in names}
    if len(forms) == 1 and len(names) > 1 and "0" in (alike := forms.pop()):
        before = alike.partition("0")[0]
        if (before and not _GRADED.fullmatch(before)) or (alike.count("0") > 1 and not repeats):
            return "patient"
    return "class"


def says_no_class(name: str) -> bool:
    """Return whether a name consists of words such as images, of numbers, and of sizes such as 160x160."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    if name in ("左眼", "右眼", "左", "右"):
        return True
    return bool(words) and all(word.lower() in _NO_CLASSES for word in words)


def _is_word_of_class(name: str) -> bool:
    """Return whether a name that says a split says more, such as `test_positive`."""
    return bool(re.search(r"positive|negative|normal|benign|malignant|abnormal", name, re.IGNORECASE))
