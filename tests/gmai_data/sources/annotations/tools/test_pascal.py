"""Objects with outlines in the tree of Pascal VOC, as XML and as JSON."""

import json

import pytest
from gmai_data.sources.annotations.tools.pascal import read

POINTS = [(1, 2), (9, 2), (9, 8)]


def of_xml(tmp_path, inner):
    (tmp_path / "1.xml").write_text(f"<annotation><filename>\n1.png\n</filename>{inner}</annotation>")
    return read(tmp_path / "1.xml", "1.xml")[0]


@pytest.mark.parametrize(
    "polygon",
    [
        "<pt><x>1</x><y>2</y></pt><pt><x>9</x><y>2</y></pt><pt><x>9</x><y>8</y></pt>",
        "<username>me</username><pt><x>1</x><y>2</y></pt><pt><x>9</x><y>2</y></pt><pt><x>9</x><y>8</y></pt>",
        "<x1>1</x1><y1>2</y1><x2>9</x2><y2>2</y2><x3>9</x3><y3>8</y3>",
    ],
)
def test_outlines_in_xml(tmp_path, polygon):
    found = of_xml(
        tmp_path,
        "<size><width>32</width><height>24</height><depth>3</depth></size>"
        f"<object><name>\na\n</name><deleted>0</deleted><polygon>{polygon}</polygon></object>"
        f"<object><name>b</name><deleted>1</deleted><polygon>{polygon}</polygon></object>",
    )
    assert (found.name, found.size) == ("1.png", (32, 24))
    assert [(each.label, each.kind, list(each.points)) for each in found.shapes] == [("a", "polygon", POINTS)]


@pytest.mark.parametrize("polygon", [POINTS, [1, 2, 9, 2, 9, 8], {"pt": [{"x": x, "y": y} for x, y in POINTS]}])
def test_outlines_in_json(tmp_path, polygon):
    tree = {"filename": "1.png", "imagesize": {"nrows": 24, "ncols": 32}, "object": {"name": "a", "polygon": polygon}}
    for document in (tree, {"annotation": tree}):
        (tmp_path / "1.json").write_text(json.dumps(document))
        (found,) = read(tmp_path / "1.json", "1.json")
        assert found.size == (32, 24)
        assert [(each.label, each.kind, list(each.points)) for each in found.shapes] == [("a", "polygon", POINTS)]


def test_boxes_count_from_one_and_what_is_not_read_is_named(tmp_path):
    found = of_xml(
        tmp_path,
        "<object><name>a</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object>"
        "<object><name>b</name><segm><mask>m.png</mask></segm></object><object><name>c</name></object>"
        "<object><name>d</name><polygon><pt><x>1</x></pt></polygon></object>",
    )
    assert found.shapes[0].points == [(1, 2), (9, 8)]
    assert [(each.kind, each.name) for each in found.shapes[1:]] == [
        ("other", "segm"), ("other", "nothing"), ("other", "object")
    ]  # fmt: skip
    assert found.shapes[3].problem


def test_files_of_others(tmp_path):
    (tmp_path / "1.json").write_text("[]")
    assert read(tmp_path / "1.json", "1.json") == []
    (tmp_path / "1.xml").write_text("<annotations><image/></annotations>")
    assert read(tmp_path / "1.xml", "1.xml") == []
