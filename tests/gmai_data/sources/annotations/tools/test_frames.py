"""Frames of a video in JSON, in the shapes that publishers write."""

import json

import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.tools.frames import read

A = {"label": "a", "bbox": [1, 2, 8, 6]}
B = {"class": "b", "polygon": [[1, 2], [9, 2], [9, 8]]}


def saved(tmp_path, document, form="xywh"):
    (tmp_path / "v.json").write_text(json.dumps(document))
    return read(tmp_path / "v.json", "v.json", form)


@pytest.mark.parametrize(
    "document",
    [
        {"3": [A, B], "0": []},
        {"frame_000003.png": [A, B], "frame_000000.png": []},
        {"frames": {"3": {"objects": [A, B]}, "0": {"objects": []}}},
        {"annotations": [{"frame": 0, "objects": []}, {"frame": 3, "objects": [A, B]}]},
        [{"frame_id": "3", "labels": [A]}, {"frame_id": "3", "labels": [B]}, {"frame_id": "0", "labels": []}],
    ],
)
def test_shapes_of_the_document(tmp_path, document):
    nothing, found = saved(tmp_path, document)
    assert (nothing.frame, nothing.shapes, found.frame) == (0, [], 3)
    assert [(each.label, each.kind) for each in found.shapes] == [("a", "box"), ("b", "polygon")]
    assert list(found.shapes[0].points) == [(1, 2), (9, 8)]


def test_a_flat_list_of_objects_and_a_stated_size(tmp_path):
    (found,) = saved(tmp_path, [{"frame": 7, **A}, {"frame": 7, **B}])
    assert (found.frame, [each.label for each in found.shapes]) == (7, ["a", "b"])
    (found,) = saved(tmp_path, {"width": 32, "height": 24, "frames": {"7": [A]}})
    assert found.size == (32, 24)


def test_objects_that_are_lists_of_numbers(tmp_path):
    (tmp_path / "v.json").write_text(
        json.dumps({"annotations": {"0": [[7, -1, 2], [8, -1, 0.0], [7, 1, 2]], "1": [[1, 1, -1.0]], "2": []}})
    )
    found = read(tmp_path / "v.json", "v.json", "xywh", 2)
    assert [(each.frame, each.labels, each.shapes) for each in found] == [(0, ("2", "0"), []), (1, (), []), (2, (), [])]
    for position in (3, 1):
        (tmp_path / "v.json").write_text(json.dumps({"4": [[1, 0.5, 2]]}))
        with pytest.raises(SourceError, match=f"frame 4 has .* the whole number of its label at {position}"):
            read(tmp_path / "v.json", "v.json", "xywh", position)


@pytest.mark.parametrize(
    ("box", "form"),
    [
        ([1, 2, 9, 8], "xyxy"),
        ({"x": 1, "y": 2, "w": 8, "h": 6}, "xywh"),
        ({"xmin": 1, "ymin": 2, "xmax": 9, "ymax": 8}, "xywh"),
        ({"left": 1, "top": 2, "width": 8, "height": 6}, "xyxy"),
    ],
)
def test_boxes(tmp_path, box, form):
    (found,) = saved(tmp_path, {"0": [{"name": "a", "box": box}]}, form)
    assert list(found.shapes[0].points) == [(1, 2), (9, 8)]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "no frames in it"),
        ([{"label": "a"}], "an entry names no frame; it needs one of frame, frame_id"),
        ({"x": []}, "'x' is no number of a frame"),
        ({"0": [[1, 2, 3]]}, "frame 0 has '.1, 2, 3.'; an object is named fields"),
    ],
)
def test_documents_that_are_none(tmp_path, document, reason):
    with pytest.raises(SourceError, match=reason):
        saved(tmp_path, document)


def test_objects_that_cannot_be_read(tmp_path):
    objects = [{"label": "a"}, {"label": "a", "bbox": [1, 2]}, {"label": "a", "bbox": {"q": 1}}]
    (found,) = saved(tmp_path, {"0": objects})
    assert [each.problem.split(":")[0] for each in found.shapes] == [
        "it has neither a box nor a polygon", "ValueError", "ValueError"
    ]  # fmt: skip
