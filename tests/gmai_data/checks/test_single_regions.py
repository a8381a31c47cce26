"""The second region, the larger of the two: of two cysts the first is small and upper left, the second lower right."""

from dataclasses import replace

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.statements import unresolved
from gmai_data.vocabulary import Language

TWO = (Box("left kidney", (5, 5, 25, 25)), Box("left kidney", (55, 60, 95, 95)))


@pytest.fixture
def wrong(facts):
    def of(text, language=Language.EN, boxes=TWO):
        made = facts(language=language, positions=("upper left", "lower right"), references=(), boxes=boxes)
        labels = tuple(dict.fromkeys(box.label for box in boxes))
        made = replace(made, annotation=replace(made.annotation, labels=labels, boxes=boxes))
        return [each.check for each in unresolved(made, (("", text),))]

    return of


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("The first of the two regions lies in the upper left of the image.", True),
        ("The first of the two regions lies in the lower right of the image.", False),
        ("The second region lies in the lower right of the image.", True),
        ("The second region lies in the upper left of the image.", False),
        ("The second region lies above the first.", False),
        ("The second region lies below the first.", True),
        ("The first region is smaller than the second.", True),
        ("The first region is larger than the second.", False),
        ("The larger of the two lies in the lower right of the image.", True),
        ("The larger of the two lies in the upper left of the image.", False),
        ("The smaller of the two regions is in the lower right of the image.", False),
    ],
)
def test_a_region_by_its_number_or_size_is_held_to_its_own_box(wrong, text, holds):
    assert (not wrong(text)) == holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("第一个区域位于图像左上部。", True),
        ("第一个区域位于图像右下部。", False),
        ("第二个区域位于图像右下部。", True),
        ("第二个区域位于图像左上部。", False),
        ("第二个区域位于第一个区域上方。", False),
        ("第一个区域比第二个大。", False),
        ("第一个区域比第二个小。", True),
        ("两者中较大者位于图像左上部。", False),
        ("两者中较大者位于图像右下部。", True),
    ],
)
def test_a_region_by_its_number_or_size_in_chinese(wrong, text, holds):
    assert (not wrong(text, Language.ZH)) == holds


def test_the_order_is_that_of_the_boxes(wrong):
    text = "The first region lies in the lower right of the image."
    assert wrong(text)
    assert not wrong(text, boxes=TWO[::-1])
