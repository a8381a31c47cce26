"""How two regions lie: the liver and the left kidney lie apart, in the second record they meet."""

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.arrangement import wrong_arrangement
from gmai_data.vocabulary import Language

APART = (Box("liver", (5, 5, 45, 45)), Box("left kidney", (70, 70, 90, 85)))
ALIKE = (Box("liver", (5, 5, 45, 45)), Box("left kidney", (50, 50, 85, 90)))
MEETING = (Box("liver", (5, 5, 60, 60)), Box("left kidney", (50, 50, 90, 85)))


@pytest.mark.parametrize(
    ("text", "boxes", "holds"),
    [
        ("the liver overlaps the left kidney", MEETING, True),
        ("the liver overlaps the left kidney", APART, False),
        ("the liver and the left kidney do not overlap", APART, True),
        ("the liver and the left kidney do not overlap", MEETING, False),
        ("the two regions overlap in part", MEETING, True),
        ("the two regions are apart from each other", MEETING, False),
        ("does the liver overlap the left kidney?", APART, True),  # a question states nothing
        ("the liver is sharp", APART, True),
        ("the liver and the left kidney lie side by side", APART, False),
        ("the two regions are clearly separated from each other", MEETING, False),
        ("the two regions are of about equal size", APART, False),
        ("the two regions are of similar size", ALIKE, True),
        ("the liver partly covers the left kidney", APART, False),
        ("the liver partly covers the left kidney", MEETING, True),
    ],
)
def test_how_two_regions_lie_is_held_to_the_boxes(masked, text, boxes, holds):
    assert (wrong_arrangement(*masked(text, boxes=boxes)) is None) == holds


@pytest.mark.parametrize(
    ("text", "boxes", "holds"),
    [
        ("肝脏与左肾部分重叠", MEETING, True),
        ("肝脏与左肾部分重叠", APART, False),
        ("两个区域彼此分开", MEETING, False),
        ("肝脏与左肾没有重叠", APART, True),
        ("两个区域大小相近", APART, False),
        ("肝脏与左肾并排", APART, False),
        ("肝脏遮住了部分左肾", APART, False),
        ("肝脏与左肾大小相当", APART, False),
    ],
)
def test_how_two_regions_lie_in_chinese(masked, text, boxes, holds):
    assert (wrong_arrangement(*masked(text, Language.ZH, boxes)) is None) == holds
