"""VGG Image Annotator: JSON of 1 and 2, projects and CSV; projects of 3."""

import csv
import json
import math

import numpy as np
import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.tools.via import read

RECT = {"name": "rect", "x": 1, "y": 2, "width": 8, "height": 6}
POLYGON = {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [2, 2, 8]}
REGIONS = [
    {"shape_attributes": RECT, "region_attributes": {"kind": "a"}},
    {"shape_attributes": POLYGON, "region_attributes": {"kind": {"b": True, "c": True, "d": False}}},
    {"shape_attributes": {"name": "ellipse", "cx": 5, "cy": 6, "rx": 3, "ry": 2, "theta": math.pi / 2},
     "region_attributes": {"kind": "c"}},
    {"shape_attributes": {"name": "circle", "cx": 5, "cy": 6, "r": 3}, "region_attributes": {"kind": "d"}},
    {"shape_attributes": {"name": "polyline", "all_points_x": [1], "all_points_y": [2]},
     "region_attributes": {"kind": "d"}},
]  # fmt: skip


def saved(tmp_path, document, attribute=None):
    (tmp_path / "via.json").write_text(json.dumps(document))
    return read(tmp_path / "via.json", "via.json", attribute)


def entry(regions, name="1.png", **of_file):
    return {"filename": name, "size": 99, "regions": regions, "file_attributes": of_file}


@pytest.mark.parametrize(
    "document",
    [
        {"1.png99": entry(REGIONS)},
        {"1.png99": entry({str(number): region for number, region in enumerate(REGIONS)})},
        {"_via_settings": {}, "_via_img_metadata": {"1.png99": entry(REGIONS)}, "_via_attributes": {}},
    ],
)
def test_json_of_every_age(tmp_path, document):
    (found,) = saved(tmp_path, document)
    assert (found.name, found.size, found.labels) == ("1.png", None, [])
    kinds = [(shape.label, shape.kind) for shape in found.shapes]
    assert kinds == [("a", "box"), ("b", "polygon"), ("c", "polygon"), ("c", "ellipse"), ("d", "ellipse"),
                     ("d", "other")]  # fmt: skip
    assert list(found.shapes[0].points) == [(1, 2), (9, 8)]
    assert (found.shapes[3].points, found.shapes[3].rotation_deg) == ([(5, 6), (3, 2)], pytest.approx(90))
    assert (found.shapes[4].points, found.shapes[5].name) == ([(5, 6), (3, 3)], "polyline")


def test_csv_of_both_ages(tmp_path):
    for first, count in (("filename", 2), ("#filename", 1)):
        with (tmp_path / "via.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow([first, "file_size", "file_attributes", "region_count", "region_id",
                           "region_shape_attributes", "region_attributes"])  # fmt: skip
            for number in range(count):
                rows.writerow(["1.png", 99, "{}", count, number, json.dumps(RECT), json.dumps({"kind": "a"})])
            rows.writerow(["2.png", 99, "{}", 0, 0, "{}", "{}"])
        one, two = read(tmp_path / "via.csv", "via.csv", None)
        assert [(shape.label, shape.kind) for shape in one.shapes] == [("a", "box")] * count
        assert (two.name, two.shapes) == ("2.png", [])


def test_the_attribute_is_named_where_there_are_several(tmp_path):
    region = {"shape_attributes": RECT, "region_attributes": {"kind": "a", "sure": "yes"}}
    with pytest.raises(SourceError, match="several attributes: regions and files have kind, sure; name one as `label_"):
        saved(tmp_path, {"1": entry([region])})
    (found,) = saved(tmp_path, {"1": entry([region], kind="b")}, "kind")
    assert (found.shapes[0].label, found.labels) == ("a", ["b"])


def test_files_that_are_not_read(tmp_path):
    assert saved(tmp_path, []) == []
    assert saved(tmp_path, {"a": {"filename": "x"}}) == []
    with pytest.raises(SourceError, match="no project of VIA 3: KeyError 'attribute'"):
        saved(tmp_path, {"project": {}, "metadata": {}})
    (found,) = saved(tmp_path, {"1": entry([{"shape_attributes": {"name": "rect", "x": 1}, "region_attributes": {}}])})
    assert found.shapes[0].problem == "KeyError: 'y'"


