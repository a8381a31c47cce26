"""Orientation by affine for image and mask, and the refusal of grids that differ."""

import nibabel as nib
import numpy as np
import pytest
from gmai_data.imaging.dicom_series import load_series
from gmai_data.imaging.grids import on_grid_of, pixel_spacing_mm, require_same_grid, take_slice, to_display
from gmai_data.imaging.nifti import load_nifti
from gmai_data.ledger import SourceError

RAS = np.diag([2.0, 3.0, 5.0, 1.0])


def stored_as(array, affine, axcodes):
    """Store an array in another orientation without moving anything in the patient."""
    transform = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(axcodes)
    )  # fmt: skip
    return (
        nib.orientations.apply_orientation(array, transform),
        affine @ nib.orientations.inv_ornt_aff(transform, array.shape),
    )


def volume_with_corner():
    array = np.zeros((4, 5, 6), np.int16)
    array[3, 4, 5] = 9
    return array


def test_axial_display_has_anterior_on_top_and_right_on_the_left():
    # In RAS the last x is the patient's right, the last y anterior, the last z superior.
    shown = to_display(volume_with_corner(), RAS, file="f")
    axial = take_slice(shown, "axial", 5)
    assert axial.shape == (5, 4)
    assert axial[0, 0] == 9
    assert shown.spacing_mm == (5.0, 3.0, 2.0)


def test_coronal_and_sagittal_have_the_head_on_top():
    shown = to_display(volume_with_corner(), RAS, file="f")
    assert take_slice(shown, "coronal", 0)[0, 0] == 9
    assert take_slice(shown, "sagittal", 0)[0, 0] == 9
    assert pixel_spacing_mm(shown, "coronal") == (5.0, 2.0)
    assert pixel_spacing_mm(shown, "sagittal") == (5.0, 3.0)


@pytest.mark.parametrize("axcodes", ["LAS", "PSR", "LPI", "SAL"])
def test_mask_in_another_orientation_lands_on_the_image(axcodes):
    rng = np.random.default_rng(1)
    array = rng.integers(0, 100, (4, 5, 6)).astype(np.int16)
    image = to_display(array, RAS, file="image")
    mask = to_display(*stored_as(array, RAS, axcodes), file="mask")
    require_same_grid(image, mask, file="mask")
    assert np.array_equal(image.array, mask.array)


def test_equal_affines_with_different_shapes_are_refused():
    image = to_display(np.zeros((4, 5, 6)), RAS, file="image")
    mask = to_display(np.zeros((4, 5, 3)), RAS, file="mask")
    with pytest.raises(SourceError, match=r"grids differ: image \(4, 5, 6\) and mask \(4, 5, 3\) voxels"):
        require_same_grid(image, mask, file="mask")


def test_equal_shapes_with_a_shift_are_refused():
    moved = RAS.copy()
    moved[0, 3] = 1.0
    image = to_display(np.zeros((4, 5, 6)), RAS, file="image")
    with pytest.raises(SourceError, match=r"a corner lies 1\.00 mm off"):
        require_same_grid(image, to_display(np.zeros((4, 5, 6)), moved, file="mask"), file="mask")


def test_degenerate_affine_and_4d_are_refused():
    with pytest.raises(SourceError, match="degenerate affine"):
        to_display(np.zeros((2, 2, 2)), np.zeros((4, 4)), file="f")
    with pytest.raises(SourceError, match="not a 3-D volume"):
        to_display(np.zeros((2, 2, 2, 2)), RAS, file="f")


def test_real_pair_of_different_depth_is_refused(real_data):
    root = real_data / "totalsegmentator"
    image, mask = load_nifti(root, "example_ct.nii.gz"), load_nifti(root, "example_seg.nii.gz")
    with pytest.raises(SourceError, match=r"\(122, 101, 112\) and mask \(122, 101, 30\)"):
        require_same_grid(image, mask, file="example_seg.nii.gz")


def test_real_las_mask_lies_on_the_muscles_of_the_dicom_series(real_data):
    root = real_data / "totalsegmentator"
    image, mask = load_series(root, ["example_ct_dicom"])[0], load_nifti(root, "example_seg_dicom.nii.gz")
    require_same_grid(image, mask, file="example_seg_dicom.nii.gz")
    assert image.array[mask.array == 86].mean() == pytest.approx(24.5, abs=0.1)
    assert image.array[mask.array == 87].mean() == pytest.approx(20.8, abs=0.1)


@pytest.mark.parametrize("start", [(0, 0, 0), (1, 2, 3), (-1, 2, 0), (2, -2, -3)])
def test_a_mask_that_was_cut_lies_where_it_was_cut_out(start):
    whole = np.zeros((12, 12, 12), np.uint8)
    whole[5:8, 6:8, 5:9] = 1  # in a frame of three voxels around the image
    image = to_display(whole[3:9, 3:9, 3:9], RAS, file="f")
    cut = whole[tuple(slice(3 + begin, 3 + begin + 6) for begin in start)]
    affine = RAS.copy()
    affine[:3, 3] = RAS[:3, :3] @ start
    found = on_grid_of(image, to_display(cut, affine, file="m"), file="m")
    require_same_grid(image, found, file="m")
    seen = np.zeros_like(whole)
    seen[tuple(slice(3 + begin, 3 + begin + 6) for begin in start)] = cut
    assert np.array_equal(found.array, to_display(seen[3:9, 3:9, 3:9], RAS, file="f").array)


def test_a_mask_that_marks_what_the_image_does_not_have_is_refused():
    image = to_display(np.zeros((4, 4, 4), np.uint8), RAS, file="f")
    affine = RAS.copy()
    affine[:3, 3] = RAS[:3, :3] @ (-1, 0, 0)
    with pytest.raises(SourceError, match="marks voxels that lie outside of the image"):
        on_grid_of(image, to_display(np.ones((3, 4, 4), np.uint8), affine, file="m"), file="m")
    between = to_display(np.ones((3, 4, 4), np.uint8), RAS + np.array([[0, 0, 0, 1]] + [[0] * 4] * 3), file="m")
    assert on_grid_of(image, between, file="m") is between
