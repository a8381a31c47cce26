"""One of two regions set off from the other: the first lies higher, further to the left, and is larger and wider."""

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.other_region import wrong_beside_the_other
from gmai_data.vocabulary import Language

BOXES = (Box("liver", (5, 5, 55, 35)), Box("liver", (70, 60, 85, 85)))
FIRST, SECOND = (
    "<ref>liver</ref><box>[[50, 50, 550, 350]]</box>",
    "<ref>liver</ref><box>[[700, 600, 850, 850]]</box>",
)


@pytest.fixture
def judge(facts):
    def make(text, language=Language.EN):
        made = facts(
            language=language, boxes=BOXES, references=(FIRST, SECOND), positions=("upper left", "lower right")
        )
        return wrong_beside_the_other(made, text.replace("{1}", FIRST).replace("{2}", SECOND))

    return make


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("The first, {1}, lies higher and is larger.", True),
        ("The first, {1}, lies lower.", False),
        ("The second one is {2}, which is smaller and narrower.", True),
        ("The second one, {2}, is somewhat larger.", False),
        ("{2} lies further to the right.", True),
        ("{2} lies further to the left.", False),
        ("{1} lies in the lower left part.", True),  # a place, held elsewhere
        ("{1} is higher in signal.", True),
        ("{1} is lower than the other.", True),  # names what it is compared with
        ("Both {1} and {2} are larger.", True),
    ],
)
def test_a_region_is_held_to_its_box_and_that_of_the_other(judge, text, holds):
    assert (judge(text) is None) == holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("第二个为{2}，更靠下、更靠右。", True),
        ("第二个为{2}，更靠上。", False),
        ("第一个为{1}，范围较大。", True),
        ("第一个为{1}，位置较低。", False),
        ("第二个为{2}，面积较大。", False),
        ("{1}比另一个更小。", True),
    ],
)
def test_a_region_in_chinese(judge, text, holds):
    assert (judge(text, Language.ZH) is None) == holds


def test_three_regions_are_not_compared(facts):
    made = facts(boxes=(*BOXES, BOXES[0]), references=(FIRST, SECOND, FIRST))
    assert wrong_beside_the_other(made, f"{FIRST} is smaller.") is None
