"""Files of a source: inside the root, really there, and what they claim to be."""

import functools
import hashlib
import logging
import os
import re
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gmai_formats.errors import UserError
from gmai_formats.files import is_file

from gmai_data.ledger import SourceError, printable
from gmai_data.untyped import dicom

_LFS_HEADER = b"version https://git-lfs"


_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


def on_disk(root: Path, relative: str) -> Path:
    """Return `root/relative`, of a name that `printable` gave back as it is on disk."""
    path = root / relative
    if "\\x" not in relative or is_file(path):
        return path
    name = _ESCAPED.sub(lambda escape: bytes.fromhex(escape[1].decode()), relative.encode())
    return root / os.fsdecode(name)


def inside(root: Path, relative: str) -> Path:
    """Return `root/relative`, refusing paths that lead out of the root (`..`, absolute paths, links).

    Raises:
        SourceError: The path leaves the root.
    """
    path = on_disk(root, relative)
    if not path.resolve().is_relative_to(root.resolve()):
        raise SourceError("path outside the root", "a source may only name files below --root", relative)
    return path


def require_data(root: Path, relative: str) -> Path:
    """Return the path of a file that is there and holds data.

    Raises:
        SourceError: Missing, empty, a Git LFS pointer, or outside the root.
    """
    path = inside(root, relative)
    if not is_file(path):
        raise SourceError("file missing", "the source lists it; download it or take it off the list", relative)
    try:
        with path.open("rb") as file:
            head = file.read(len(_LFS_HEADER))
    except OSError as error:
        raise SourceError("file unreadable", f"{error.strerror}; check its permissions", relative) from error
    if not head:
        raise SourceError("file empty", "0 bytes; download it again", relative)
    if head == _LFS_HEADER:
        raise SourceError("Git LFS pointer instead of data", "run `git lfs pull` in the dataset's folder", relative)
    return path


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
        names = _names_in(root / place)
        found = names.get(_spelled(part), ())
        if part not in found and len(found) != 1:
            return relative
        name = part if part in found else found[0]
        place = name if number == 0 else f"{place}/{name}"
    return place


@functools.lru_cache(maxsize=64)
def _names_in(folder: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        found.setdefault(_spelled(entry.name), []).append(entry.name)
    return {name: tuple(names) for name, names in found.items()}


def _spelled(name: str) -> str:
    stem, dot, ending = unicodedata.normalize("NFC", name).strip().rpartition(".")
    return f"{stem}{dot}{ending.lower()}" if dot else ending


def below(root: Path, relative: str, *, recipe: str) -> Path:
    """Return a folder, file or pattern that a recipe's layout names.

    Raises:
        UserError: It is absolute, or leads out of the root.
    """
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts:
        raise UserError(f"recipe {recipe}: layout names `{relative}`. Its paths are relative to --root and below it.")
    return root / relative


def matching(root: Path, pattern: str, *, recipe: str, what: str, folders: bool = False) -> list[Path]:
    """Return the files (or folders) below `root` that match a pattern, sorted; endings match in either case.

    Hidden files are none of a dataset's. Links that lead nowhere (git-annex without its data) are listed, so that they
    end in the quarantine.

    Raises:
        UserError: Nothing matches, or the pattern leads out of the root.
    """
    below(root, pattern, recipe=recipe)
    found = sorted(
        path for path in root.glob(_either_case(pattern)) if (path.is_dir() if folders else is_listed(path, root))
    )
    if not found:
        raise UserError(
            f"{root}: recipe {recipe} finds no {what} that match `{pattern}`. The pattern is relative to --root. "
            f"Give the folder that the recipe describes (`gmai data recipes show {recipe}`)."
        )
    return found


def files_below(root: Path, top: Path) -> Iterator[str]:
    """Yield the paths below `root` of all files below `top`, in order of their parts, one folder in memory at a time.

    Hidden files and links to folders are left out; links that lead nowhere are listed, as in `matching`.
    """
    start = len(str(root)) + 1
    waiting = [iter(_sorted_entries(str(top)))]
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
        elif entry.is_dir(follow_symlinks=False):
            waiting.append(iter(_sorted_entries(entry.path)))
        elif entry.is_file() or (entry.is_symlink() and not entry.is_dir()):
            yield entry.path[start:]


def _sorted_entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        seen = [entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX"]
    return sorted(seen, key=lambda entry: entry.name)


def is_listed(path: Path, root: Path) -> bool:
    """Return whether a path below the root is a file, or a link to one that is not there, and no system's own."""
    parts = path.relative_to(root).parts
    if any(part == "__MACOSX" or part.startswith(".") for part in parts):
        return False
    return path.is_file() or (path.is_symlink() and not path.exists())


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
            header = dicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID", "StudyInstanceUID"])
            identity = str(header.get("PatientID", "") or header.get("StudyInstanceUID", "") or "")
    except Exception:  # the file is judged when it is read, where the reason is recorded
        return ""
    finally:
        logger.setLevel(level)
    return patient_group(identity)


def patient_group(identity: str) -> str:
    """Return a digest that stands for a patient's identifier, or nothing where there is none."""
    return hashlib.sha256(identity.encode()).hexdigest()[:16] if identity else ""
