"""Sizes and their comparisons beside the boxes; see `masked` in conftest.py for the record."""

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.sizes import larger, sized, tall_holds, wrong_size
from gmai_data.vocabulary import Language


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the liver is larger than the left kidney", True),
        ("the left kidney is larger than the liver", False),
        ("the left kidney is smaller than the liver", True),
        ("the liver is the largest structure", True),
        ("the left kidney is the largest structure", False),
    ],
)
def test_sizes(masked, text, good):
    assert (larger(*masked(text)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [("the left kidney is wider than tall", True), ("the left kidney is taller than wide", False)],
)
def test_height_beside_width(masked, text, good):
    assert (tall_holds(*masked(text)) is None) == good


def test_a_size_needs_a_box(masked):
    assert sized(*masked("a large liver")) is None
    assert sized(*masked("a large liver", boxes=())) == (
        "grade invented",
        'it says "large", but the record has no size of it',
    )


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the liver covers a small part of the image", True),
        ("the liver covers nearly the whole image", False),
        ("the liver is wider and taller than the left kidney", True),
        ("the left kidney is taller than the liver", False),
        ("the left kidney takes up more room than the liver", False),
    ],
)
def test_extents_and_sizes(masked, text, good):
    assert (wrong_size(*masked(text)) is None) == good


@pytest.mark.parametrize(("text", "good"), [("肝脏占据几乎整个图像", False), ("左肾窄于肝脏", True)])
def test_extents_and_sizes_in_chinese(masked, text, good):
    assert (wrong_size(*masked(text, Language.ZH)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the left kidney is an upright oval", True),
        ("the left kidney is a horizontal, elongated region", False),
        ("the left kidney is about twice as tall as it is wide", True),
        ("the left kidney is three times as wide as it is tall", False),
    ],
)
def test_how_a_region_stands(masked, text, good):
    upright = (Box("left kidney", (70, 20, 80, 85)),)
    assert (wrong_size(*masked(text, boxes=upright)) is None) == good


@pytest.mark.parametrize(("text", "good"), [("左肾为竖置的条带状影", True), ("左肾为横置的窄长区域", False)])
def test_how_a_region_stands_in_chinese(masked, text, good):
    upright = (Box("left kidney", (70, 20, 80, 85)),)
    assert (wrong_size(*masked(text, Language.ZH, upright)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the liver covers about a quarter of the image", True),
        ("the liver fills more than half of the picture", False),
        ("the liver takes up a tenth of the image", False),
        ("the liver spans about half of the image width", True),
        ("the liver spans a tenth of the picture's width", False),
        ("the liver lies in the left half of the image", True),
    ],
)
def test_a_fraction_of_the_image(masked, text, good):
    large = (Box("liver", (5, 5, 55, 60)),)
    assert (wrong_size(*masked(text, boxes=large)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"), [("肝脏占画面约四分之一", True), ("肝脏占据图像的一半", True), ("肝脏占画面的十分之一", False)]
)
def test_a_fraction_of_the_image_in_chinese(masked, text, good):
    large = (Box("liver", (5, 5, 60, 70)),)
    assert (wrong_size(*masked(text, Language.ZH, large)) is None) == good
