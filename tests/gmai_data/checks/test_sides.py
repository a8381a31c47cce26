"""Sides of the patient beside the labels that have one; see `masked` in conftest.py for the record."""

import re

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.checks.facts import Facts, LabelNames
from gmai_data.checks.sides import without_convention, wrong_side, wrong_side_zh
from gmai_data.vocabulary import Kind, Language, Split


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the left kidney is the patient's left one", True),
        ("the left kidney is on the patient's right", False),
        ("the left lobe is seen", False),
        ("bilateral findings", False),
        ("right, that is the liver", True),
    ],
)
def test_sides(masked, text, good):
    assert (wrong_side(*masked(text)) is None) == good


def test_how_a_slice_is_shown_is_held_to_its_plane(masked):
    assert wrong_side(*masked("the patient's left is on the left of the image"))[0] == "side invented"


@pytest.fixture
def two_kidneys(toy):
    """Return a maker of (facts, masked text) of a coronal slice with a kidney on each side and a cyst on the left."""
    recipe = toy(
        modality="CT",
        anatomy={"en": "abdomen", "zh": "腹部"},
        task="2d_detection",
        labels={"1": {"en": "kidney", "zh": "肾"}, "2": {"en": "cyst", "zh": "囊肿"}},
    )
    boxes = (Box("kidney", (10, 40, 30, 80)), Box("kidney", (70, 40, 90, 80)), Box("cyst", (72, 60, 84, 74)))

    def make(text, language=Language.EN, axis="coronal"):
        annotation = Annotation(
            id="a", image=b"", width_px=100, height_px=100, modality=recipe.modality, department=recipe.department,
            clinical_task=recipe.clinical_task, anatomy="abdomen", task=recipe.task, labels=("kidney", "cyst"),
            absent=(), incomplete=(), boxes=boxes, split=Split.TRAIN, group="g", source="toy", license="CC0-1.0",
            provenance={"axis": axis},
        )  # fmt: skip
        made = Facts(
            annotation,
            Kind.FREE_INSTRUCTION,
            language,
            LabelNames(recipe, language),
            boxes,
            (),
            (),
            "",
            (4, 200),
            (1, 1),
        )
        return made, made.names.masked(text)

    return make


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the cyst lies on the right of the picture, and on a coronal slice that is towards the patient's left", True),
        (
            "the cyst lies on the right of the picture, and on a coronal slice that is towards the patient's right",
            False,
        ),
        ("the cyst is in your left kidney", True),
        ("the cyst is in your right kidney", False),
        ("the right kidney is large, and the left kidney holds the cyst", True),
        ("the left cyst is round", False),
        ("of the cyst and the kidney, the former is on the patient's left", True),
        ("of the cyst and the kidney, the former is on the patient's right", False),
        ("of the kidney and the cyst, the latter is on the patient's right", False),
        ("the kidney is large, and on the patient's left there is a cyst", True),
        ("the kidney is large, and on the patient's right there is a cyst", False),
    ],
)
def test_sides_that_boxes_and_plane_give(two_kidneys, text, good):
    assert (wrong_side(*two_kidneys(text)) is None) == good
    if good:
        assert wrong_side(*two_kidneys(text, axis="sagittal")) is not None


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("囊肿位于图像右侧一端，即靠患者左侧。", True),
        ("囊肿位于图像右侧一端，即靠患者右侧。", False),
        ("右边是您的左肾，囊肿长在左肾的下端。", True),
        ("右边是您的左肾，囊肿长在右肾的下端。", False),
        ("比较囊肿与肾，前者位于患者左侧。", True),
        ("从左到右依次为肾、囊肿。", True),
        ("比较囊肿与肾，前者位于患者右侧。", False),
    ],
)
def test_sides_that_boxes_and_plane_give_in_chinese(two_kidneys, text, good):
    assert (wrong_side_zh(*two_kidneys(text, Language.ZH)) is None) == good


@pytest.mark.parametrize(
    ("language", "text", "rest"),
    [
        (Language.EN, "it lies there, as the patient's right is on the left of the image.", "it lies there,"),
        (Language.EN, "the patient's left is on the right of the image", ""),
        (Language.ZH, "由于患者右侧位于图像左侧，它在此处。", "它在此处"),
        (Language.ZH, "患者的右侧显示在左边。", ""),
    ],
)
def test_how_a_slice_is_shown_is_no_place_of_anything(two_kidneys, language, text, rest):
    found, so = without_convention(two_kidneys("", language)[0], text)
    assert so
    assert rest in found
    assert not re.search("left|right|image|[左右图]", found)


@pytest.mark.parametrize(
    "text", ["the patient's right is on the right of the image", "the patient's left is on the left of the image"]
)
def test_a_slice_that_is_shown_otherwise_is_said_to_be(two_kidneys, text):
    assert without_convention(two_kidneys("")[0], text) == (text, False)
