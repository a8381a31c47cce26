"""Files of a source: inside the root, really there, and what they claim to be."""

import functools
import hashlib
import itertools
import logging
import math
import os
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from gmai_formats.errors import UserError
from gmai_formats.files import is_file
from gmai_formats.pictures.dicom import parse_dicom
from gmai_formats.pictures.dicom_start import is_dicom
from gmai_formats.pictures.read import HEAD_BYTES, kind_of
from pydicom import Dataset

from gmai_data.imaging.file_tree import matching_below
from gmai_data.ledger import SourceError, printable

_LFS_HEADER = b"version https://git-lfs"


_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


def on_disk(root: Path, relative: str) -> Path:
    """Return `root/relative`, of a name that `printable` gave back as it is on disk."""
    path = _joined(root, relative)
    if "\\x" not in relative or is_file(path):
        return path
    name = _ESCAPED.sub(lambda escape: bytes.fromhex(escape[1].decode()), relative.encode())
    return root / os.fsdecode(name)


@functools.lru_cache(maxsize=64)
def _joined(root: Path, relative: str) -> Path:
    return root / relative  # each file of an item is looked at several times


def inside(root: Path, relative: str) -> Path:
    """Return `root/relative`, refusing paths that lead out of the root (`..`, absolute paths, links).

    Raises:
        SourceError: The path leaves the root.
    """
    path = on_disk(root, relative)
    if "\0" in relative:
        raise SourceError("file missing", "no file has a NUL in its name; correct the list", relative)
    if not _leads_below(path, root):
        raise SourceError("path outside the root", "a source may only name files below --root", relative)
    return path


def _leads_below(path: Path, root: Path) -> bool:
    # Unlike those of `Path`, these take links that lead in a circle, and names that no file can have.
    if path.name == ".." or os.path.islink(path):  # noqa: PTH114
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
    return _folder_below(str(path.parent), str(root)) or path == root


@functools.lru_cache(maxsize=64)
def _folder_below(folder: str, root: str) -> bool:
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(root))


def require_data(root: Path, relative: str) -> Path:
    """Return the path of a file that is there and holds data.

    Raises:
        SourceError: Missing, empty, a Git LFS pointer, or outside the root.
    """
    return _with_head(root, relative, len(_LFS_HEADER))[0]


def raster_data(root: Path, relative: str) -> bytes | None:
    """Return the bytes of a picture file, which is opened once; None for a DICOM file, of which only the head is read.

    Raises:
        SourceError: As `require_data`.
    """
    _, head, rest = _with_head(root, relative, HEAD_BYTES, unless=lambda head: kind_of(head) == "dicom")
    return None if rest is None else head + rest


def _with_head(
    root: Path, relative: str, count: int, unless: Callable[[bytes], bool] = lambda head: True
) -> tuple[Path, bytes, bytes | None]:
    """Return the path of a file that holds data, its first bytes, and the rest unless the head says so."""
    path = inside(root, relative)
    if not is_file(path):
        raise SourceError("file missing", "the source lists it; download it or take it off the list", relative)
    try:
        with path.open("rb") as file:
            head = file.read(count)
            if not head:
                raise SourceError("file empty", "0 bytes; download it again", relative)
            if head.startswith(_LFS_HEADER):
                detail = "run `git lfs pull` in the dataset's folder"
                raise SourceError("Git LFS pointer instead of data", detail, relative)
            return path, head, None if unless(head) else file.read()
    except OSError as error:
        raise SourceError("file unreadable", f"{error.strerror}; check its permissions", relative) from error


def as_on_disk(root: Path, relative: str) -> str:
    """Return the path that a table or an annotation means, as the file is called on disk.

    Names are the same whose letters are composed or decomposed (Unicode Standard Annex 15), that have blanks around
    them, or whose ending is in another case. Where no single file is meant, the path is returned as it stands.
    """
    if is_file(root / relative):
        return relative
    relative = relative.replace("\\", "/")  # as programs on Windows write paths
    place = ""
    parts = PurePosixPath(relative.strip()).parts
    for number, part in enumerate(parts):
        names = _by_spelling(root / place)
        found = names.get(_spelled(part), ())
        if part not in found and len(found) != 1:
            return relative
        name = part if part in found else found[0]
        place = name if number == 0 else f"{place}/{name}"
    return place


