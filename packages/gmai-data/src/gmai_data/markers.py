"""The marker of a finished step in a shard's folder: written last, with its account and the sizes of its files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.state import DamagedError, read_state, write_state

BUILT, WRITTEN = "done.json", "written.json"


def set_marker(folder: Path, marker: str, account: Mapping[str, Any], files: Iterable[str]) -> None:
    """Mark a step as complete; those of `files` that are absent had no rows."""
    sizes = {name: (folder / name).stat().st_size for name in files if (folder / name).is_file()}
    write_state(folder / marker, {**account, "files_bytes": sizes})


def has_marker(folder: Path, marker: str) -> bool:
    """Return whether a step is complete and its files are still there: a cluster may clear what is old.

    A marker that a power cut or a disk has damaged marks nothing, so that the step is done again.
    """
    try:
        sizes: dict[str, int] = read_state(folder / marker)["files_bytes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except DamagedError as error:
        say(f"{error}; the step is done again")
        return False
    except (FileNotFoundError, NotADirectoryError):
        return False
