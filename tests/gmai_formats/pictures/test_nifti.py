"""Slices of volumes, whatever orientation they are stored in."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from gmai_formats.pictures.nifti import choose, slice_picture, to_display, voxel_sizes_mm
from gmai_formats.pictures.problems import PictureError

LPS = np.full((4, 6, 3), 10, dtype=np.int16)  # x to the left, y to the back, z upwards
LPS[3, 1, 1] = 1000


def stored_as(codes: str, spacing: tuple[float, float, float] = (1, 1, 1)) -> nibabel.Nifti1Image:
    image = nibabel.Nifti1Image(LPS, np.diag([-spacing[0], -spacing[1], spacing[2], 1.0]))
    start = nibabel.orientations.io_orientation(image.affine)
    return image.as_reoriented(nibabel.orientations.ornt_transform(start, nibabel.orientations.axcodes2ornt(codes)))


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASL", "IRP", "PIR"])
def test_any_orientation_is_shown_as_radiology_does(tmp_path: Path, codes: str) -> None:
    """One voxel is bright: towards the patient's left, the front, in the second slice from the feet."""
    data = stored_as(codes).to_bytes()
    (tmp_path / "scan.nii").write_bytes(data)
    for content in (data, gzip.compress(data), tmp_path / "scan.nii"):
        picture = slice_picture(content, 1, "500/1000")
        assert picture.pixels.shape == (6, 4)
        assert np.argwhere(picture.pixels == 255).tolist() == [[1, 3]]  # top: front; right: the patient's left
        assert not (slice_picture(content, 0, "500/1000").pixels == 255).any()
        assert picture.changes == ("axial slice 1 of 3", "500/1000 500/1000")


def test_oblong_voxels_become_square_pixels() -> None:
    picture = slice_picture(stored_as("RPI", (1, 3, 5)).to_bytes(), None, "lung")
    assert picture.image.size == (4, 18)
    assert picture.changes == ("axial slice 1 of 3", "lung -600/1500", "pixels made square")
    assert picture.window == "lung -600/1500"


def test_what_is_no_volume_is_refused() -> None:
    data = stored_as("RAS").to_bytes()
    for content, rule in (
        (data[:400], "NIfTI unreadable"),
        (gzip.compress(data)[:40], "NIfTI unreadable"),
        (nibabel.Nifti1Image(np.ones((3, 3, 3, 2), np.int16), np.eye(4)).to_bytes(), "not a 3-D volume"),
        (nibabel.Nifti1Image(np.full((3, 3, 3), 7, np.int16), np.eye(4)).to_bytes(), "nothing to see in the volume"),
    ):
        with pytest.raises(PictureError, match=rule):
            slice_picture(content, None, None)
    with pytest.raises(PictureError, match="degenerate affine"):
        to_display(np.zeros((2, 2, 2)), np.zeros((4, 4)))
    with pytest.raises(PictureError, match="no slice 3: it has 3, counted from 0 to 2"):
        slice_picture(data, 3, None)


def test_sizes_and_numbers() -> None:
    _, affine = to_display(np.zeros((4, 5, 6)), np.diag([2.0, 3.0, 5.0, 1.0]))
    assert voxel_sizes_mm(affine) == (5.0, 3.0, 2.0)
    assert [choose(None, count, "frame") for count in (1, 2, 5)] == [0, 1, 2]
    assert choose(0, 1, "frame") == 0
    with pytest.raises(PictureError, match="no frame -1"):
        choose(-1, 3, "frame")
