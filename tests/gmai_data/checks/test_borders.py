"""What reaches a border of the image, by its box: the liver the left one, the left kidney the lower one."""

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.borders import wrong_border
from gmai_data.vocabulary import Language

BOXES = (Box("liver", (1, 20, 40, 60)), Box("left kidney", (60, 70, 80, 100)))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("the liver reaches the left edge of the image", True),
        ("the liver reaches the right edge of the image", False),
        ("the liver extends up to the upper border", False),
        ("the left kidney is cut off at the lower margin of the picture", True),
        ("the left kidney touches the lower border", True),
        ("the left kidney touches the right image border", False),
        ("the left kidney does not reach the right border", True),
        ("the left kidney touches the upper border of the liver", True),
        ("it ends without touching the upper border", True),
    ],
)
def test_what_reaches_a_border_of_the_image(masked, text, holds):
    assert (wrong_border(*masked(text, boxes=BOXES)) is None) == holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("肝脏达到图像左缘", True),
        ("肝脏延伸至画面右侧边缘", False),
        ("左肾触及下缘", True),
        ("左肾未达到图像右缘", True),
    ],
)
def test_what_reaches_a_border_in_chinese(masked, text, holds):
    assert (wrong_border(*masked(text, Language.ZH, BOXES)) is None) == holds


def test_nothing_is_said_of_a_label_without_a_box(masked):
    assert wrong_border(*masked("the liver reaches the right edge", boxes=())) is None
