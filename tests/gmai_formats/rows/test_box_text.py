"""Boxes in the checkpoint's grammar."""

import random

import numpy as np
import pytest
from gmai_formats.rows.box_text import box_tag, box_text, iou, scale, to_pixels, with_objects, wrong_box_text
from gmai_formats.rows.rules import Problem
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("<box>[[0, 0, 1000, 1000]]</box>", True),
        ("<box>[[0,0,8,9], [1, 2, 3, 4]]</box> and <box>[1, 2, 3.5, 4]</box>", True),
        ("<box>[[0, 0, 1001, 10]]</box>", False),
        ("<box>[[8, 0, 8, 10]]</box>", False),
        ("<box>[[0, 0, 8, 10]]</box> and <box>[[0, 0, 8, 10]]", False),
        ("<box>[[-1, 0, 8, 10]]</box>", False),
        ("<box>upper left</box>", False),
    ],
)
def test_boxes_in_a_text(text: str, sound: bool) -> None:
    assert (wrong_box_text(text) is None) == sound


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    corner=st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)),
    real=st.booleans(),
)
def test_a_box_never_loses_a_pixel(width: int, height: int, corner: tuple[float, float], real: bool) -> None:
    x1, y1 = int(corner[0] * (width - 1)), int(corner[1] * (height - 1))
    box = (x1, y1, x1 + 1, y1 + 1)
    scaled = scale([float(n) for n in box] if real else box, (width, height), 1000)
    assert scaled == scale(box, (width, height), 1000)
    assert scaled[0] < scaled[2] <= 1000
    assert scaled[0] * width <= box[0] * 1000
    assert scaled[2] * width >= box[2] * 1000


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ({"ref": ["a"], "bbox": []}, "1 <bbox> for 0 `bbox`"),
        ({"ref": ["a", "b"], "bbox": [[0, 0, 1, 1]]}, "1 <ref-object> for 2 `ref`"),
        ({"ref": ["a"], "bbox": [[0, 0, 41, 1]]}, "of an image of 40 × 30 px"),
        ({"ref": ["a"], "bbox": [[3, 4]]}, "has 2 numbers"),
        ({"ref": ["<a>"], "bbox": [[0, 0, 1, 1]]}, "is no name"),
        ({"ref": ["a"], "bbox": [[0, 0, 1, 1]], "bbox_type": "norm1000"}, "`bbox_type` is 'norm1000'"),
        ({"ref": ["a"], "bbox": [[0, 0, 1, 1]], "image_id": [1]}, "`image_id` is 1 for 1 images"),
        ("{", "`objects` is text"),
    ],
)
def test_objects_that_cannot_be_written_are_named(objects: object, words: str) -> None:
    messages = [{"role": "assistant", "content": "<ref-object><bbox>"}]
    problem = with_objects(messages, objects, lambda _: (40, 30), 1)
    assert isinstance(problem, Problem)
    assert problem.rule == "objects"
    assert words in problem.found


def test_thousandths_never_collapse_and_cover_the_box() -> None:
    assert box_tag([(511, 511, 512, 512)], 512, 512) == "<box>[[998, 998, 1000, 1000]]</box>"
    assert (
        box_tag([(0, 0, 50, 100), (50, 0, 100, 100)], 100, 100)
        == "<box>[[0, 0, 500, 1000], [500, 0, 1000, 1000]]</box>"
    )
    assert box_text("cell", [(0, 0, 640, 480)], 640, 480) == "<ref>cell</ref><box>[[0, 0, 1000, 1000]]</box>"


@given(data=st.data(), width=st.integers(1, 5000), height=st.integers(1, 5000))
def test_pixels_read_back_lie_within_a_thousandth(data: st.DataObject, width: int, height: int) -> None:
    x1, y1 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = (x1, y1, data.draw(st.integers(x1 + 1, width)), data.draw(st.integers(y1 + 1, height)))
    written = scale(box, (width, height), 1000)
    read = to_pixels(written, (width, height))
    assert 0 <= read[0] < read[2] <= width
    assert 0 <= read[1] < read[3] <= height
    assert all(abs(a - b) <= side / 1000 + 1 for a, b, side in zip(read, box, (width, height) * 2, strict=True))
    again = scale(read, (width, height), 1000)
    assert min(width, height) < 1000 or all(abs(a - b) <= 1 for a, b in zip(again, written, strict=True))


def drawn(box: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((100, 100), dtype=bool)
    x1, y1, x2, y2 = map(int, box)
    mask[y1:y2, x1:x2] = True
    return mask


def test_two_hundred_boxes_as_their_pixels_overlap() -> None:
    draw = random.Random(5)

    def box() -> tuple[int, int, int, int]:
        (x1, x2), (y1, y2) = (sorted(draw.sample(range(100), 2)) for _ in range(2))
        return (x1, y1, x2, y2)

    for _ in range(200):
        one, other = box(), box()
        a, b = drawn(one), drawn(other)
        assert iou(one, other) == pytest.approx((a & b).sum() / (a | b).sum(), abs=1e-12)
    assert iou((1, 1, 1, 5), (1, 1, 1, 5)) == 0.0