@functools.lru_cache(maxsize=64)
def names_in(folder: Path) -> tuple[str, ...]:
    """Return the names of all that lies in a folder, in order; none where there is no such folder."""
    return tuple(sorted(entry.name for entry in folder.iterdir())) if folder.is_dir() else ()


@functools.lru_cache(maxsize=64)
def _by_spelling(folder: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in names_in(folder):
        found.setdefault(_spelled(name), []).append(name)
    return {name: tuple(names) for name, names in found.items()}


def _spelled(name: str) -> str:
    stem, dot, ending = unicodedata.normalize("NFC", name).strip().rpartition(".")
    return f"{stem}{dot}{ending.lower()}" if dot else ending


_ANY_FOLDERS = re.compile(r"(?:\*\*/){2,}")
"""Means what one `**/` means, and looks at each folder many times."""
_MOST_ALTERNATIVES = 1000
CHOICE = re.compile(r"\{([^{}:]*,[^{}:]*)\}")
"""`{jpg,png}` in a pattern: either word."""


def below(root: Path, relative: str, *, recipe: str) -> Path:
    """Return a folder, file or pattern that a recipe's layout names.

    Raises:
        UserError: It is absolute, or leads out of the root.
    """
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts:
        raise UserError(f"recipe {recipe}: layout names `{relative}`. Its paths are relative to --root and below it.")
    return root / relative


def matching(root: Path, pattern: str, *, recipe: str, what: str, folders: bool = False) -> Iterator[str]:
    """Yield the paths below `root` of the files (or folders) that match a pattern; see `matching_any`."""
    return (path for path, _ in matching_any(root, (pattern,), recipe=recipe, what=what, folders=folders))


def matching_any(
    root: Path, patterns: Sequence[str], *, recipe: str, what: str, folders: bool = False
) -> Iterator[tuple[str, set[int]]]:
    """Yield (path below `root`, numbers of the patterns) for the files (or folders) that match one of several patterns.

    Endings match in either case; `*.{jpg,png}` matches either ending. See `file_tree` for the order, and what is left
    out. Links that lead nowhere (git-annex without its data) are listed, so that they end in the quarantine.

    Raises:
        UserError: Nothing matches, or a pattern leads out of the root.
    """
    plain: list[str] = []
    of: list[int] = []
    for number, pattern in enumerate(patterns):
        below(root, pattern, recipe=recipe)
        count = math.prod(words.count(",") + 1 for words in CHOICE.findall(pattern))
        if count > _MOST_ALTERNATIVES:
            raise UserError(
                f"recipe {recipe}: `{pattern}` stands for {count} patterns. Write a `*` for some of the words."
            )
        words = alternatives(_ANY_FOLDERS.sub("**/", pattern))
        plain += map(_either_case, words)
        of += [number] * len(words)
    found = False
    for path, numbers in matching_below(str(root), plain, folders=folders):
        found = True
        yield path, {of[number] for number in numbers}
    if not found:
        raise UserError(
            f"{root}: recipe {recipe} finds no {what} that match `{'`, `'.join(patterns)}`. A pattern is relative to "
            f"--root. Give the folder that the recipe describes (`gmai data recipes show {recipe}`)."
        )


def alternatives(pattern: str) -> list[str]:
    """Return the patterns that one with `{jpg,png}` stands for; `{id}` is none of these."""
    choice = CHOICE.search(pattern)
    if choice is None:
        return [pattern]
    before, behind = pattern[: choice.start()], pattern[choice.end() :]
    return [each for word in choice[1].split(",") for each in alternatives(f"{before}{word.strip()}{behind}")]


def _either_case(pattern: str) -> str:
    """Return the pattern with an ending such as `.jpg` as `.[jJ][pP][gG]`."""
    folder, slash, name = pattern.rpartition("/")
    stem, dot, ending = name.partition(".")
    if "[" in ending:
        return pattern
    either = re.sub("[a-zA-Z]", lambda letter: f"[{letter[0].lower()}{letter[0].upper()}]", ending)
    return f"{folder}{slash}{stem}{dot}{either}"


def relative_to(root: Path, path: Path) -> str:
    """Return the path below the root with forward slashes, as it stands in ids and in the quarantine."""
    return printable(path.relative_to(root).as_posix())


def patient_digest(path: Path) -> str:
    """Return a digest that stands for a DICOM file's patient (the identifier itself never leaves), or nothing."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            header = parse_dicom(path, stop_before_pixels=True, specific_tags=["PatientID", "StudyInstanceUID"])
            return group_of_header(header)
    except Exception:  # the file is judged when it is read, where the reason is recorded
        return ""
    finally:
        logger.setLevel(level)


def is_dicom_under_its_name(path: Path) -> bool:
    """Return whether a file with the ending of a picture is to be asked for its patient: files beside it are DICOM.

    Viewers and download scripts rename whole folders. The first few files of a folder with its ending stand for all,
    since a listing of millions of pictures cannot open each.
    """
    return are_dicom(str(path.parent), path.suffix)


@functools.lru_cache(maxsize=1024)
def are_dicom(folder: str, ending: str) -> bool:
    """Return whether the first few files of a folder with an ending are DICOM; see `is_dicom_under_its_name`."""
    try:
        with os.scandir(folder) as entries:
            named = (each.path for each in entries if each.name.endswith(ending) and each.is_file())
            return any(begins_as_dicom(path) for path in itertools.islice(named, _LOOKED_AT))
    except OSError:  # judged when its files are read
        return False


DICOM_ENDINGS = (".dcm", ".ima", ".dicom")


def is_dicom_file(path: Path) -> bool:
    """Return whether a file is DICOM: by its ending or, where it has another or none, by its first bytes."""
    return path.suffix.lower() in DICOM_ENDINGS or begins_as_dicom(path)


def begins_as_dicom(path: str | Path) -> bool:
    """Return whether the first bytes of a file are those of a DICOM file; of one that cannot be read, no.

    Why it cannot be read is recorded when it is read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as text where a listing asks
            return is_dicom(file.read(HEAD_BYTES))
    except OSError:
        return False


def group_of_header(header: Dataset) -> str:
    """Return what stands for the patient that a DICOM header names, else for its study; nothing where it names none."""
    return patient_group(stated_patient(header.get("PatientID")) or str(header.get("StudyInstanceUID") or "").strip())


_NOBODY = frozenset(
    {"anonymous", "anonymized", "anonymised", "anon", "anonym", "deidentified", "de-identified", "removed", "unknown",
     "none", "null", "n/a", "na", "nan", "no name", "noname", "no id", "patient", "patientid", "patient id",
     "xx", "xxx", "xxxx"}
)  # fmt: skip
"""What programs write in the place of a PatientID, in lower case: it names nobody, or everybody."""


def stated_patient(value: object) -> str:
    """Return the PatientID of a header, or nothing where it holds none, or a word in its place."""
    identity = str(value or "").strip()
    return "" if identity.lower().strip("^*_- ") in _NOBODY else identity


def header_patient(path: Path) -> str:
    """Return what stands for the patient of a DICOM file, or of the first in a folder that names one; or nothing."""
    if not path.is_dir():
        return patient_digest(path)
    files = (each for each in sorted(path.iterdir()) if each.is_file() and not each.name.startswith("."))
    return next(filter(None, map(patient_digest, itertools.islice(files, _LOOKED_AT))), "")


_LOOKED_AT = 8


def patient_group(identity: str) -> str:
    """Return a digest that stands for a patient's identifier, or nothing where there is none."""
    return hashlib.sha256(identity.encode()).hexdigest()[:16] if identity else ""
