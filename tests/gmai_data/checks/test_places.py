"""Positions and relations against boxes; see `masked` in conftest.py for the record."""

from dataclasses import replace

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.places import agrees, compared, holds_inside, holds_of_two, relation_holds, shown_on, wrong_place
from gmai_data.checks.sizes import larger
from gmai_data.checks.written import first_complaint
from gmai_data.vocabulary import Language


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the liver lies in the upper left part of the image", True),
        ("in the lower right corner is the left kidney", True),
        ("the liver on the left of the picture, the left kidney on the right", True),
        ("the liver is central", False),
        ("the liver lies in the lower left part", False),
        ("the left kidney lies on the left side of the image", False),
        ("the lower border of the liver is sharp", True),
        ("the liver, seen at the top of the image", True),
        ("the left kidney, seen at the top of the image", False),
        ("the liver lies to the left of the left kidney", True),
        ("on the left we see the liver and, lower down on the right, the left kidney", True),
        ("on the left we see the liver and, further up on the left, the left kidney", False),
    ],
)
def test_positions(masked, text, good):
    assert (agrees(*masked(text)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the liver lies above the left kidney", True),
        ("the liver lies below the left kidney", False),
        ("below the liver lies the left kidney", True),
        ("the left kidney lies to the right of the liver", True),
        ("the left kidney lies to the left of the liver", False),
    ],
)
def test_relations(masked, text, good):
    assert (relation_holds(*masked(text)) is None) == good


@pytest.mark.parametrize(
    ("text", "rule", "good"),
    [
        ("肝脏位于图像左上部", agrees, True),
        ("肝脏位于图像右下部", agrees, False),
        ("图像右侧可见左肾", agrees, True),
        ("图像中心偏右可见左肾", agrees, True),
        ("图像中央稍偏左可见左肾", agrees, False),
        ("左肾在肝脏下方", relation_holds, True),
        ("左肾在肝脏上方", relation_holds, False),
        ("肝脏大于左肾", larger, True),
        ("左肾大于肝脏", larger, False),
        ("左肾最大", larger, False),
    ],
)
def test_in_chinese(masked, text, rule, good):
    assert (rule(*masked(text, Language.ZH)) is None) == good


def test_without_boxes_there_is_no_place(masked):
    assert agrees(*masked("the liver lies in the upper part of the image", boxes=())) is not None
    assert relation_holds(*masked("the liver lies below the left kidney", boxes=())) is not None
    assert agrees(*masked("the liver has a blurred lower border", boxes=())) is None


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("The left kidney lies in the upper central part of the image.", True),
        ("In the upper central part of the image lies the left kidney, bright and round.", True),
        ("The left kidney lies in the lower central part of the image.", False),
        ("The left kidney lies in the central part of the image.", False),
    ],
)
def test_an_upper_central_part_is_in_the_upper_row(facts, text, passes):
    made = facts(boxes=(Box("left kidney", (40, 2, 60, 22)),), positions=("upper central",), references=())
    found = first_complaint(made, (("Where is it?", text),))
    assert (found is None) is passes, found


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the left kidney lies within the liver", True),
        ("the left kidney, inside of the liver", True),
        ("the liver surrounds the left kidney", True),
        ("the liver lies inside the left kidney", False),
        ("the left kidney encloses the liver", False),
        ("the left kidney lies outside of the liver", False),
        ("the left kidney is surrounded by the liver", True),
    ],
)
def test_what_lies_in_what(masked, text, good):
    nested = (Box("liver", (5, 5, 95, 95)), Box("left kidney", (40, 40, 60, 60)))
    assert (holds_inside(*masked(text, boxes=nested)) is None) == good
    assert (wrong_place(*masked(text, boxes=nested)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("左肾位于肝脏内部", True),
        ("肝脏包绕左肾", True),
        ("左肾被肝脏包绕", True),
        ("肝脏位于左肾内", False),
        ("左肾包绕肝脏", False),
    ],
)
def test_what_lies_in_what_in_chinese(masked, text, good):
    nested = (Box("liver", (5, 5, 95, 95)), Box("left kidney", (40, 40, 60, 60)))
    assert (holds_inside(*masked(text, Language.ZH, nested)) is None) == good


