"""Boxes in the checkpoint's grammar."""

import pytest
from gmai_formats.rows.box_text import scale, with_objects, wrong_box_text
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
