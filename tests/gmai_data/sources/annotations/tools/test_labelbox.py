"""Labelbox' exports, of today and of before."""

import json

import pytest
from gmai_data.sources.annotations.tools.labelbox import read

BOX = {"name": "a", "value": "a", "annotation_kind": "ImageBoundingBox",
       "bounding_box": {"top": 2, "left": 1, "height": 6, "width": 8}}  # fmt: skip
POLYGON = {"name": "b", "polygon": [{"x": 1, "y": 2}, {"x": 9, "y": 2}, {"x": 9, "y": 8}]}
MASK = {"name": "c", "annotation_kind": "ImageSegmentationMask", "mask": {"url": "https://example.org/mask"}}
POINT = {"name": "d", "point": {"x": 1, "y": 2}}


def row(*labels, **data):
    return {
        "data_row": {"id": "x", "external_id": "1.png", "row_data": "https://example.org/%C3%A4.png?k=1", **data},
        "media_attributes": {"height": 24, "width": 32},
        "projects": {"p": {"labels": [{"annotations": label} for label in labels]}},
    }


def saved(tmp_path, *rows):
    (tmp_path / "export.ndjson").write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    return read(tmp_path / "export.ndjson", "export.ndjson")


def test_rows_of_today(tmp_path):
    questions = [{"name": "q", "radio_answer": {"name": "good"}}, {"name": "r", "checklist_answers": [{"value": "x"}]}]
    one, two, three, four = saved(
        tmp_path,
        row({"objects": [BOX, POLYGON, MASK, POINT], "classifications": questions}),
        row(),
        row({}, {}),
        row({}, external_id=None),
    )
    assert (one.name, one.size, one.labels) == ("1.png", (32, 24), ["good", "x"])
    assert [(each.label, each.kind, each.name) for each in one.shapes] == [
        ("a", "box", ""), ("b", "polygon", ""), ("c", "other", "mask"), ("d", "other", "point")
    ]  # fmt: skip
    assert list(one.shapes[0].points) == [(1, 2), (9, 8)]
    assert "it lies behind an address" in one.shapes[2].problem
    assert two.set_aside == "not annotated"
    assert three.problem == ("annotated by several", "2 labels of one picture; export one")
    assert four.name == "ä.png"


def test_rows_of_before(tmp_path):
    objects = [{"title": "a", "bbox": BOX["bounding_box"]}, {"title": "b", "polygon": POLYGON["polygon"]},
               {"title": "c", "instanceURI": "https://example.org/m.png"}]  # fmt: skip
    label = {"objects": objects, "classifications": [{"title": "q", "answer": {"title": "good"}},
                                                     {"title": "r", "answers": [{"title": "x"}]}]}  # fmt: skip
    rows = [
        {"ID": "1", "External ID": "1.png", "Labeled Data": "https://example.org/1.png", "Label": label},
        {"ID": "2", "External ID": "2.png", "Label": json.dumps(label)},
        {"ID": "3", "External ID": "3.png", "Label": "Skip"},
        {"ID": "4", "External ID": "4.png", "Label": {}, "Skipped": True},
        {"ID": "5", "External ID": "5.png", "Label": "{"},
    ]
    (tmp_path / "export.json").write_text(json.dumps(rows))
    one, two, three, four, five = read(tmp_path / "export.json", "export.json")
    assert one.shapes == two.shapes
    assert [(each.label, each.kind) for each in one.shapes] == [("a", "box"), ("b", "polygon"), ("c", "other")]
    assert one.labels == ["good", "x"]
    assert (three.set_aside, four.set_aside, five.problem[0]) == (*["not annotated"] * 2, "annotation unreadable")


@pytest.mark.parametrize("document", [[], {}, [1], {"images": []}])
def test_files_of_others(tmp_path, document):
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert read(tmp_path / "a.json", "a.json") == []