def test_what_lies_in_the_middle_is_at_no_corner(masked):
    middle = (Box("liver", (40, 40, 60, 62)), Box("left kidney", (70, 70, 90, 85)))
    assert agrees(*masked("the liver at the upper right of the image", boxes=middle)) is not None
    assert agrees(*masked("the liver in the upper half of the image", boxes=middle)) is None


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the lowest structure is the left kidney", True),
        ("the liver is the lowest of the two", False),
        ("the leftmost of them is the liver", True),
        ("the left kidney is the uppermost structure", False),
        ("the left kidney lies at the far right of the image", True),
        ("the left kidney is along the top of the liver", False),
    ],
)
def test_extremes(masked, text, good):
    assert (wrong_place(*masked(text)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [("肝脏位于最上方", True), ("左肾位于最上方", False)],
)
def test_extremes_in_chinese(masked, text, good):
    assert (wrong_place(*masked(text, Language.ZH)) is None) == good


def test_one_of_two_regions_is_told_by_its_size(masked):
    boxes = (Box("left kidney", (5, 5, 45, 45)), Box("left kidney", (70, 70, 80, 80)))
    assert agrees(*masked("the smaller left kidney is on the right side of the image", boxes=boxes)) is None
    assert agrees(*masked("the smaller left kidney is on the left side of the image", boxes=boxes)) is not None


@pytest.mark.parametrize(
    ("text", "language", "good"),
    [
        ("the larger lies above the smaller one", Language.EN, True),
        ("the smaller lesion sits above the larger", Language.EN, False),
        ("the upper left kidney is the larger", Language.EN, True),
        ("the lower one is clearly the larger", Language.EN, False),
        ("较大者位于较小者上方", Language.ZH, True),
        ("较大的一个位于较小的一个下方", Language.ZH, False),
    ],
)
def test_one_of_two_boxes_of_a_label_against_the_other(masked, text, language, good):
    two = (Box("left kidney", (10, 10, 60, 60)), Box("left kidney", (70, 70, 90, 85)))
    told, text = masked(text, language, two)
    told = replace(told, annotation=replace(told.annotation, labels=("left kidney",)))
    assert (holds_of_two(told, text) is None) == good


@pytest.mark.parametrize(
    ("axis", "side", "shown"), [("axial", "right", True), ("axial", "left", False), ("", "right", None)]
)
def test_a_label_with_a_side_is_shown_on_the_other_side_of_a_mirrored_slice(facts, axis, side, shown):
    made = facts()
    made = replace(made, annotation=replace(made.annotation, provenance={"axis": axis} if axis else {}))
    assert shown_on(made, "left kidney", side) == shown
    assert shown_on(made, "liver", side) is None


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("reading from left to right, the liver and the left kidney are seen", True),
        ("the liver is on the left, in the middle", False),  # upper left
        ("the left kidney on the right side of the patient lies at the lower right", True),
        ("the liver is darker than the left kidney and lies higher in the image", True),
        ("the liver is darker than the left kidney and lies lower in the image", False),
        ("the liver is seen and, below them, the left kidney", True),
        ("the left kidney is seen and, below them, the liver", False),
    ],
)
def test_orders_and_comparisons_in_other_words(masked, text, good):
    made, text = masked(text)
    assert (wrong_place(made, compared(text)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("图像右下部较暗的左肾和图像左上部较亮的肝脏", True),
        ("图像左上部较暗的左肾和图像右下部较亮的肝脏", False),
        ("左肾位于图像右下部，在肝脏下方", True),
        ("左肾位于图像右下部，在肝脏上方", False),
        ("从左到右依次为肝脏、左肾", True),
        ("标记区位于画面左上角", True),
    ],
)
def test_places_of_several_labels_in_chinese(masked, text, good):
    assert (wrong_place(*masked(text, Language.ZH)) is None) == good


def test_what_is_marked_lies_where_a_label_does(masked):
    lower = (Box("liver", (70, 70, 90, 85)),)
    assert wrong_place(*masked("标记区位于画面左上角", Language.ZH, lower)) is not None