def project(marks, attributes=None, kind=2, views=None):
    """Return a project of version 3 with the pictures 1.png and 2.png, as VIA 3.1 saves it."""
    options = {"0": "a", "1": "b"}
    return {
        "project": {"pid": "__VIA_PROJECT_ID__", "data_format_version": "3.1.1", "vid_list": ["1", "2"]},
        "config": {},
        "attribute": attributes or {"1": {"aname": "kind", "anchor_id": "FILE1_Z0_XY1", "type": 4, "options": options}},
        "file": {n: {"fid": n, "fname": f"{n}.png", "type": kind, "loc": 1, "src": ""} for n in ("1", "2")},
        "metadata": {
            f"1_{number}": {"vid": "1", "flg": 0, "z": [], "av": {"1": "0"}, **mark}
            for number, mark in enumerate(marks)
        },
        "view": views or {"1": {"fid_list": ["1"]}, "2": {"fid_list": [2]}},
    }  # fmt: skip


def test_projects_of_version_3(tmp_path):
    marks = [
        [2, 1, 2, 8, 6],
        [3, 5, 6, 3],
        [4, 5, 6, 3, 2],
        [7, 1, 2, 9, 2, 9, 8],
        [1, 4, 4],
        [8, 1, 5, 5, 2, 9, 5, 5, 8],
    ]
    first, second = saved(tmp_path, project([{"xy": xy} for xy in marks]))
    assert (first.name, second.name, list(second.shapes)) == ("1.png", "2.png", [])
    assert {shape.label for shape in first.shapes} == {"a"}
    assert [(shape.kind, list(shape.points)) for shape in first.shapes] == [
        ("box", [(1, 2), (9, 8)]), ("ellipse", [(5, 6), (3, 3)]), ("ellipse", [(5, 6), (3, 2)]),
        ("polygon", [(1, 2), (9, 2), (9, 8)]), ("other", []), ("box", [(1, 2), (9, 8)]),
    ]  # fmt: skip


def test_a_circle_through_three_points(tmp_path):
    on_it = [value for turn in (0.3, 2, 4.5) for value in (20 + 7 * math.cos(turn), 12 + 7 * math.sin(turn))]
    ((shape,), _) = (each.shapes for each in saved(tmp_path, project([{"xy": [9, *on_it]}])))
    assert np.allclose(shape.points, [(20, 12), (7, 7)])


def test_options_of_version_3_are_named_by_their_keys(tmp_path):
    boxes = {"1": {"aname": "kind", "type": 2, "options": {"0": "a", "1": "b"}}}
    marks = [{"xy": [2, 1, 2, 8, 6], "av": {"1": "0,1"}}, {"xy": [], "vid": "2", "av": {"1": "1"}}]
    first, second = saved(tmp_path, project(marks, boxes))
    assert ([shape.label for shape in first.shapes], second.labels) == (["a", "b"], ["b"])
    text = {"1": {"aname": "kind", "type": 1, "options": {}}}
    first, _ = saved(tmp_path, project([{"xy": [2, 1, 2, 8, 6], "av": {"1": "polyp"}}], text))
    assert [shape.label for shape in first.shapes] == ["polyp"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": 4}, '"1.png" is no image: regions of a video stand at seconds; export its frames'),
        ({"views": {"1": {"fid_list": ["1", "2"]}}}, "a view of 2 pictures; give each its own"),
        ({"views": {}}, None),
        ({"marks": [{"xy": [2, 1, 2]}]}, "no project of VIA 3: ValueError"),
        ({"marks": [{"xy": [2, 1, 2, 3, 4], "vid": "9"}]}, "no project of VIA 3: KeyError '9'"),
        ({"marks": [{"xy": [9, 1, 1, 2, 2, 3, 3]}]}, "no project of VIA 3: ValueError three points of a circle on one"),
    ],
)
def test_projects_that_are_not_read(tmp_path, changes, reason):
    document = project(**{"marks": [{"xy": [2, 1, 2, 8, 6]}], **changes})
    if reason is None:
        assert len(saved(tmp_path, document)) == 2
        return
    with pytest.raises(SourceError, match=reason):
        saved(tmp_path, document)
