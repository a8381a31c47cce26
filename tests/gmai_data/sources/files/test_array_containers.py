"""HDF5, MATLAB and sparse files: what is read, and what is refused by name."""

import sys

import numpy as np
import pytest
from gmai_data.imaging import large
from gmai_data.ledger import SourceError
from gmai_data.sources.files import array_containers
from gmai_data.sources.files.array_containers import (
    hdf5_names,
    is_hdf5,
    mat_names,
    open_hdf5,
    open_mat,
    open_sparse,
)
from gmai_data.sources.files.array_files import array_names, open_array
from gmai_formats.errors import UserError

VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.fixture
def hdf5(tmp_path):
    """Return a function of things by their names that writes an HDF5 file."""
    h5py = pytest.importorskip("h5py")

    def write(name="a.h5", user_block=0, **things):
        with h5py.File(tmp_path / name, "w", userblock_size=user_block) as file:
            for key, value in things.items():
                file[key] = value
        return tmp_path / name

    return write


def test_arrays_of_hdf5_are_read_as_they_are_asked_for(hdf5, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = hdf5(x=VALUES)
    with h5py.File(path, "a") as file:
        file.create_dataset("group/y", data=VALUES + 1, chunks=(1, 4, 5), compression="gzip")
    assert array_names(tmp_path, "a.h5") == hdf5_names(path) == ["group/y", "x"]
    lazy = open_array(tmp_path, "a.h5", "group/y")
    assert (lazy.shape, lazy.dtype, len(lazy), lazy.ndim) == ((3, 4, 5), np.int16, 3, 3)
    assert np.array_equal(lazy[1], VALUES[1] + 1)
    assert np.array_equal(open_hdf5(path, "x").whole(), VALUES)


def test_hdf5_that_leads_elsewhere(hdf5, tmp_path):
    h5py = pytest.importorskip("h5py")
    hdf5("other.h5", x=VALUES)
    path = hdf5(x=VALUES, out=h5py.ExternalLink("other.h5", "/x"), soft=h5py.SoftLink("/out"))
    with h5py.File(path, "a") as file:
        layout = h5py.VirtualLayout(shape=(3, 4, 5), dtype=np.int16)
        layout[...] = h5py.VirtualSource(tmp_path / "other.h5", "x", shape=(3, 4, 5))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("raw", (4,), np.uint8, external=[(str(tmp_path / "other.h5"), 0, 4)])
    for key in ("out", "soft", "virtual", "raw"):
        with pytest.raises(SourceError, match="array in another place"):
            open_array(tmp_path, "a.h5", key)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("z", 'no such array: "z" is not in the file; it has g/y, words, x'),
        ("g", 'no such array: "g" is a group; the file has g/y, words, x'),
        ("x/y", 'no such array: "x/y" is not in the file'),
        ("words", "array of something else than numbers: type object"),
    ],
)
def test_hdf5_without_such_numbers(hdf5, tmp_path, key, reason):
    hdf5(**{"x": VALUES, "g/y": VALUES, "words": ["a", "b"]})
    with pytest.raises(SourceError, match=reason):
        open_array(tmp_path, "a.h5", key)


def test_damaged_files(tmp_path):
    for name in ("a.h5", "a.mat", "a.hdf5"):
        (tmp_path / name).write_bytes(b"nothing of the kind" * 40)
        with pytest.raises(SourceError, match="array file unreadable"):
            open_array(tmp_path, name, "x")
        with pytest.raises(SourceError, match="array file unreadable"):
            array_names(tmp_path, name)


