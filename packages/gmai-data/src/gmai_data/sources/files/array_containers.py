"""Arrays in HDF5, MATLAB and sparse files: read as numbers, and never as objects."""

import contextlib
import re
import zipfile
from collections.abc import Generator
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install

from gmai_data.imaging.large import BOMB_BYTES, allocate, is_bomb
from gmai_data.ledger import SourceError

HDF5_ENDINGS, MAT_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5"), (".mat",)
MAX_BYTES = 32 * 2**30
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SHAPE_IN_NAME = re.compile(r"\((\d+(?:\s*,\s*\d+)+)\s*\)")


class LazyArray:
    """An array of an HDF5 file, of which only what is asked for is read.

    Args:
        dataset: As h5py has it.
        file: What its damage is laid to.
    """

    def __init__(self, dataset: Any, file: str) -> None:
        self._dataset = dataset
        self.file = file
        self.shape: tuple[int, ...] = tuple(int(size) for size in dataset.shape)
        self.dtype: np.dtype[Any] = dataset.dtype
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        with self._named():
            return np.asarray(self._dataset[index])

    def whole(self) -> npt.NDArray[Any]:
        """Return all of it, in a file where it is large."""
        array = allocate(self.shape, self.dtype)
        if array.size:
            with self._named():
                self._dataset.read_direct(array)
        return array

    @contextlib.contextmanager
    def _named(self) -> Generator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # of the system, and not of the file
                raise
            raise SourceError("array file unreadable", f"{error}; download it again", self.file) from error


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, as MATLAB's are from version 7.3 on."""
    with path.open("rb") as file:
        head = file.read(512 + 8)
    return head.startswith(_HDF5_SIGNATURE) or head[512:] == _HDF5_SIGNATURE  # behind MATLAB's own header


def hdf5_names(path: Path) -> list[str]:
    """Return the paths of the arrays in an HDF5 file.

    Raises:
        OSError: It is damaged.
    """
    names: list[str] = []

    def note(name: str, thing: Any) -> None:
        if hasattr(thing, "shape") and not name.startswith("#"):
            names.append(name)

    with _h5py(path).File(path, "r") as file:
        file.visititems(note)  # follows no links
    return names


def open_hdf5(path: Path, key: str, *, most_bytes: int = BOMB_BYTES) -> LazyArray:
    """Return an array of an HDF5 file.

    Args:
        path: The file.
        key: Name of the array.
        most_bytes: More than so many, stored in far less, are a bomb.

    Raises:
        SourceError: No such array, one whose numbers lie in another file, or a bomb.
        OSError: It is damaged.
    """
    library = _h5py(path)
    file = library.File(path, "r")
    place: Any = file
    for part in [part for part in key.split("/") if part]:
        link = place.get(part, getlink=True) if hasattr(place, "keys") else None
        if link is None:
            known = ", ".join(hdf5_names(path)[:20]) or "nothing"
            raise SourceError("no such array", f'"{key}" is not in the file; it has {known}', path.name)
        if not isinstance(link, library.HardLink):
            raise SourceError("array in another place", f'"{key}" is a link, which may lead out of the file', path.name)
        place = place[part]
    if not isinstance(place, library.Dataset):
        known = ", ".join(hdf5_names(path)[:20]) or "nothing"
        raise SourceError("no such array", f'"{key}" is a group; the file has {known}', path.name)
    if place.is_virtual or place.external:
        raise SourceError("array in another place", f'the numbers of "{key}" lie in another file', path.name)
    claimed = prod(place.shape or ()) * place.dtype.itemsize
    _refuse_bomb(path, key, place.id.get_storage_size(), claimed, most_bytes)
    return LazyArray(place, path.name)


def _refuse_bomb(path: Path, name: str, stored: int, claimed: int, most_bytes: int) -> None:
    if is_bomb(stored, claimed, most_bytes=most_bytes):
        detail = f"{stored} bytes of {name} claim to unpack to {claimed}; no image packs so well"
        raise SourceError("array bomb", detail, path.name)


