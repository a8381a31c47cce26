"""Arrays that may lie in a file: where they lie, that they hold their values, and what is a bomb."""

import numpy as np
import pytest
from gmai_data.imaging import large
from gmai_data.imaging.large import BOMB_BYTES, BOMB_RATIO, IN_MEMORY_BYTES, allocate, is_bomb, map_file, release


@pytest.mark.parametrize(
    ("packed", "unpacked", "bomb"),
    [
        (1, BOMB_BYTES, False),
        (1, BOMB_BYTES + 1, True),
        (BOMB_BYTES // BOMB_RATIO, BOMB_BYTES + 1, True),
        (BOMB_BYTES // BOMB_RATIO + 1, BOMB_BYTES + 1, False),
        (10, 10 * BOMB_RATIO * 100, False),
    ],
)
def test_a_bomb_is_large_and_packed_too_well(packed, unpacked, bomb):
    assert is_bomb(packed, unpacked) is bomb


def test_the_limits():
    assert (IN_MEMORY_BYTES, BOMB_BYTES, BOMB_RATIO) == (512 * 2**20, 4_000_000_000, 200)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("limit_bytes", "in_memory"), [(48, True), (47, False)])
def test_what_is_above_the_limit_lies_in_a_file_that_has_no_name(monkeypatch, tmp_path, order, limit_bytes, in_memory):
    monkeypatch.setattr(large, "IN_MEMORY_BYTES", limit_bytes)
    monkeypatch.setattr(large.tempfile, "tempdir", str(tmp_path))
    array = allocate((2, 3, 4), np.int16, order=order)
    assert (array.base is None) is in_memory
    assert list(tmp_path.iterdir()) == []
    assert (array.shape, array.dtype) == ((2, 3, 4), np.int16)
    assert array.flags[f"{order}_CONTIGUOUS"]
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    array[...] = values
    release(array)
    assert np.array_equal(array, values), "letting go of pages loses nothing"


def test_a_file_is_mapped_behind_its_header_in_fortran_order_and_read_only(tmp_path):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    (tmp_path / "x").write_bytes(b"head" + values.tobytes(order="F") + b"tail")
    array = map_file(tmp_path / "x", (2, 3, 4), np.int16, offset=4)
    release(array)
    assert np.array_equal(array, values)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1


def test_letting_go_of_an_array_in_memory_does_nothing():
    array = np.arange(5)
    release(array[1:])
    assert array.tolist() == [0, 1, 2, 3, 4]
