"""`.npy` and `.npz` files: read as maps, never unpickled, and refused with a reason."""

import os
import zipfile

import numpy as np
import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.files import array_files
from gmai_data.sources.files.array_files import array_names, open_array, read_text

VALUES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.NPY"])
def test_an_array_is_a_read_only_map(tmp_path, name):
    if name.endswith("z"):
        np.savez_compressed(tmp_path / name, x=VALUES, other=VALUES + 1)
    else:
        with (tmp_path / name).open("wb") as file:
            np.save(file, VALUES)
    array = open_array(tmp_path, name, "x")
    assert np.array_equal(array, VALUES)
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0


def test_another_file_under_the_same_name_is_read_again(tmp_path):
    for number in range(2):
        np.savez(tmp_path / "a.npz", x=VALUES + number)
        os.utime(tmp_path / "a.npz", ns=(10**18 + number,) * 2)
        assert np.array_equal(open_array(tmp_path, "a.npz", "x"), VALUES + number)


def test_names(tmp_path):
    np.savez(tmp_path / "a.npz", x=VALUES, y=VALUES)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("README.txt", "x")
    assert array_names(tmp_path, "a.npz") == ["x", "y"]
    with pytest.raises(SourceError, match=r'no such array: "z" is not in the file; it has x, y, README.txt') as caught:
        open_array(tmp_path, "a.npz", "z")
    assert caught.value.file == "a.npz"
    (tmp_path / "b.npz").write_bytes(b"no archive")
    for read in (array_names, lambda root, name: open_array(root, name, "x")):
        with pytest.raises(SourceError, match="array file unreadable: File is not a zip file"):
            read(tmp_path, "b.npz")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.array(7), "array file unreadable: it holds one number, and no list of images or labels"),
        (np.array(["a"]), "array of something else than numbers: type <U1"),
        (np.array([1j]), "array of something else than numbers: type complex128"),
        (np.array([{}], dtype=object), "array file unreadable: .*[Pp]ython objects in dtype.*; download it again"),
    ],
)
def test_what_holds_no_numbers_is_refused(tmp_path, value, reason):
    np.save(tmp_path / "a.npy", value, allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=value)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(SourceError, match=reason):
            open_array(tmp_path, name, "x")


def test_entries_without_end_that_hold_nothing_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((10**15, 0, 28), np.uint8))
    with pytest.raises(SourceError, match=r"its entries hold nothing: shape \(1000000000000000, 0, 28\)"):
        open_array(tmp_path, "x.npy", "")


def test_a_file_that_ends_early(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-1])
    with pytest.raises(SourceError, match=r"array file unreadable: .*; download it again"):
        open_array(tmp_path, "a.npy", "x")


@pytest.mark.parametrize("value", [0, 7, 255])
def test_images_that_are_one_value_again_and_again_are_a_bomb_earlier_than_masks(tmp_path, monkeypatch, value):
    monkeypatch.setattr(array_files, "IMAGE_BOMB_BYTES", 99_999)
    np.savez_compressed(tmp_path / "a.npz", x=np.full((100, 1000), value, np.uint8))
    with pytest.raises(SourceError, match=r"zip bomb: \d+ bytes claim to unpack to 100128; no image packs so well"):
        open_array(tmp_path, "a.npz", "x", images=True)
    assert open_array(tmp_path, "a.npz", "x").size == 100_000
    noise = np.random.default_rng(0).integers(0, 256, (100, 1000), np.uint8)
    np.savez_compressed(tmp_path / "b.npz", x=noise)
    assert open_array(tmp_path, "b.npz", "x", images=True).size == 100_000


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(100_000, np.uint8))
    monkeypatch.setattr(array_files, "MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(SourceError, match=r"zip bomb: \d+ bytes claim to unpack to 100128; no image packs so well"):
        open_array(tmp_path, "a.npz", "x")
    monkeypatch.setattr(array_files, "MAX_UNPACKED_BYTES", 100_128)
    assert open_array(tmp_path, "a.npz", "x").size == 100_000
    os.utime(tmp_path / "a.npz", ns=(10**18, 10**18))
    monkeypatch.setattr(array_files, "is_bomb", lambda packed, unpacked, most_bytes: packed < unpacked)
    with pytest.raises(SourceError, match="zip bomb"):
        open_array(tmp_path, "a.npz", "x")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1234567"),
        (np.float64(12345678), "12345678"),
        (np.float32(7), "7"),
        (np.array([[100360.0]]), "100360"),
        (" P7 ", "P7"),
        (np.array([b"P7"]), "P7"),
        (np.array([80, 55], np.uint16), "P7"),
    ],
)
def test_a_patient_by_number_or_text(tmp_path, value, text):
    np.savez(tmp_path / "a.npz", pid=value)
    assert read_text(tmp_path, "a.npz", "pid") == text


@pytest.mark.parametrize("value", [np.nan, "", np.array([1, 2]), np.array([], np.uint16)])
def test_what_names_no_patient(tmp_path, value):
    np.savez(tmp_path / "a.npz", pid=value)
    with pytest.raises(SourceError, match="no group: pid is no number or text"):
        read_text(tmp_path, "a.npz", "pid")


def test_a_text_of_hdf5(tmp_path):
    with pytest.importorskip("h5py").File(tmp_path / "a.h5", "w") as file:
        file["pid"] = "P7"
    assert read_text(tmp_path, "a.h5", "pid") == "P7"
