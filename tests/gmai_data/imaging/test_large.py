"""Arrays that may lie in a file: where they lie, that they hold their values, and what is a bomb."""

import subprocess
import sys

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


@pytest.mark.e2e
def test_a_volume_of_two_gigabytes_stays_below_two(tmp_path):
    code = f"""
import resource, sys, numpy as np, nibabel as nib
from pathlib import Path
root = Path({str(tmp_path)!r})
shape = (1024, 1024, 1000)
for name, kind in (("x.nii", np.int16), ("m.nii", np.uint8)):
    header = nib.Nifti1Header(); header.set_data_shape(shape); header.set_data_dtype(kind)
    header.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]), 1); header["vox_offset"] = 352; header["magic"] = b"n+1"
    with (root / name).open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        file.truncate(352 + int(np.prod(shape)) * np.dtype(kind).itemsize)
        for k in range(0, 1000, 100):
            plane = np.random.default_rng(k).integers(0, 200, shape[:2]).astype(kind)
            if kind is np.uint8: plane = (plane > 0).astype(kind)
            file.seek(352 + k * plane.nbytes); file.write(plane.tobytes())
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.ledger import Ledger
recipe = Recipe.model_validate(dict(name="big", title="b", homepage="h", citation="c", license="MIT", modality="MR",
    department="Oncology", clinical_task="Bone", anatomy="a", task="3d_segmentation", labels={{1: "one"}},
    layout=dict(kind="volume", image="x.nii", mask="m.nii")))
(item,) = recipe.layout.list_items(recipe, root)
count = sum(1 for _ in recipe.layout.read(item, recipe, root, Ledger()))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, peak_mib = map(int, done.stdout.split())
    assert count == 10
    assert peak_mib < 2000
