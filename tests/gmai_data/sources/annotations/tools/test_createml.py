"""Create ML's lists, whose boxes have their centre."""

import json

import pytest
from gmai_data.sources.annotations.tools.createml import read


def saved(tmp_path, document):
    (tmp_path / "c.json").write_text(json.dumps(document))
    return read(tmp_path / "c.json", "c.json")


@pytest.mark.parametrize("box", [(10, 20, 30, 40), (0, 0, 7, 5), (3.5, 2.25, 9, 1.5)])
@pytest.mark.parametrize(("image", "marks"), [("image", "annotations"), ("imagefilename", "annotation")])
def test_boxes(tmp_path, image, marks, box):
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    place = {"x": (left + right) / 2, "y": (top + bottom) / 2, "width": box[2], "height": box[3]}
    (found,) = saved(tmp_path, [{image: "1.png", marks: [{"label": "a", "coordinates": place}]}])
    (shape,) = found.shapes
    assert (found.name, shape.label, list(shape.points)) == ("1.png", "a", [(left, top), (right, bottom)])


def test_pictures_without_a_box_and_damaged_ones(tmp_path):
    damaged = {"label": "a", "coordinates": {"x": 1}}
    entries = [{"image": "1.png", "annotations": []}, {"image": "2.png", "annotations": [damaged]}]
    first, second = saved(tmp_path, entries)
    assert (first.shapes, second.shapes[0].kind) == ([], "other")
    assert "KeyError" in second.shapes[0].problem


@pytest.mark.parametrize(
    "document",
    [{}, [1], [{"image": "1.png"}], [{"image": "1.png", "annotations": [{"label": "a"}]}], [{"annotations": []}]],
)
def test_other_json(tmp_path, document):
    assert saved(tmp_path, document) == []
