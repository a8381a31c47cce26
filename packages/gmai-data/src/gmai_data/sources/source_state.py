"""How a source stands on disk: what a listing was made of, and what was written after a build began to read."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gmai_data.sources.files.volume_files import VOLUME_ENDINGS
from gmai_data.sources.layout import IMAGE_ENDINGS

_NO_LISTS = (*IMAGE_ENDINGS, *VOLUME_ENDINGS)


def state_lines(root: Path) -> Iterator[str]:
    """Yield the times of folders, and sizes and times of files that are no pictures: tables, lists, annotations."""
    for folder, changed_ns, entries in _walk(root):
        if entries is None:
            yield f"{folder}\0unreadable\n"
            continue
        yield f"{folder}\0{changed_ns}\n"
        lists: list[str] = []
        for entry in entries:
            if not entry.name.lower().endswith(_NO_LISTS) and entry.is_file():
                about = entry.stat()
                lists.append(f"{entry.path}\0{about.st_size}\0{about.st_mtime_ns}\n")
        yield from sorted(lists)


def written_since(root: Path, moment_ns: int) -> tuple[int, str]:
    """Return how many files below a folder have a time behind a moment, and one of them; hidden ones do not count.

    A look at each file, but none into it: what was put in the place of a file and kept an older time is not noticed.
    """
    count, first = 0, ""
    for _, _, entries in _walk(root):
        for entry in entries or ():
            with contextlib.suppress(OSError):  # a link that leads nowhere
                if not entry.name.startswith(".") and entry.stat().st_mtime_ns > moment_ns:
                    count, first = count + 1, min(first or entry.path, entry.path)
    return count, first[len(str(root)) + 1 :]


def _walk(root: Path) -> Iterator[tuple[str, int, Iterator[os.DirEntry[str]] | None]]:
    """Yield (folder, its time, its entries that are no folders) for all folders, links followed, each folder once.

    The entries are read one by one, and have to be taken before the next folder is asked for; None stands for a folder
    that cannot be read. Hidden folders are left out.
    """
    waiting, seen = [str(root)], set[tuple[int, int]]()
    while waiting:
        folder = waiting.pop()
        try:
            about = os.stat(folder)  # noqa: PTH116 - a Path for each of a million files costs more than the look at it
            opened = os.scandir(folder)
        except PermissionError:
            yield folder, 0, None
            continue
        except OSError:  # gone meanwhile
            continue
        if (about.st_dev, about.st_ino) in seen:
            opened.close()
            continue
        seen.add((about.st_dev, about.st_ino))
        inside: list[str] = []
        with opened:
            yield folder, about.st_mtime_ns, _files(opened, inside)
        waiting += sorted(inside, reverse=True)


def _files(entries: Iterator[os.DirEntry[str]], folders: list[str]) -> Iterator[os.DirEntry[str]]:
    for entry in entries:
        try:
            is_folder = entry.is_dir()
        except OSError:  # a link in a circle
            continue
        if not is_folder:
            yield entry
        elif not entry.name.startswith("."):
            folders.append(entry.path)
