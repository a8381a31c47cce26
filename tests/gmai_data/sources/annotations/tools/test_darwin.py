"""V7 Darwin's files of both versions, and what they hold beside pictures."""

import json

import numpy as np
import pytest
from gmai_data.sources.annotations.tools.darwin import read

SLOT = {"type": "image", "slot_name": "0", "width": 8, "height": 4, "source_files": [{"file_name": "1.png"}]}
OUTLINE = [{"x": 1, "y": 2}, {"x": 5, "y": 2}, {"x": 5, "y": 3}]
BOX = {"x": 1, "y": 2, "w": 4, "h": 1}


def saved(tmp_path, *annotations, slots=(SLOT,), **more):
    document = {"version": "2.0", "item": {"name": "renamed.png", "slots": slots}, "annotations": annotations, **more}
    (tmp_path / "1.json").write_text(json.dumps(document))
    (found,) = read(tmp_path / "1.json", "1.json")
    return found


@pytest.mark.parametrize(
    ("place", "kind", "points"),
    [
        ({"bounding_box": BOX}, "box", [(1, 2), (5, 3)]),
        ({"bounding_box": BOX, "polygon": {"paths": [OUTLINE]}}, "polygon", [(1, 2), (5, 2), (5, 3)]),
        ({"polygon": {"path": OUTLINE}}, "polygon", [(1, 2), (5, 2), (5, 3)]),
        ({"ellipse": {"center": {"x": 4, "y": 2}, "radius": {"x": 3, "y": 1}, "angle": np.pi / 2}}, "ellipse",
         [(4, 2), (3, 1)]),
    ],
)  # fmt: skip
def test_shapes(tmp_path, place, kind, points):
    found = saved(tmp_path, {"id": "i", "name": "a", **place}, {"id": "j", "name": "blurred", "tag": {}})
    (shape,) = found.shapes
    assert (found.name, found.size, found.labels) == ("1.png", (8, 4), ["blurred"])
    assert (shape.label, shape.kind, list(shape.points), shape.problem) == ("a", kind, points, "")
    assert shape.rotation_deg == (90 if kind == "ellipse" else 0)


@pytest.mark.parametrize("field", ["polygon", "complex_polygon"])
def test_further_paths_are_holes(tmp_path, field):
    word = "paths" if field == "polygon" else "path"
    found = saved(tmp_path, {"name": "a", field: {word: [OUTLINE, OUTLINE[::-1]]}})
    assert [list(hole) for hole in found.shapes[0].holes] == [[(5, 3), (5, 2), (1, 2)]]


def test_masks_of_a_raster_layer(tmp_path):
    values = np.zeros((4, 8), int)
    values[1:3, 2:6], values[3, 7] = 1, 2
    runs = [number for value in values.ravel().tolist() for number in (value, 1)]
    layer = {"dense_rle": runs, "total_pixels": 32, "mask_annotation_ids_mapping": {"i": 1, "j": 2}}
    found = saved(tmp_path, {"id": "i", "name": "a", "mask": {}}, {"id": "j", "name": "b", "mask": {}},
                  {"id": "k", "name": "__raster_layer__", "raster_layer": layer})  # fmt: skip
    for shape, value in zip(found.shapes, (1, 2), strict=True):
        mask = np.repeat(np.arange(len(shape.runs)) % 2, shape.runs).reshape(4, 8)
        assert (shape.label, np.array_equal(mask, values == value)) == ("ab"[value - 1], True)


def test_files_of_the_first_version(tmp_path):
    image = {"width": 8, "height": 4, "original_filename": "1.png", "filename": "x.png"}
    (tmp_path / "1.json").write_text(json.dumps({"image": image, "annotations": [{"name": "a", "bounding_box": BOX}]}))
    (found,) = read(tmp_path / "1.json", "1.json")
    assert (found.name, found.size, found.shapes[0].kind) == ("1.png", (8, 4), "box")


@pytest.mark.parametrize(
    ("more", "entry"),
    [
        ({"slots": [SLOT, SLOT]}, {"name": "a"}), ({"slots": [{**SLOT, "type": "dicom"}]}, {"name": "a"}),
        ({}, {"name": "a", "frames": {"0": {}}}),
    ],
)  # fmt: skip
def test_videos_and_volumes_are_refused(tmp_path, more, entry):
    assert saved(tmp_path, entry, **more).problem[0] == "several pictures"


@pytest.mark.parametrize("kind", ["keypoint", "line", "skeleton", "cuboid"])
def test_what_has_no_area_is_named_though_it_states_a_box(tmp_path, kind):
    found = saved(tmp_path, {"name": "a", kind: {}, "bounding_box": BOX})
    assert [(shape.kind, shape.name) for shape in found.shapes] == [("other", kind)]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"bounding_box": {"x": 1}}, "KeyError"), ({"polygon": {"paths": [[{"x": 1}]]}}, "KeyError"), ({}, "KeyError"),
        ({"raster_layer": {"dense_rle": [1, 3], "mask_annotation_ids_mapping": {}}}, "ValueError: its runs"),
    ],
)  # fmt: skip
def test_a_damaged_shape_says_so(tmp_path, entry, problem):
    assert saved(tmp_path, {"name": "a", **entry}).shapes[0].problem.startswith(problem)


@pytest.mark.parametrize("document", [[], {"annotations": {}}, {"annotations": []}, {"annotations": [], "image": {}}])
def test_other_files_are_none_of_it(tmp_path, document):
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert read(tmp_path / "a.json", "a.json") == []
