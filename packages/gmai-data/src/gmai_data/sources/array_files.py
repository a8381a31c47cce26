"""`.npy` and `.npz` files: mapped, never unpickled, and refused when they would unpack to more than a disk holds."""

import functools
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.large import is_bomb
from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError

MAX_UNPACKED_BYTES = 32 * 2**30


def open_array(root: Path, relative: str, key: str) -> npt.NDArray[Any]:
    """Return the array of a `.npy`, or the array `key` of a `.npz`, as a read-only map.

    Raises:
        SourceError: Missing, damaged, no such array, objects instead of numbers, or a zip bomb.
    """
    path = require_data(root, relative)
    stat = path.stat()
    try:
        array: Any = _opened(path, key, stat.st_mtime_ns, stat.st_size)
    except SourceError as problem:
        raise SourceError(problem.rule, problem.detail, relative) from problem
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        detail = " ".join(str(error).split())
        raise SourceError("array file unreadable", f"{detail}; download it again", relative) from error
    if not isinstance(array, np.ndarray):
        raise SourceError("array file unreadable", "an archive lies inside the archive", relative)
    if array.ndim == 0:
        raise SourceError("array file unreadable", "it holds one number, and no list of images or labels", relative)
    if array.dtype.kind not in "biuf":
        raise SourceError("array of something else than numbers", f"type {array.dtype}", relative)
    return array


def array_names(root: Path, relative: str) -> list[str]:
    """Return the names of the arrays in a `.npz`.

    Raises:
        SourceError: Missing or damaged.
    """
    path = require_data(root, relative)
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError("array file unreadable", str(error), relative) from error


@functools.lru_cache(maxsize=4)
def _opened(path: Path, key: str, modified: int, size: int) -> npt.NDArray[Any]:
    del modified, size  # another file under the same name is another entry of the cache
    if path.suffix.lower() == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if f"{key}.npy" not in names:
            known = ", ".join(name.removesuffix(".npy") for name in names)
            raise SourceError("no such array", f'"{key}" is not in the file; it has {known}', path.name)
        member = archive.getinfo(f"{key}.npy")
        if member.file_size > MAX_UNPACKED_BYTES or is_bomb(member.compress_size, member.file_size):
            found = f"{member.compress_size} bytes claim to unpack to {member.file_size}"
            raise SourceError("zip bomb", f"{found}; no image packs so well", path.name)
        # Unpacked once per process into an unlinked file: every image after that is read where it lies.
        with archive.open(member) as packed, tempfile.NamedTemporaryFile(prefix="gmai-array-", suffix=".npy") as file:
            shutil.copyfileobj(packed, file, 2**20)
            file.flush()
            return np.load(file.name, mmap_mode="r", allow_pickle=False)
