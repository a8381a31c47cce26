"""The marker of a finished step in a shard's folder: written last, with its account and the sizes of its files."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gmai_formats.files import write_json

BUILT, WRITTEN = "done.json", "written.json"


def set_marker(folder: Path, marker: str, account: Mapping[str, Any], files: Iterable[str]) -> None:
    """Mark a step as complete; those of `files` that are absent had no rows."""
    sizes = {name: (folder / name).stat().st_size for name in files if (folder / name).is_file()}
    write_json(folder / marker, {**account, "files_bytes": sizes})


def has_marker(folder: Path, marker: str) -> bool:
    """Return whether a step is complete and its files are still there: a cluster may clear what is old."""
    try:
        sizes: dict[str, int] = json.loads((folder / marker).read_text(encoding="utf-8"))["files_bytes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (FileNotFoundError, NotADirectoryError):
        return False
