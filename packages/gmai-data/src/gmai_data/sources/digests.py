"""Which bytes a record was made from: the SHA-256 of each of its source files."""

import errno
import functools
import hashlib
import os
import stat
from pathlib import Path

from gmai_formats.files import sha256_file

from gmai_data.imaging.source_files import on_disk
from gmai_data.ledger import printable
from gmai_data.sources.files.detached import data_files

_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
MANY = 4
"""More files than this stand in a record as one digest over all of them."""


def source_digests(root: Path, files: tuple[str, ...]) -> dict[str, str]:
    """Return path ▶ SHA-256; a folder's is that of its files' names and digests, in order of their names.

    A header whose numbers lie in other files is followed by those. Many files (one per structure) are given as one
    entry under their common folder.
    """
    whole = dict.fromkeys(each for file in files for each in (file, *data_files(root, file)))
    found = {file: digest for file in whole if (digest := _of_path(on_disk(root, file)))}
    if len(found) <= MANY:
        return found
    first, *rest = found.items()
    folder = str(Path(rest[0][0]).parent)
    return {first[0]: first[1], f"{folder}/*": _of_pairs(rest)}


def state_of(root: Path, file: str) -> str:
    """Return size and time of a file, those of all files of a folder as one digest, or nothing where there is none.

    Of a header whose numbers lie in other files, those of the others stand behind its own.
    """
    return ", ".join([_state(root, each) for each in (file, *data_files(root, file))])


def _state(root: Path, file: str) -> str:
    path = on_disk(root, file)
    try:
        about = path.stat()
        if not stat.S_ISDIR(about.st_mode):
            return f"{about.st_size} {about.st_mtime_ns}"
        with os.scandir(path) as entries:
            found = sorted((entry.name, entry.stat()) for entry in entries if entry.is_file())
    except (OSError, ValueError):  # a name that no file can have
        return ""
    lines = "".join(f"{name}\0{about.st_size} {about.st_mtime_ns}\n" for name, about in found)
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _of_path(path: Path) -> str:
    """Return the digest of a file or of all files of a folder, or nothing where there is none."""
    try:
        about = path.stat()
    except (OSError, ValueError) as error:  # a ValueError is of a name that no file can have
        if isinstance(error, OSError) and error.errno not in _NOTHING_THERE:
            raise
        return ""
    if stat.S_ISDIR(about.st_mode):
        pairs = [(printable(file.name), _of_path(file)) for file in sorted(path.iterdir()) if file.is_file()]
        return _of_pairs(pairs)
    return _of_file(path, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=1024)
def _of_file(path: Path, modified: int, size: int) -> str:
    del modified, size  # a changed file is another entry of the cache
    return sha256_file(path)


def _of_pairs(pairs: list[tuple[str, str]]) -> str:
    return hashlib.sha256("\n".join(f"{digest}  {name}" for name, digest in pairs).encode()).hexdigest()
