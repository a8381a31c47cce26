"""Files of arrays (npy, npz, sparse npz, HDF5, MATLAB): never unpickled, and refused where they would fill the disk."""

import contextlib
import functools
import shutil
import tempfile
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from gmai_formats.errors import UserError

from gmai_data.apart import look_apart
from gmai_data.imaging.large import BOMB_BYTES, IMAGE_BOMB_BYTES, is_bomb
from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError
from gmai_data.sources.files.array_containers import (
    HDF5_ENDINGS,
    MAT_ENDINGS,
    LazyArray,
    hdf5_names,
    is_sparse,
    mat_names,
    open_hdf5,
    open_mat,
    open_sparse,
)

MAX_UNPACKED_BYTES = 32 * 2**30


ARRAY_ENDINGS = (".npy", ".npz", *HDF5_ENDINGS, *MAT_ENDINGS)


def open_array(
    root: Path, relative: str, key: str, *, images: bool = False, scalar: bool = False, kinds: str = "biuf"
) -> npt.NDArray[Any]:
    """Return the array of a `.npy`, or the array `key` of a `.npz`, HDF5 or MATLAB file.

    Those of `.npy` and `.npz` are read-only maps; one of HDF5 reads what is asked of it, and has the shape, type and
    indexing of an array. A sparse `.npz` has no keys.

    Args:
        root: Folder of the source.
        relative: The file.
        key: Name of the array.
        images: Whether it holds images, which pack less well than masks and labels.
        scalar: Whether it may be one number without an axis, which becomes an array of one.
        kinds: Kinds of types that it may have, as numpy calls them; numbers where nothing is said.

    Raises:
        SourceError: Missing, damaged, no such array, objects instead of numbers, or a zip bomb.
    """
    path = require_data(root, relative)
    stat = path.stat()
    with _readable(relative):
        array: Any = _opened(path, key, images, stat.st_mtime_ns, stat.st_size)
    if isinstance(array, LazyArray):
        array.file = relative
    if not isinstance(array, np.ndarray | LazyArray):
        raise SourceError("array file unreadable", "an archive lies inside the archive", relative)
    if array.dtype.kind not in kinds:
        raise SourceError("array of something else than numbers", f"type {array.dtype}", relative)
    if array.ndim == 0 and scalar:
        with _readable(relative):
            array = np.asarray(array[()]).reshape(1)
    if array.ndim == 0:
        raise SourceError("array file unreadable", "it holds one number, and no list of images or labels", relative)
    if not all(array.shape[1:]):
        raise SourceError("array file unreadable", f"its entries hold nothing: shape {array.shape}", relative)
    return cast(npt.NDArray[Any], array)


@contextlib.contextmanager
def _readable(relative: str) -> Generator[None]:
    """Name the file, and what is wrong with it, in place of whatever scipy and h5py raise of a damaged one."""
    try:
        yield
    except SourceError as problem:
        raise SourceError(problem.rule, problem.detail, relative) from problem
    except (UserError, MemoryError):
        raise
    except Exception as error:
        detail = " ".join(str(error).split())
        raise SourceError("array file unreadable", f"{detail}; download it again", relative) from error


def count_images(root: Path, relative: str, key: str) -> int:
    """Return how many images an array of images holds: the length of its first axis.

    Raises:
        SourceError: As `open_array`.
    """
    return look_apart(_count, _size(root, relative), relative, root, relative, key)


def _count(root: Path, relative: str, key: str) -> int:
    return len(open_array(root, relative, key, images=True))


def read_text(root: Path, relative: str, key: str) -> str:
    """Return the number or the text that an array of a `.npz`, HDF5 or MATLAB file is, by which a patient is named.

    MATLAB 7.3 stores a text as the codes of its letters.

    Raises:
        SourceError: As `open_array`, or it is neither, or empty.
    """
    return look_apart(_text, _size(root, relative), relative, root, relative, key)


def _text(root: Path, relative: str, key: str) -> str:
    flat = np.asarray(open_array(root, relative, key, scalar=True, kinds="biufOSU")[:]).reshape(-1)
    text = ""
    if flat.dtype.kind in "OSU" and all(isinstance(each, str | bytes) for each in flat):
        text = "".join(each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in flat)
    elif flat.dtype == np.uint16 and flat.size > 1:
        text = "".join(map(chr, flat.tolist()))
    elif flat.dtype.kind in "biuf" and flat.size == 1 and np.isfinite(flat[0]):
        text = np.format_float_positional(flat[0], trim="-") if flat.dtype.kind == "f" else str(int(flat[0]))
    if not text.strip():
        raise SourceError("no group", f"{key} is no number or text, by which a patient is named", relative)
    return text.strip()


def array_names(root: Path, relative: str) -> list[str]:
    """Return the names of the arrays in a `.npz`, HDF5 or MATLAB file.

    Raises:
        SourceError: Missing or damaged.
    """
    return look_apart(_all_names, _size(root, relative), relative, root, relative)


def _all_names(root: Path, relative: str) -> list[str]:
    path = require_data(root, relative)
    try:
        if path.suffix.lower() in HDF5_ENDINGS:
            return hdf5_names(path)
        if path.suffix.lower() in MAT_ENDINGS:
            return mat_names(path)
        with zipfile.ZipFile(path) as archive:
            return _names(archive)
    except UserError:
        raise
    except Exception as error:  # scipy and h5py raise whatever a damaged file leads them to
        raise SourceError("array file unreadable", " ".join(str(error).split()), relative) from error


def _size(root: Path, relative: str) -> int:
    return require_data(root, relative).stat().st_size


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


@functools.lru_cache(maxsize=4)
def _opened(path: Path, key: str, images: bool, modified: int, size: int) -> npt.NDArray[Any] | LazyArray:
    del modified, size  # another file under the same name is another entry of the cache
    ending = path.suffix.lower()
    if ending == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    if ending in HDF5_ENDINGS:
        return open_hdf5(path, key, most_bytes=IMAGE_BOMB_BYTES if images else BOMB_BYTES)
    if ending in MAT_ENDINGS:
        return open_mat(path, key, most_bytes=IMAGE_BOMB_BYTES if images else BOMB_BYTES)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if is_sparse(_names(archive)):
            return open_sparse(path)
        if f"{key}.npy" not in names:
            known = ", ".join(name.removesuffix(".npy") for name in names)
            raise SourceError("no such array", f'"{key}" is not in the file; it has {known}', path.name)
        member = archive.getinfo(f"{key}.npy")
        most = IMAGE_BOMB_BYTES if images else BOMB_BYTES
        if member.file_size > MAX_UNPACKED_BYTES or is_bomb(member.compress_size, member.file_size, most_bytes=most):
            found = f"{member.compress_size} bytes claim to unpack to {member.file_size}"
            raise SourceError("zip bomb", f"{found}; no image packs so well", path.name)
        # Unpacked once per process into an unlinked file: every image after that is read where it lies.
        with archive.open(member) as packed, tempfile.NamedTemporaryFile(prefix="gmai-array-", suffix=".npy") as file:
            shutil.copyfileobj(packed, file, 2**20)
            file.flush()
            return np.load(file.name, mmap_mode="r", allow_pickle=False)