def _h5py(path: Path) -> Any:
    try:
        import h5py  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise UserError(f"{path}: HDF5 files need h5py. Run `{pip_install('gmai-data[arrays]')}`.") from error
    return cast(Any, h5py)


def mat_names(path: Path) -> list[str]:
    """Return the names of the arrays in a MATLAB file; a field of a struct is called `struct/field`, as in HDF5.

    Raises:
        OSError, ValueError: It is damaged.
    """
    if is_hdf5(path):
        return hdf5_names(path)
    names: list[str] = []
    for name, shape, kind in _scipy_io(path).whosmat(str(path)):
        is_struct = kind == "struct" and prod(shape) == 1
        fields = _variable(path, name, shape).dtype.names if is_struct else None
        names += [name] if fields is None else [f"{name}/{field}" for field in fields]
    return names


def open_mat(path: Path, key: str, *, most_bytes: int = BOMB_BYTES) -> npt.NDArray[Any]:
    """Return an array of a MATLAB file of any version, with rows first as MATLAB shows it.

    Args:
        path: The file.
        key: Name of the array.
        most_bytes: As for `open_hdf5`.

    Raises:
        SourceError: No such array, too large, or a bomb.
        OSError, ValueError: It is damaged.
    """
    if is_hdf5(path):
        return open_hdf5(path, key, most_bytes=most_bytes).whole().T  # MATLAB stores its last axis first
    variable, *fields = [part for part in key.split("/") if part] or [""]
    listed = {name: shape for name, shape, _ in _scipy_io(path).whosmat(str(path))}
    if variable in listed:
        _refuse_bomb(path, variable, path.stat().st_size, prod(listed[variable]), most_bytes)
        found = _variable(path, variable, listed[variable])
        while fields and found.dtype.names and found.size == 1 and fields[0] in found.dtype.names:
            found = np.asarray(found.reshape(-1)[0][fields.pop(0)])
        if not fields:
            return found
    raise SourceError("no such array", f'"{key}" is not in the file; it has {", ".join(mat_names(path))}', path.name)


def _variable(path: Path, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if prod(shape) > MAX_BYTES // 8:
        raise SourceError("array too large", f"{name} has the shape {shape}", path.name)
    return _scipy_io(path).loadmat(str(path), variable_names=[name])[name]


def _scipy_io(path: Path) -> Any:
    try:
        import scipy.io  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise UserError(f"{path}: MATLAB files need SciPy. Run `{pip_install('gmai-data[arrays]')}`.") from error
    return cast(Any, scipy.io)


def is_sparse(names: list[str]) -> bool:
    """Return whether an `.npz` with these arrays is a sparse matrix as `scipy.sparse.save_npz` writes it."""
    return {"format", "shape", "data"} <= set(names)


def open_sparse(path: Path) -> npt.NDArray[Any]:
    """Return the dense array of a sparse matrix.

    A matrix has two axes; a file name that holds a shape of as many values, `mask_(1, 96, 512, 512).npz`, gives the
    axes of what was stored.

    Raises:
        SourceError: It would be too large.
        OSError, ValueError: It is damaged.
    """
    try:
        import scipy.sparse  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise UserError(f"{path}: sparse matrices need SciPy. Run `{pip_install('gmai-data[arrays]')}`.") from error
    library: Any = cast(Any, scipy.sparse)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            _refuse_bomb(path, member.filename, member.compress_size, member.file_size, BOMB_BYTES)
        if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
            raise SourceError("zip bomb", "it claims to unpack to more than 32 GiB", path.name)
    matrix: Any = library.load_npz(path).tocoo()  # allow_pickle is off there
    rows, columns = (int(size) for size in matrix.shape)
    if rows * columns * matrix.dtype.itemsize > BOMB_BYTES:
        raise SourceError("array too large", f"a sparse matrix of {rows}×{columns}", path.name)
    dense = allocate((rows, columns), matrix.dtype)
    dense[...] = 0
    dense[matrix.row, matrix.col] = matrix.data
    named = _SHAPE_IN_NAME.search(path.name)
    shape = tuple(int(size) for size in named[1].split(",")) if named else ()
    return dense.reshape(shape) if shape and prod(shape) == dense.size else dense
