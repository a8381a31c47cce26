"""SuperAnnotate's files: shapes of vector projects, old and new."""

import json

import pytest
from gmai_data.sources.annotations.tools.superannotate import read

ABOUT = {"name": "a\\1.png", "width": 32, "height": 24}


def saved(tmp_path, *instances, metadata=ABOUT, **more):
    path = tmp_path / "1.png.json"
    path.write_text(json.dumps({"metadata": metadata, "instances": instances, **more}))
    return read(path, path.name)


@pytest.mark.parametrize(
    ("entry", "kind", "points"),
    [
        ({"type": "bbox", "points": {"x1": 9, "y1": 8, "x2": 1, "y2": 2}}, "box", [(9, 8), (1, 2)]),
        ({"type": "polygon", "points": [1, 2, 9, 2, 9, 8]}, "polygon", [(1, 2), (9, 2), (9, 8)]),
        (
            {"type": "rbbox", "points": {"x1": 1, "y1": 2, "x2": 9, "y2": 3, "x3": 8, "y3": 8, "x4": 0, "y4": 7}},
            "polygon", [(1, 2), (9, 3), (8, 8), (0, 7)],
        ),
        ({"type": "ellipse", "cx": 5, "cy": 6, "rx": 3, "ry": 2, "angle": 30}, "ellipse", [(5, 6), (3, 2)]),
    ],
)  # fmt: skip
def test_shapes(tmp_path, entry, kind, points):
    (found,) = saved(tmp_path, {"className": " a ", "classId": 7, **entry}, tags=["blurred"])
    (shape,) = found.shapes
    assert (found.name, found.size, found.labels) == ("a/1.png", (32, 24), ["blurred"])
    assert (shape.label, shape.kind, list(shape.points), shape.problem) == ("a", kind, points, "")
    assert shape.rotation_deg == entry.get("angle", 0)


def test_a_polygon_with_holes(tmp_path):
    hole = [2, 2, 4, 2, 4, 4]
    (found,) = saved(tmp_path, {"type": "polygon", "className": "a", "points": [0, 0, 9, 0, 9, 9], "exclude": [hole]})
    assert [list(each) for each in found.shapes[0].holes] == [[(2, 2), (4, 2), (4, 4)]]


@pytest.mark.parametrize("place", ["classes", "../classes"])
def test_old_files_name_their_classes_in_another(tmp_path, place):
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / place).resolve().mkdir()
    (folder / place / "classes.json").write_text(json.dumps([{"id": 3, "name": "a"}, {"id": 4, "name": "b"}]))
    (found,) = saved(folder, {"type": "point", "classId": 4, "x": 1, "y": 2})
    assert [(shape.label, shape.kind, shape.name) for shape in found.shapes] == [("b", "other", "point")]


@pytest.mark.parametrize("entry", [{"type": "polyline", "points": [1, 2]}, {"type": "cuboid"}, {"parts": []}])
def test_what_has_no_area_is_named(tmp_path, entry):
    (found,) = saved(tmp_path, {"className": "a", **entry})
    assert (found.shapes[0].kind, found.shapes[0].name) == ("other", str(entry.get("type")))


def test_a_damaged_shape_says_so(tmp_path):
    (found,) = saved(tmp_path, {"type": "bbox", "className": "a", "points": {"x1": 1}})
    assert found.shapes[0].problem == "KeyError: 'y1'"


@pytest.mark.parametrize("document", [[], {"instances": {}}, {"instances": []}, {"instances": [], "metadata": {}}])
def test_other_files_are_none_of_it(tmp_path, document):
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert read(tmp_path / "a.json", "a.json") == []
