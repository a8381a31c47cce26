"""VGG Image Annotator: JSON of 1 and 2, projects and CSV."""

import csv
import json
import math

import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.tools.via import read

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
    with pytest.raises(SourceError, match="a project of VIA 3; export it as COCO or from VIA 2"):
        saved(tmp_path, {"project": {}, "metadata": {}})
    (found,) = saved(tmp_path, {"1": entry([{"shape_attributes": {"name": "rect", "x": 1}, "region_attributes": {}}])})
    assert found.shapes[0].problem == "KeyError: 'y'"
