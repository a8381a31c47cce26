"""Every text format of boxes reads back within one of its units, and never grows, collapses or leaves the image."""

import re

import pytest
from gmai_data.imaging.box_text import (
    UNITS,
    box_tag,
    box_text,
    parse,
    parse_objects,
    parse_words,
    render,
    render_objects,
    render_words,
)
from hypothesis import given, settings
from hypothesis import strategies as st

settings.register_profile("busy machines", deadline=None)
settings.load_profile("busy machines")


@st.composite
def pictures(draw):
    width, height = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
    boxes = []
    for label in draw(st.lists(st.sampled_from(["liver", "left kidney", "脾脏"]), max_size=4)):
        x1, y1 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        boxes.append((label, (x1, y1, draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height)))))
    return (width, height), boxes


def assert_near(found, boxes, size, unit):
    assert sorted(label for label, _ in found) == sorted(label for label, _ in boxes)
    limits = (size[0] / unit, size[1] / unit) * 2
    by_label = sorted(boxes, key=lambda box: [label for label, _ in boxes].index(box[0]))
    for (_, read), (_, true) in zip(found, by_label, strict=True):
        assert 0 <= read[0] < read[2] <= size[0]
        assert 0 <= read[1] < read[3] <= size[1]
        for a, b, limit in zip(read, true, limits, strict=True):
            assert abs(a - b) <= max(limit, 0) + 1


@pytest.mark.parametrize("target", list(UNITS))
@given(picture=pictures())
def test_reference_tags(target, picture):
    size, boxes = picture
    text = render(boxes, size, target)
    found = parse(text, size, target)
    assert_near(found, boxes, size, UNITS[target] or max(size))
    if UNITS[target] is None:
        assert sorted(found) == sorted(boxes)
    else:
        numbers = [int(n) for n in re.findall(r"\d+", text)]
        assert all(0 <= n <= UNITS[target] for n in numbers)


@given(picture=pictures())
def test_reading_and_writing_again_stays_within_one_unit(picture):
    size, boxes = picture
    once = render(boxes, size)
    twice = render(parse(once, size), size)
    first, second = ([int(n) for n in re.findall(r"\d+", text)] for text in (once, twice))
    if min(size) >= 1000:
        assert all(abs(a - b) <= 1 for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("language", ["en", "zh"])
@given(picture=pictures())
def test_words(language, picture):
    size, boxes = picture
    found = parse_words(render_words(boxes, size, language), size, language)
    assert [label for label, _ in found] == [label for label, _ in boxes]
    for (_, read), (_, true) in zip(found, boxes, strict=True):
        limits = (size[0] / 100, size[1] / 100) * 2
        assert all(abs(a - b) <= limit + 1 for a, b, limit in zip(read, true, limits, strict=True))


@given(picture=pictures())
def test_objects_are_exact(picture):
    _, boxes = picture
    text, objects = render_objects(boxes)
    assert text.count("<ref-object><bbox>") == len(boxes)
    assert parse_objects(objects) == boxes


def test_formats_as_their_models_write_them():
    boxes = [("liver", (0, 0, 50, 100)), ("liver", (50, 0, 100, 100))]
    assert render(boxes, (100, 100)) == "<ref>liver</ref><box>[[0, 0, 500, 1000], [500, 0, 1000, 1000]]</box>"
    assert render(boxes[:1], (100, 100), "thousand") == "<ref>liver</ref><box>[[0, 0, 500, 999]]</box>"
    assert render(boxes[:1], (100, 100), "absolute") == "<ref>liver</ref><box>[[0, 0, 50, 100]]</box>"
    assert render_words(boxes[:1], (100, 100)) == "liver: 0% to 50% from the left, 0% to 100% from the top"
    assert render_words([("肝脏", (0, 0, 50, 100))], (100, 100), "zh") == "肝脏：距左侧0%至50%，距顶部0%至100%"


def test_thousandths_never_collapse_and_cover_the_box():
    assert box_tag([(511, 511, 512, 512)], 512, 512) == "<box>[[998, 998, 1000, 1000]]</box>"
    assert box_text("cell", [(0, 0, 640, 480)], 640, 480) == "<ref>cell</ref><box>[[0, 0, 1000, 1000]]</box>"
