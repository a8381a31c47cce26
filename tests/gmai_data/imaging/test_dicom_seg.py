"""DICOM SEG ▶ label volumes on the grid of their series."""

import dataclasses

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.dicom_seg import load_segmentation
from gmai_data.imaging.dicom_series import load_series
from gmai_data.ledger import SourceError
from gmai_data.phantoms.files import write_dicom_series

SHAPE = (4, 6, 8)


@pytest.fixture
def series(tmp_path):
    """Return (folder, its volume, a function that writes a SEG of masks beside it)."""
    import highdicom as hd

    write_dicom_series(tmp_path / "s", np.zeros(SHAPE, np.float32), "p^")
    (image,) = load_series(tmp_path, ["s"])
    headers = [pydicom.dcmread(path) for path in sorted((tmp_path / "s").iterdir())]
    for header in headers:
        header.PatientBirthDate = header.PatientSex = header.StudyDate = header.StudyTime = header.AccessionNumber = ""
        header.ReferringPhysicianName = header.StudyID = header.PositionReferenceIndicator = ""
    code = hd.sr.CodedConcept("49755003", "SCT", "Morphologically abnormal structure")

    def write(masks, kind="BINARY"):
        described = [
            hd.seg.SegmentDescription(number, f"part {number}", code, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
            for number, _ in enumerate(masks, start=1)
        ]
        hd.seg.Segmentation(
            headers, np.stack(masks, axis=-1), hd.seg.SegmentationTypeValues[kind], described, hd.UID(), 1, hd.UID(),
            1, "maker", "model", "1", "1",
        ).save_as(tmp_path / "seg.dcm")  # fmt: skip

    return tmp_path, image, write


def masks():
    first, second = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    first[1:3, 2:5, 1:4] = 1
    second[2, 0:2, 6:8] = 1
    return first, second


def test_segments_lie_where_they_were_drawn_though_empty_slices_are_left_out(series):
    root, image, write = series
    write(masks())
    found = load_segmentation(root, "seg.dcm", image)
    assert [name for name, _ in found] == ["part 1", "part 2"]
    for (_, volume), expected in zip(found, masks(), strict=True):
        assert np.array_equal(volume.array, expected)
        assert np.array_equal(volume.affine, image.affine)
        assert volume.spacing_mm == image.spacing_mm == (5.0, 3.0, 3.0)


@pytest.mark.parametrize(("shift_mm", "fits"), [(0.29, True), (0.31, False), (-0.29, True), (1.5, False)])
def test_a_tenth_of_the_smallest_voxel_is_rounding(series, shift_mm, fits):
    root, image, write = series
    write(masks())
    affine = image.affine.copy()
    affine[0, 3] += shift_mm
    moved = dataclasses.replace(image, affine=affine)
    if fits:
        assert np.array_equal(load_segmentation(root, "seg.dcm", moved)[0][1].array, masks()[0])
    else:
        with pytest.raises(SourceError, match=rf"grids differ: .* \({abs(shift_mm):.2f} mm off\); use the series it"):
            load_segmentation(root, "seg.dcm", moved)


@pytest.mark.parametrize("voxels", [(3, 0, 0), (0, 3, 0), (0, 0, -2)])
def test_a_segment_beyond_the_series_is_refused(series, voxels):
    root, image, write = series
    write(masks())
    affine = image.affine.copy()
    affine[:, 3] = affine @ [*voxels, 1]
    with pytest.raises(SourceError, match="image and mask grids differ"):
        load_segmentation(root, "seg.dcm", dataclasses.replace(image, affine=affine))


def test_fractions_and_what_is_no_seg_are_refused(series):
    root, image, write = series
    write([mask.astype(np.float32) / 2 for mask in masks()], kind="FRACTIONAL")
    with pytest.raises(SourceError, match="mask is not a label mask: the SEG holds fractions; store it as BINARY"):
        load_segmentation(root, "seg.dcm", image)
    with pytest.raises(SourceError, match="DICOM SEG unreadable: ") as caught:
        load_segmentation(root, "s/000.dcm", image)
    assert caught.value.file == "s/000.dcm"
