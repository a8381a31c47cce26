"""Durable files, the same for every package: written aside, fsynced, renamed."""

import contextlib
import errno
import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO, Any

from gmai_formats.errors import UserError

LONGEST_LINE_BYTES = 1 << 28
"""No sample, answer or record that is one line, one entry of a list or one member of an archive is as long."""
_PIECE_BYTES = 1 << 22
_DEVICES = Path("/dev")


@contextlib.contextmanager
def replace_atomically(path: Path, *, durable: bool = True) -> Generator[IO[bytes]]:
    """Yield a binary file that takes the place of `path` when the block ends without an error.

    A reader sees the old file or the whole new one, never a part; a kill leaves the old file and a `.tmp` beside it.

    Args:
        path: The file.
        durable: Wait until the disk has it. Without that a power cut may tear it: for what a seal tells of, which is
            then made again.

    Raises:
        UserError: A device, a pipe or a socket is there, or its folder is that of the devices.
    """
    if path.parent.absolute() == _DEVICES or (path.exists() and not path.is_file() and not path.is_dir()):
        raise UserError(f"{path}: a device or pipe, whose place a file would take. Give the path of a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~umask())
        Path(temporary).replace(path)
        if durable:
            fsync_directory(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def is_file(path: Path) -> bool:
    """Return whether a file is there; False, unlike `Path.is_file`, for a name longer than any file's."""
    return _answer(path.is_file)


def may_be_read(path: Path) -> bool:
    """Return whether a path that was found is a file, or a link to none, whose loss is told; no pipe or device."""
    return is_file(path) or not path.exists()


def is_folder(path: Path) -> bool:
    """Return whether a folder is there; False, unlike `Path.is_dir`, for a name longer than any folder's."""
    return _answer(path.is_dir)


def require_folder(path: Path, remedy: str) -> None:
    """Refuse a path of the user's that is no folder.

    Args:
        path: As it was given.
        remedy: What to give, in sentences.

    Raises:
        UserError: There is nothing, or a file.
    """
    if not is_folder(path):
        found = f"a file.{unpack_first(path)}" if is_file(path) else "no such folder."
        raise UserError(f"{path}: {found} {remedy}")


ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".rar", ".7z")


def unpack_first(path: Path) -> str:
    """Return what to do with a file that stands where a folder is due, as a sentence behind a blank; mostly nothing."""
    return " Unpack it first: archives are not read." if path.name.lower().endswith(ARCHIVES) else ""


def _answer(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def umask() -> int:
    """Return the process's file mode creation mask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def fsync_directory(path: Path) -> None:
    """Make renames inside a directory durable; a file system that cannot fsync directories is left alone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def bounded_lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """Yield the lines of a file with their ends; None stands for one of more than 256 MB, which is passed over."""
    while line := file.readline(LONGEST_LINE_BYTES + 1):
        if len(line) <= LONGEST_LINE_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_PIECE_BYTES)
        yield None


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write content at the begin of an open file."""
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, memoryview(content)[done:], done)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with replace_atomically(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON (indented, UTF-8, keys in the given order) atomically."""
    write_text(path, as_json(value))


def as_json(value: Any) -> str:
    """Return JSON as `write_json` writes it."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


_CHUNK_BYTES = 2**16


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 digest of a file, read in chunks."""
    with path.open("rb") as file:
        start = file.read(_CHUNK_BYTES)
        if len(start) < _CHUNK_BYTES:  # `file_digest` would clear a larger chunk first than most files are
            return hashlib.sha256(start).hexdigest()
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


_RECORDED = (
    "gmai-cli", "gmai-data", "gmai-model", "gmai-bench", "torch", "transformers", "accelerate", "deepspeed", "datasets",
    "tokenizers", "safetensors", "huggingface-hub", "numpy", "pyarrow", "pydicom", "nibabel", "pillow",
    "connected-components-3d", "scipy", "pydantic",
)  # fmt: skip


def installed_versions() -> dict[str, str]:
    """Return the versions of the gmai packages and of the libraries that shape their results."""
    versions: dict[str, str] = {}
    for name in _RECORDED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
