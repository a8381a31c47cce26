"""Regions of an answer: found, put into pixels and millimetres, drawn; questions with half a tag are refused."""

import numpy as np
import pytest
from gmai_formats.errors import UserError
from gmai_model.regions import COLOURS, Region, check_question, draw_regions, find_regions, find_strays, places
from PIL import Image

ANSWER = (
    "<ref>left kidney</ref><box>[[100, 200, 300, 400], [500, 500, 600, 750]]</box> and <box>[[0,0,1000,1000]]</box>."
)


def test_regions_are_found_with_their_labels() -> None:
    first, second = find_regions(ANSWER)
    assert first == Region("left kidney", ((100, 200, 300, 400), (500, 500, 600, 750)))
    assert second == Region("", ((0, 0, 1000, 1000),))


@pytest.mark.parametrize(
    "text",
    ["<box>[8, 9]</box>", "<box>[[001, 2, 30, 40]]</box>", "<box>[[١, 2, 30, 40]]</box>", "<box>[[1, 2, 3, 4</box>",
     f"<box>[[{'9' * 5000}, 2, 3, 4]]</box>", "<box>" + "[" * 100000 + "</box>", "<box>[[0.1, 0.2, 0.3, 0.4]]</box>",
     "<box>[[9, 9, 1, 1]]</box>", "<box>[[0, 0, 0, 5]]</box>", "<box>[[1, 2, 3, 1001]]</box>",
     "<box>[[1, 2, 3]]</box>", "<ref>x</ref>", "<box>__import__('os')</box>", "[[1, 2, 3, 4]]", ""],
)  # fmt: skip
def test_what_is_no_region_is_not_drawn(text: str) -> None:
    assert find_regions(text) == []


def test_words_have_pixels_and_millimetres_where_known() -> None:
    region = find_regions(ANSWER)[0]
    assert region.describe((200, 100)).startswith("left kidney: x 20–60, y 20–40 px (40×20 px); x 100–120")
    assert "(40×20 px, 28.0×14.0 mm)" in region.describe((200, 100), 0.7)


def test_boxes_are_outlines_where_they_are_and_corners_stay_free() -> None:
    image = Image.new("RGB", (400, 300))
    drawn = np.asarray(draw_regions(image, [Region("cyst", ((250, 250, 500, 500),))]))
    assert tuple(drawn[75, 150]) == COLOURS[0]
    assert tuple(drawn[110, 150]) == (0, 0, 0)
    assert not drawn[:20, :60].any()
    assert not np.asarray(image).any()
    drawn = np.asarray(draw_regions(image, [Region("low", ((0, 900, 1000, 1000),))]))
    assert drawn.any()


@pytest.mark.parametrize("text", ["Is <ref>it</ref> here: <box>[[1, 2, 3, 4]]</box>?", "What is a box? [[1]]"])
def test_whole_regions_may_be_asked_about(text: str) -> None:
    check_question(text)


@pytest.mark.parametrize("text", ["<box>", "a </ref> b", "<box>[1, 2]</box>", "<ref></ref>", "<box>[[1,2,3,4]]"])
def test_half_a_tag_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="that names no region"):
        check_question(text)


@pytest.mark.parametrize(
    ("text", "box"),
    [("<box>[10, 20, 300, 400]</box>", (10, 20, 300, 400)), ("<box>[[10.5, 20, 300.2, 400]]</box>", (10, 20, 300, 400)),
     ("<ref>a < b</ref>\n<box> [[10,20,300,400]] </box>", (10, 20, 300, 400))],
)  # fmt: skip
def test_other_ways_to_write_a_box_are_read(text: str, box: tuple[int, ...]) -> None:
    assert [region.boxes for region in find_regions(text)] == [(box,)]
    assert find_strays(text) == []


def test_a_small_box_is_a_pixel_and_labels_without_letters_are_numbers() -> None:
    image = Image.new("RGB", (90, 60))
    tiny = Region("a", ((500, 500, 501, 501),))
    assert tiny.describe(image.size) == "a: x 45–46, y 30–31 px (1×1 px)"
    assert np.asarray(draw_regions(image, [tiny])).any()
    one = np.asarray(draw_regions(image, [Region("肝脏", ((100, 100, 900, 900),))]))
    other = np.asarray(draw_regions(image, [Region("脾脏", ((100, 100, 900, 900),))]))
    assert np.array_equal(one, other), "no letters that the font lacks"
    draw_regions(image, [Region("long " * 50, ((0, 0, 1000, 1000),)), Region("", ((0, 0, 9, 9),))])


def test_places_are_numbered_and_what_is_not_drawn_is_named() -> None:
    text = "<ref>a</ref><box>[[0, 0, 500, 500]]</box> <box>[[9, 9, 1, 1]]</box> <box>[[1, 2, 3, 4]]</box> <box>[[1"
    assert places(text, (100, 100)) == [
        "1 a: x 0–50, y 0–50 px (50×50 px)", "2 region: x 0–1, y 0–1 px (1×1 px)",
        "not drawn, since it names no region of the image: <box>[9, 9, 1, 1]</box>, <box>",
    ]  # fmt: skip
    assert places("No.", (100, 100)) == []
