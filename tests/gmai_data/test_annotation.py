"""A record's ids, digests and row, which other tools and later builds rely on."""

import hashlib
from dataclasses import replace

import pytest
from gmai_data.annotation import Annotation, Box, annotation_id, annotation_of, boxes_of, single_boxes
from gmai_data.vocabulary import ClinicalTask, Department, Modality, Split, Task

RECORD = Annotation(
    id="2d#cls#ct#toy#a", image=b"\x89PNG1", width_px=40, height_px=30, modality=Modality.CT,
    department=Department.UROLOGY, clinical_task=ClinicalTask.BONE, anatomy="pelvis", task=Task.SEGMENTATION_2D,
    labels=("hip", "spine"), absent=("rib",), incomplete=("spine",),
    boxes=(Box("hip", (1, 2, 4, 8)), Box("spine", (0, 0, 3, 3)), Box("hip", (5, 5, 9, 9))),
    split=Split.TRAIN, group="g", source="toy", license="MIT", provenance={"item": "ä", "a": 1},
)  # fmt: skip


def test_the_centre_of_a_box_may_lie_between_pixels():
    assert Box("hip", (1, 2, 4, 8)).centre == (2.5, 5.0)


def test_boxes_of_a_label_keep_their_order():
    assert [box.xyxy for box in boxes_of(RECORD, "hip")] == [(1, 2, 4, 8), (5, 5, 9, 9)]
    assert boxes_of(RECORD, "rib") == ()


def test_a_single_box_is_the_only_one_of_a_label_that_was_looked_for_everywhere():
    assert single_boxes(RECORD) == []
    only = replace(RECORD, incomplete=(), boxes=RECORD.boxes[:2])
    assert [box.label for box in single_boxes(only)] == ["hip", "spine"]
    assert [box.label for box in single_boxes(replace(only, incomplete=("hip",)))] == ["spine"]


def test_digests_and_names_of_an_image():
    digest = hashlib.sha256(b"\x89PNG1").hexdigest()
    assert RECORD.sha256 == digest
    assert RECORD.image_id == digest[:32]
    assert RECORD.image_path == hashlib.sha256(RECORD.id.encode()).hexdigest()[:16] + ".png"
    assert replace(RECORD, image=b"\xff\xd8jpeg").image_path.endswith(".jpg")


def test_a_text_without_a_modality_has_no_way_an_image_was_made():
    assert RECORD.image_modality == Modality.CT
    with pytest.raises(ValueError, match="2d#cls#ct#toy#a: a text without an image has no modality"):
        _ = replace(RECORD, modality=None).image_modality


def test_a_row_gives_the_record_back():
    row = RECORD.row()
    assert annotation_of(row) == RECORD
    assert (row["width"], row["height"], row["modality"]) == (40, 30, "CT")
    assert row["provenance"] == '{"a": 1, "item": "ä"}'
    assert row["boxes"][0] == {"label": "hip", "xyxy": [1, 2, 4, 8]}
    del row["image"]
    assert annotation_of(row) == replace(RECORD, image=b"")


@pytest.mark.parametrize(
    ("task", "modality", "key", "labels", "made"),
    [
        (Task.CLASSIFICATION_2D, Modality.FUNDUS, "a/b", ("x",), "2d#cls#fundus_photography#toy#a#b#x#n"),
        (Task.SEGMENTATION_3D, Modality.CT, "", ("x", "y"), "3d#seg#ct#toy#multi#n"),
        (Task.DETECTION_2D, Modality.X_RAY, "/a#b//c", (), "2d#det#x-ray#toy#a_b#c#none#n"),
        (Task.TEXT, None, "a", (), "text#qa#none#toy#a#none#n"),
    ],
)
def test_an_id_says_task_modality_source_path_and_label(task, modality, key, labels, made):
    assert annotation_id(task, modality, "toy", key, labels, "n") == made


def test_size_and_common_area_of_boxes():
    one, other, apart = Box("a", (10, 20, 40, 60)), Box("b", (30, 50, 70, 90)), Box("c", (40, 60, 50, 70))
    assert (one.size_px, one.area_px) == ((30, 40), 1200)
    assert one.common_px(other) == other.common_px(one) == 10 * 10
    assert one.common_px(apart) == 0  # boxes are half-open: they touch at a corner
    assert one.common_px(one) == one.area_px
