"""SEG and RTSTRUCT in a folder that a card is drafted for, where export tools put them."""

import numpy as np
import pytest
import yaml
from gmai_data.sources.cards.drafts import draft
from gmai_data.sources.drafting.drawn_objects import called_masks, marking_objects, pattern_of_objects
from gmai_data.sources.files.folder import Folder

from ...dicom_objects import write_seg, write_series, write_structures

SQUARE = np.array([[1.0, 1, 0], [4, 1, 0], [4, 4, 0], [1, 4, 0]])


def patients(root, images, marks, slices=4):
    """Write three patients with a SEG each at the places given."""
    pytest.importorskip("highdicom")
    for name in ("p1", "p2", "p3"):
        headers = write_series(root / images.format(name), slices, series=name, patient=name)
        masks = np.zeros((slices, 8, 8, 2), bool)
        masks[:, 2:4, 2:4, 0] = masks[:, 5:7, 5:7, 1] = True
        write_seg(root / marks.format(name), headers, masks, ["Nodule", "Left lung"])


@pytest.mark.parametrize(
    ("images", "marks", "slices", "series", "files"),
    [
        ("{}/CT", "{}/SEG/1-1.dcm", 4, "*/CT", "*/SEG/*.dcm"),
        ("{}/CT", "{}/SEG/1.2.840.99", 4, "*/CT", "*/SEG/*"),
        ("{}", "{}/zz_seg.dcm", 12, "*", "*/*.dcm"),
        ("images/{}", "masks/{}.dcm", 4, "images/*", "masks/*.dcm"),
        ("images/{}", "{}.dcm", 4, "images/*", "*.dcm"),
    ],
)
def test_a_draft_reads_seg_where_it_lies(tmp_path, images, marks, slices, series, files):
    patients(tmp_path, images, marks, slices)
    _, text = draft(tmp_path)
    card = yaml.safe_load(text)
    assert card["layout"] == {"kind": "dicom_series", "series": series, "drawn": {"files": files}}
    assert list(card["labels"]) == ["Nodule", "Left lung"]
    assert card["task"] == "3d_segmentation"


def test_structures_are_named_too(tmp_path):
    headers = write_series(tmp_path / "a/CT")
    write_structures(tmp_path / "a/RS/rs.dcm", headers, {"Heart": [(SQUARE, "CLOSED_PLANAR")]})
    files = Folder(tmp_path).dicom
    found = marking_objects(files)
    assert {path.name: names for path, names in found.items()} == {"rs.dcm": ("Heart",)}
    assert pattern_of_objects(Folder(tmp_path), list(found)) == "a/RS/*.dcm"


def test_objects_at_several_depths_are_found_everywhere(tmp_path):
    folder = Folder(tmp_path)
    assert pattern_of_objects(folder, [tmp_path / "a/b.dcm", tmp_path / "a/c/d.dcm"]) == "**/*"


def test_plain_slices_mark_nothing(tmp_path):
    write_series(tmp_path / "a", 12)
    assert marking_objects(Folder(tmp_path).dicom) == {}


@pytest.mark.parametrize(
    ("pictures", "masks"),
    [
        (["Segmentation/1/2/images/1.dcm"], ["Segmentation/1/2/masks/1.dcm"]),
        (["3Dircadb1.1/PATIENT_DICOM/1.dcm"], ["3Dircadb1.1/MASKS_DICOM/liver/1.dcm"]),
        (["p1/1-full mammogram/1.dcm"], ["p1/1-ROI mask images/1.dcm", "p1/2-ROI mask images/1.dcm"]),
        (["a/image/1.dcm", "a/image/2.dcm"], ["a/groundtruth/1.dcm"]),
        (["masked/healthy/1.dcm", "masked/ill/2.dcm"], []),
        (["masks/1.dcm", "masks/2.dcm"], []),
        (["lesion/1.dcm", "none/2.dcm"], []),
    ],
)
def test_folders_of_masks_hold_no_pictures(tmp_path, pictures, masks):
    for name in (*pictures, *masks):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder = Folder(tmp_path)
    found = called_masks(folder, [tmp_path / name for name in (*pictures, *masks)])
    assert [folder.below(path) for path in found] == masks


def test_the_draft_leaves_masks_that_are_plain_images_out_and_says_so(tmp_path):
    for name in ("p1", "p2", "p3"):
        for kind in ("images", "masks"):
            write_series(tmp_path / name / kind, 3, series=f"{name}{kind}", patient=name)
    _, text = draft(tmp_path)
    assert yaml.safe_load(text)["layout"] == {"kind": "dicom_series", "series": "*/images"}
    assert "# masks: 9 DICOM files lie in folders of masks, such as p1/masks/" in text
