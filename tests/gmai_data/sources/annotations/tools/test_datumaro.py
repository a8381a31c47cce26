"""Datumaro's JSON: every kind of annotation, masks beside pycocotools."""

import json

import numpy as np
import pytest
from gmai_data.sources.annotations.tools.datumaro import read

LABELS = {"label": {"labels": [{"name": "a", "parent": ""}, {"name": "b", "parent": ""}]}}


def saved(tmp_path, *annotations, image=None, **more):
    image = {"path": "x/1.png", "size": [24, 32]} if image is None else image
    item = {"id": "1", "annotations": annotations, "image": image}
    (tmp_path / "train.json").write_text(json.dumps({"info": {}, "categories": LABELS, "items": [item], **more}))
    (found,) = read(tmp_path / "train.json", "train.json")
    return found


@pytest.mark.parametrize(
    ("entry", "kind", "points"),
    [
        ({"type": "bbox", "bbox": [1, 2, 8, 6]}, "box", [(1, 2), (9, 8)]),
        ({"type": "polygon", "points": [1, 2, 9, 2, 9, 8]}, "polygon", [(1, 2), (9, 2), (9, 8)]),
        ({"type": "ellipse", "points": [1, 2, 9, 8]}, "ellipse", [(5, 5), (4, 3)]),
    ],
)
def test_shapes(tmp_path, entry, kind, points):
    tag = {"type": "label", "label_id": 0}
    found = saved(tmp_path, {"label_id": 1, "group": 3, **entry}, tag, {"type": "caption", "caption": "words"})
    (shape,) = found.shapes
    assert (found.name, found.size, found.labels) == ("x/1.png", (32, 24), ["a"])
    assert (shape.label, shape.kind, list(shape.points), shape.part_of) == ("b", kind, points, "3")


@pytest.mark.parametrize("is_packed", [True, False])
def test_masks_are_those_of_pycocotools(tmp_path, is_packed):
    coco = pytest.importorskip("pycocotools.mask")
    mask = np.random.default_rng(0).integers(0, 2, (24, 32), np.uint8)
    counts = coco.encode(np.asfortranarray(mask))["counts"].decode()
    if not is_packed:
        flat = np.concatenate([[0], mask.ravel(order="F"), [2]])
        edges = np.flatnonzero(np.diff(flat))
        counts = np.diff(np.concatenate([[0], edges])).tolist()
    found = saved(tmp_path, {"type": "mask", "label_id": 0, "rle": {"counts": counts, "size": [24, 32]}})
    (shape,) = found.shapes
    assert np.array_equal(np.repeat(np.arange(len(shape.runs)) % 2, shape.runs).reshape(24, 32), mask)
    assert shape.runs_size == (32, 24)


@pytest.mark.parametrize("kind", ["points", "polyline", "cuboid_2d", "skeleton", "rotated_bbox"])
def test_what_is_not_read_is_named(tmp_path, kind):
    found = saved(tmp_path, {"type": kind, "label_id": 0})
    assert [(shape.label, shape.kind, shape.name) for shape in found.shapes] == [("a", "other", kind)]


@pytest.mark.parametrize(
    ("entry", "label", "problem"),
    [
        ({"type": "bbox", "label_id": 9, "bbox": [1, 2, 3, 4]}, "label_id 9", ""),
        ({"type": "bbox", "label_id": -1, "bbox": [1, 2, 3, 4]}, "label_id -1", ""),
        ({"type": "bbox", "label_id": 0, "bbox": [1, 2, 3]}, "a", "TypeError"),
        ({"type": "mask", "label_id": 0, "rle": {"counts": [3], "size": [24, 32]}}, "a", "ValueError: the runs add up"),
        (
            {"type": "mask", "label_id": 0, "rle": {"counts": [16], "size": [4, 4]}},
            "a",
            "ValueError: 4×4; the picture is",
        ),
    ],
)
def test_damaged_entries_say_so(tmp_path, entry, label, problem):
    (shape,) = saved(tmp_path, entry).shapes
    assert (shape.label, shape.problem.startswith(problem), bool(shape.problem)) == (label, True, bool(problem))


def test_a_picture_without_a_size_or_path_goes_by_its_id(tmp_path):
    found = saved(tmp_path, image={})
    assert (found.name, found.size) == ("1", None)


@pytest.mark.parametrize("document", [[], {"items": {}}, {"items": []}, {"items": [], "categories": []}])
def test_other_files_are_none_of_it(tmp_path, document):
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert read(tmp_path / "a.json", "a.json") == []
