"""`metadata.jsonl` of Hugging Face's ImageFolder."""

import json

import pytest
from gmai_data.sources.annotations.tools.imagefolder import read


def saved(tmp_path, *entries):
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, entries)))
    return read(tmp_path / "metadata.jsonl", "metadata.jsonl")


@pytest.mark.parametrize("key", ["categories", "category", "label", "labels"])
@pytest.mark.parametrize("names", [[0, 3], ["a", "b"]])
def test_boxes(tmp_path, key, names):
    objects = {"bbox": [[1, 2, 3, 4], [0.5, 0, 2, 2]], key: names, "area": [12, 4]}
    (found,) = saved(tmp_path, {"file_name": "1.png", "width": 8, "height": 9, "objects": objects})
    assert (found.name, found.size) == ("1.png", (8, 9))
    assert [(shape.label, list(shape.points)) for shape in found.shapes] == [
        (str(names[0]), [(1, 2), (4, 6)]), (str(names[1]), [(0.5, 0), (2.5, 2)])
    ]  # fmt: skip


@pytest.mark.parametrize(
    "objects", [{"bbox": [[1, 2, 3, 4]], "categories": []}, {"bbox": [[1, 2, 3, 4]]}, {"categories": [1]}]
)
def test_lists_that_do_not_go_together(tmp_path, objects):
    (found,) = saved(tmp_path, {"file_name": "1.png", "objects": objects})
    assert found.problem[0] == "annotation unreadable"


@pytest.mark.parametrize("box", [[1, 2, 3], "x", None, [1, 2, "a", 4]])
def test_a_box_that_is_none(tmp_path, box):
    (found,) = saved(tmp_path, {"file_name": "1.png", "objects": {"bbox": [box], "categories": [0]}})
    assert found.shapes[0].problem


@pytest.mark.parametrize("entry", [{"file_name": "1.png"}, {"file_name": "1.png", "text": "x"}, {"objects": {}}, 3])
def test_other_lines(tmp_path, entry):
    assert saved(tmp_path, entry) == []