def test_matlab_of_every_version(hdf5, tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    scipy_io.savemat(tmp_path / "4.mat", {"x": VALUES[0]}, format="4")
    scipy_io.savemat(tmp_path / "5.mat", {"x": VALUES, "y": 1}, do_compression=True)
    path = hdf5("7.mat", 512, x=VALUES.T)
    assert (is_hdf5(path), is_hdf5(tmp_path / "5.mat")) == (True, False)
    assert (mat_names(path), mat_names(tmp_path / "5.mat")) == (["x"], ["x", "y"])
    assert np.array_equal(open_mat(tmp_path / "4.mat", "x"), VALUES[0])
    for name in ("5.mat", "7.mat"):
        assert np.array_equal(open_array(tmp_path, name, "x"), VALUES)
        with pytest.raises(SourceError, match='no such array: "z" is not in the file; it has x'):
            open_array(tmp_path, name, "z")


def test_cells_and_structures_of_matlab_are_refused(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    cell = np.empty((1, 2), object)
    cell[0, 0], cell[0, 1] = "a", VALUES
    scipy_io.savemat(tmp_path / "a.mat", {"cell": cell, "structure": {"f": 1}, "text": "words"})
    for key in ("cell", "structure", "text"):
        with pytest.raises(SourceError, match="array of something else than numbers"):
            open_array(tmp_path, "a.mat", key)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia"])
def test_sparse_matrices_are_those_of_scipy(tmp_path, form):
    sparse = pytest.importorskip("scipy.sparse")
    dense = (np.random.default_rng(0).random((2, 60)) > 0.8).astype(np.uint8)
    matrix = sparse.coo_matrix(dense).asformat(form)
    sparse.save_npz(tmp_path / "mask.npz", matrix)
    sparse.save_npz(tmp_path / "mask_(2, 3, 4, 5).npz", matrix)
    assert np.array_equal(open_array(tmp_path, "mask.npz", ""), dense)
    assert np.array_equal(open_array(tmp_path, "mask_(2, 3, 4, 5).npz", "gts"), dense.reshape(2, 3, 4, 5))


def test_a_sparse_matrix_that_would_fill_the_memory(tmp_path, monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    sparse.save_npz(tmp_path / "a.npz", sparse.coo_matrix(([1], ([0], [0])), shape=(10**6, 10**6), dtype=np.uint8))
    with pytest.raises(SourceError, match="array too large: a sparse matrix of 1000000×1000000"):
        open_array(tmp_path, "a.npz", "")
    monkeypatch.setattr(array_containers, "MAX_BYTES", 10)
    with pytest.raises(SourceError, match="zip bomb"):
        open_array(tmp_path, "a.npz", "")
    assert large.BOMB_BYTES == array_containers.BOMB_BYTES


@pytest.mark.parametrize(("missing", "reader"), [("scipy.io", mat_names), ("scipy.sparse", open_sparse)])
def test_the_extra_is_named_where_scipy_is_missing(tmp_path, monkeypatch, missing, reader):
    (tmp_path / "a").write_bytes(b"MATLAB 5.0")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=r"need SciPy\. Run `.*gmai-data\[arrays\]"):
        reader(tmp_path / "a")


@pytest.mark.parametrize("shape", [(10**12, 28, 28), (3, 2 * 10**5, 2 * 10**5), (2**20, 400)])
def test_hdf5_that_claims_what_it_does_not_hold_is_a_bomb(tmp_path, shape):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", shape, np.uint8, chunks=True)
        file.create_dataset("full", data=np.ones((600, 600), np.uint8))
    with pytest.raises(SourceError, match=r"array bomb: 0 bytes of x claim to unpack to \d+"):
        open_array(tmp_path, "a.h5", "x", images=True)
    assert open_array(tmp_path, "a.h5", "full", images=True).shape == (600, 600)


@pytest.mark.parametrize("shape", [(2**15, 2**14), (2**29,), (2**9, 2**10, 2**10)])
def test_matlab_that_packs_as_no_image_does_is_a_bomb(tmp_path, monkeypatch, shape):
    io = pytest.importorskip("scipy.io")
    io.savemat(tmp_path / "a.mat", {"x": np.zeros((64, 64), np.uint8)}, do_compression=True)
    monkeypatch.setattr(io, "whosmat", lambda path: [("x", shape, "uint8")])
    with pytest.raises(SourceError, match=rf"array bomb: \d+ bytes of x claim to unpack to {2**29}; no image packs so"):
        open_array(tmp_path, "a.mat", "x", images=True)


@pytest.mark.parametrize("at", [slice(None), 0, 2])
def test_hdf5_whose_packed_values_are_damaged_is_named(tmp_path, at):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub/a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=VALUES, chunks=VALUES.shape, fletcher32=True)
    content = path.read_bytes()
    place = content.index(VALUES.tobytes())
    path.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    with pytest.raises(SourceError, match=r"array file unreadable: .*; download it again") as raised:
        open_array(tmp_path, "sub/a.h5", "x")[at]
    assert raised.value.file == "sub/a.h5"
