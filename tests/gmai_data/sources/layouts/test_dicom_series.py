"""Series of DICOM files, alone or with a mask beside them."""

import numpy as np
import pydicom
import pytest
from gmai_data.phantoms.files import write_dicom_series, write_nifti
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.dicom_series import DicomSeries

from ...dicom_objects import write_seg, write_series

LAYOUT = {"kind": "dicom_series", "series": "*/dicom"}
SEGMENTED = {"modality": "CT", "task": "3d_segmentation", "labels": {"1": "alpha"}}


@pytest.fixture
def case(tmp_path):
    """Return a function of a name that writes a series with a mask stored in another orientation."""

    def write(name="c1", slices=5):
        hu = np.random.default_rng(0).integers(-900, 900, (slices, 24, 32)).astype(np.float32)
        write_dicom_series(tmp_path / name / "dicom", hu, name)
        mask = np.zeros(hu.shape, np.uint8)
        mask[1:3, 4:14, 5:15] = 1
        write_nifti(tmp_path / name / "mask.nii.gz", mask, "RAS")

    return write


def test_boxes_of_the_mask_lie_on_the_series(case, read, tmp_path, toy):
    case()
    card = toy(layout={**LAYOUT, "mask": "{parent}/mask.nii.gz"}, **SEGMENTED)
    (item,) = card.layout.list_items(card, tmp_path)
    assert item.files == ("c1/dicom", "c1/mask.nii.gz")
    assert item.group
    assert "c1" not in item.group
    pictures, reasons = read(card)
    assert reasons == {}
    assert [(each.geometry["slice"], [box.xyxy for box in each.boxes]) for each in pictures["c1/dicom"]] == [
        (1, [(5, 4, 15, 14)]), (2, [(5, 4, 15, 14)]),
    ]  # fmt: skip


def test_a_mask_by_a_pattern_with_one_match(case, read, tmp_path, toy):
    case()
    card = toy(layout={**LAYOUT, "mask": "{parent}/*.nii.gz"}, **SEGMENTED)
    (item,) = card.layout.list_items(card, tmp_path)
    assert item.files[1] == "c1/mask.nii.gz"
    (tmp_path / "c1" / "other.nii.gz").write_bytes(b"x")
    (reason,) = read(card)[1].values()
    assert reason.startswith("file missing")


def test_without_a_mask_labels_are_the_cards_and_volumes_of_a_series_are_numbered(case, read, tmp_path, toy):
    case(slices=6)
    card = toy(layout=LAYOUT, modality="CT", labels_of_every_image=["b"], slices={"gaps": "split"})
    (found,) = read(card)[0].values()
    assert len(found) == 6
    assert all(picture.labels == ("beta",) and "frame" not in picture.geometry for picture in found)
    for number in (3, 4, 5):  # the second half lies elsewhere
        path = tmp_path / "c1" / "dicom" / f"{number:03d}.dcm"
        header = pydicom.dcmread(path)
        header.ImagePositionPatient = [0, 0, 100 + 5 * number]
        header.save_as(path)
    (found,) = read(card)[0].values()
    assert [picture.geometry["frame"] for picture in found] == [0, 0, 0, 1, 1, 1]
    (reason,) = read(toy(layout=LAYOUT, modality="CT", labels_of_every_image=["b"]))[1].values()
    assert reason.startswith("uneven slice spacing")


def test_a_mask_on_another_grid_is_refused(case, read, tmp_path, toy):
    case()
    write_nifti(tmp_path / "c1" / "mask.nii.gz", np.ones((4, 24, 32), np.uint8), "RAS")
    (reason,) = read(toy(layout={**LAYOUT, "mask": "{parent}/mask.nii.gz"}, **SEGMENTED))[1].values()
    assert reason.startswith("image and mask grids differ")


def test_what_looks_like_it(case, put, tmp_path):
    assert DicomSeries.recognise(Folder(tmp_path)) is None
    case()
    guess = DicomSeries.recognise(Folder(tmp_path))
    assert guess.layout == {"kind": "dicom_series", "series": "*/dicom", "mask": "{parent}/mask.nii.gz"}
    assert (guess.task, guess.labels) == ("3d_segmentation", ["1"])
    (tmp_path / "c1" / "mask.nii.gz").unlink()
    guess = DicomSeries.recognise(Folder(tmp_path))
    assert (guess.layout, guess.task) == ({"kind": "dicom_series", "series": "*/*"}, "3d_classification")
    put("0.dcm", b"x")
    assert DicomSeries.recognise(Folder(tmp_path)) is None, "files at the root are single ones"


def test_several_masks_a_series_are_a_todo_with_candidates(case, tmp_path):
    for name in ("c1", "c2"):
        case(name)
        (tmp_path / name / "heart.nii.gz").write_bytes((tmp_path / name / "mask.nii.gz").read_bytes())
    guess = DicomSeries.recognise(Folder(tmp_path))
    assert guess.layout["mask"] == "TODO"
    assert "mask: several masks fit each series: {parent}/heart.nii.gz or {parent}/mask.nii.gz" in guess.notes


def test_two_segments_of_one_label_both_count_and_one_that_is_not_named_is_left_open(read, tmp_path, toy):
    headers = write_series(tmp_path / "c1" / "dicom", 5, shape=(24, 32))
    masks = np.zeros((5, 24, 32, 2), np.uint8)
    masks[1:3, 2:8, 2:8, 0] = masks[1:3, 12:20, 20:28, 1] = 1
    write_seg(tmp_path / "c1" / "mask.dcm", headers, masks, ["lung", "lung"])
    labels = {"lung": {"en": "lung"}, "rib": {"en": "rib"}}
    card = toy(layout={**LAYOUT, "mask": "{parent}/mask.dcm"}, **{**SEGMENTED, "labels": labels, "exhaustive": True})
    pictures, reasons = read(card)
    assert reasons == {}
    for picture in pictures["c1/dicom"]:
        assert [box.xyxy for box in picture.boxes] == [(2, 2, 8, 8), (20, 12, 28, 20)]
        assert picture.uncertain == ("rib",)
