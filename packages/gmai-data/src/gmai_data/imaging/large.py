"""Arrays of any size in bounded memory: the large ones lie in a file, and what was read of them is let go again."""

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

IN_MEMORY_BYTES = 512 * 1024 * 1024
"""Arrays up to this size are held in memory."""


BOMB_BYTES, BOMB_RATIO = 4_000_000_000, 200
"""More than so many bytes, packed more than so many times, are no image and no mask."""


IMAGE_BOMB_BYTES = 256 * 1024 * 1024
"""The same for images alone: masks may be empty for long stretches, images are not."""


def is_bomb(packed_bytes: int, unpacked_bytes: int, *, most_bytes: int = BOMB_BYTES) -> bool:
    """Return whether a packed file that claims such a size would only fill the disk."""
    return unpacked_bytes > most_bytes and unpacked_bytes > BOMB_RATIO * packed_bytes


def allocate(shape: tuple[int, ...], dtype: npt.DTypeLike, *, order: str = "C") -> npt.NDArray[Any]:
    """Return an array to be filled: in memory, or in a file that is already unlinked, in the system's temporary folder.

    Args:
        shape: The shape.
        dtype: The type of its values.
        order: `C` or `F`.
    """
    count, kind = int(np.prod(shape, dtype=np.int64)), np.dtype(dtype)
    if count * kind.itemsize <= IN_MEMORY_BYTES:
        return np.empty(shape, kind, order="F" if order == "F" else "C")
    handle, name = tempfile.mkstemp(prefix="gmai-volume-")
    Path(name).unlink()
    try:
        os.truncate(handle, count * kind.itemsize)
        buffer = mmap.mmap(handle, count * kind.itemsize)
    finally:
        os.close(handle)
    return np.frombuffer(buffer, kind, count).reshape(shape, order="F" if order == "F" else "C")


def map_file(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike, *, offset: int) -> npt.NDArray[Any]:
    """Return a read-only array over the bytes of a file, in Fortran order, as NIfTI stores them."""
    with path.open("rb") as file:
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(buffer, dtype, count, offset=offset).reshape(shape, order="F")


def release(array: npt.NDArray[Any]) -> None:
    """Let go of the pages that were read or written; the values stay in the file and are read again when needed."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    if isinstance(owner, mmap.mmap):
        owner.madvise(mmap.MADV_DONTNEED)
