"""Directions of anatomy against boxes: the liver on the left of the image, the left kidney below, nearer the middle."""

from dataclasses import replace

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.directions import without_directions
from gmai_data.vocabulary import Language, Modality

BOXES = (Box("liver", (5, 10, 35, 40)), Box("left kidney", (55, 60, 75, 80)))


@pytest.fixture
def told(facts):
    def make(text, axis="axial", language=Language.EN, modality=Modality.CT):
        made = facts(language=language)
        annotation = replace(
            made.annotation, labels=("liver", "left kidney"), boxes=BOXES, modality=modality,
            provenance={"axis": axis} if axis else {},
        )  # fmt: skip
        made = replace(made, boxes=BOXES, annotation=annotation)
        return without_directions(made, made.names.masked(text), ())

    return make


@pytest.mark.parametrize(
    ("text", "axis", "holds"),
    [
        ("the left kidney lies medial to the liver", "axial", True),
        ("the liver lies lateral to the left kidney", "axial", True),
        ("the liver lies medial to the left kidney", "axial", False),
        ("the liver lies anterior to the left kidney", "axial", True),
        ("the liver lies posterior to the left kidney", "axial", False),
        ("the liver lies superior to the left kidney", "coronal", True),
        ("the liver lies inferior to the left kidney", "coronal", False),
    ],
)
def test_a_direction_is_held_to_the_boxes_of_the_two_labels(told, text, axis, holds):
    rest, wrong = told(text, axis)
    assert (wrong is None) == holds
    assert not holds or " to " not in rest


@pytest.mark.parametrize(
    ("text", "holds"), [("左肾位于肝脏内侧", True), ("肝脏位于左肾内侧", False), ("肝脏位于左肾前方", True)]
)
def test_a_direction_in_chinese(told, text, holds):
    assert (told(text, language=Language.ZH)[1] is None) == holds


def test_a_direction_of_which_nothing_is_known_stays(told):
    assert "superior to" in told("the liver lies superior to the left kidney", "axial")[0]
    assert "anterior to" in told("the liver lies anterior to the left kidney", "sagittal")[0]
    assert "medial to" in told("the left kidney lies medial to the liver", "")[0]


def test_a_radiograph_stands_upright_and_an_ultrasound_begins_at_the_skin(told):
    assert told("the liver lies inferior to the left kidney", "", modality=Modality.X_RAY)[1] is not None
    assert told("the liver lies deep to the left kidney", "", modality=Modality.ULTRASOUND)[1] is not None
    assert told("the liver lies superficial to the left kidney", "", modality=Modality.ULTRASOUND)[1] is None
