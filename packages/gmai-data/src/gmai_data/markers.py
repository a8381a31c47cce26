"""The marker of a finished step: written last, with its account and the seals of its files.

A step whose marker or files are gone or damaged is not finished, and is done again: the same bytes come of it.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.state import DamagedError, damage, read_state, seal, write_state

BUILT, WRITTEN, SCREENED = "done.json", "written.json", "screened.json"
COMPLETE = ".build/complete.json"
"""Marker of a complete build, beside `build.json`; its files are those of OUT."""
_FILES = "files"

_verified: dict[Path, tuple[tuple[int, int, int], ...]] = {}
"""What the files of a marker were, by inode, size and time, when this process last read all of them."""


def set_marker(folder: Path, marker: str, account: Mapping[str, Any], files: Iterable[str]) -> None:
    """Mark a step as complete; those of `files` that are absent had no rows."""
    seals = {name: seal(folder / name) for name in files if (folder / name).is_file()}
    write_state(folder / marker, {**account, _FILES: seals})


def read_marker(folder: Path, marker: str) -> dict[str, Any]:
    """Return the account of a finished step.

    Raises:
        DamagedError: The marker is not what was written.
    """
    values = read_state(folder / marker)
    del values[_FILES]
    return values


def has_marker(folder: Path, marker: str, *, thorough: bool = True) -> bool:
    """Return whether a step is complete and its files are whole.

    A cluster may clear what is old, and a power cut or a disk may damage it: it is said, and the step is done again.

    Args:
        folder: That of the step.
        marker: Name of the marker in it.
        thorough: Compare the content of each file once; False looks at the sizes alone.
    """
    path = folder / marker
    try:
        found = lost(folder, marker, thorough=thorough)
    except DamagedError as error:
        say(f"{error}; the step is done again")
        return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    for reason in found.values():
        say(f"{path.parent}: {reason}; the step is done again")
    return not found


def lost(folder: Path, marker: str, *, thorough: bool = True, only: Collection[str] = ()) -> dict[str, str]:
    """Return the files of a finished step that are gone or damaged, each with what is wrong with it.

    Args:
        folder: That of the step.
        marker: Name of the marker in it.
        thorough: See `has_marker`.
        only: Names of the files that are looked at; all of them where there are none.

    Raises:
        FileNotFoundError: The step is not finished.
        DamagedError: Its marker is not what was written.
    """
    path = folder / marker
    all_seals: dict[str, dict[str, Any]] = read_state(path)[_FILES]
    seals = {name: sealed for name, sealed in all_seals.items() if not only or name in only}
    if not thorough:
        return {name: reason for name in seals if (reason := _other_size(folder / name, seals[name]["bytes"]))}
    seen = _look(path, *(folder / name for name in seals))
    if seen is not None and _verified.get(path) == seen:
        return {}
    found = {name: reason for name, sealed in seals.items() if (reason := damage(folder / name, sealed))}
    if seen is not None and not found and not only:
        _verified[path] = seen
    return found


def _other_size(path: Path, size_bytes: int) -> str:
    try:
        return "" if path.stat().st_size == size_bytes else f"{path.name} is not {size_bytes:,} bytes long"
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror or error}"


def _look(*paths: Path) -> tuple[tuple[int, int, int], ...] | None:
    try:
        return tuple((entry.st_ino, entry.st_size, entry.st_mtime_ns) for entry in (path.stat() for path in paths))
    except OSError:
        return None
