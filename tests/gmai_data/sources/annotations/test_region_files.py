"""Regions of ImageScope, ASAP and QuPath."""

import json

import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.region_files import read_regions

SQUARE = [(10, 20), (50, 20), (50, 60), (10, 60)]
VERTICES = "<Vertices>" + "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in SQUARE) + "</Vertices>"


def aperio(tmp_path, inner, label_from="region"):
    (tmp_path / "a.xml").write_text(f'<Annotations MicronsPerPixel="0.25">{inner}</Annotations>')
    return read_regions(tmp_path / "a.xml", "a.xml", label_from)


def test_aperio(tmp_path):
    inner = (
        f'<Annotation Id="1" Name="tumour"><Regions><Region Id="1" Type="0" Text="">{VERTICES}</Region>'
        f'<Region Id="2" Type="0" Text="necrosis">{VERTICES}</Region>'
        f'<Region Id="3" Type="0" NegativeROA="1">{VERTICES}</Region>'
        '<Region Id="4" Type="3"><Vertices><Vertex X="1" Y="2"/><Vertex X="3" Y="4"/></Vertices></Region>'
        '<Region Id="5" Type="2"><Vertices><Vertex X="10" Y="20"/><Vertex X="50" Y="40"/></Vertices></Region>'
        "</Regions></Annotation>"
        '<Annotation Id="2" Name=""><Attributes><Attribute Name="Description" Value="stroma"/></Attributes><Regions>'
        f'<Region Type="1">{VERTICES}</Region></Regions></Annotation>'
        f'<Annotation Id="3"><Regions><Region>{VERTICES}</Region></Regions></Annotation>'
    )
    regions, cut_out = aperio(tmp_path, inner)
    assert [(each.label, each.kind) for each in regions] == [
        ("tumour", "polygon"), ("necrosis", "polygon"), ("tumour", "other"), ("tumour", "ellipse"),
        ("stroma", "polygon"), ("3", "polygon"),
    ]  # fmt: skip
    assert regions[0].points == SQUARE
    assert (regions[2].name, regions[3].points) == ("region of type 3", [(30, 30), (20, 10)])
    assert [each.label for each in cut_out] == ["tumour"]
    assert [each.label for each in aperio(tmp_path, inner, "layer")[0]][:2] == ["tumour", "tumour"]
    (broken,), _ = aperio(tmp_path, '<Annotation Name="a"><Region><Vertex X="a" Y="1"/></Region></Annotation>')
    assert "could not convert" in broken.problem


def test_asap(tmp_path):
    def annotation(kind, group, name):
        points = "".join(
            f'<Coordinate Order="{order}" X="{x}" Y="{y}"/>' for order, (x, y) in reversed(list(enumerate(SQUARE)))
        )
        attributes = f'Name="{name}" Type="{kind}" PartOfGroup="{group}"'
        return f"<Annotation {attributes}><Coordinates>{points}</Coordinates></Annotation>"

    text = (
        "<ASAP_Annotations><Annotations>"
        + annotation("Polygon", "tumor", "Annotation 0")
        + annotation("Spline", "None", "necrosis")
        + annotation("Dot", "tumor", "Annotation 2")
        + "</Annotations><AnnotationGroups/></ASAP_Annotations>"
    )
    (tmp_path / "a.xml").write_text(text)
    regions, cut_out = read_regions(tmp_path / "a.xml", "a.xml", "region")
    assert [(each.label, each.kind, each.name) for each in regions] == [
        ("tumor", "polygon", ""), ("necrosis", "polygon", ""), ("tumor", "other", "Dot")
    ]  # fmt: skip
    assert (regions[0].points, cut_out) == (SQUARE, [])
    assert read_regions(tmp_path / "a.xml", "a.xml", "layer")[0][1].label == "None"


RING = [*SQUARE, SQUARE[0]]
HOLE = [(20, 30), (30, 30), (30, 40), (20, 30)]


def feature(kind, coordinates, **about):
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": about}


@pytest.mark.parametrize("form", ["collection", "list", "one"])
def test_geojson(tmp_path, form):
    first = feature("Polygon", [RING, HOLE], classification={"name": "tumour", "color": [1, 2, 3]})
    features = [first, feature("MultiPolygon", [[RING], [HOLE]], classification="stroma"),
                feature("Point", [1, 2], name="mitosis"), feature("Polygon", [[[1]]])]  # fmt: skip
    document = {"collection": {"type": "FeatureCollection", "features": features}, "list": features, "one": first}[form]
    (tmp_path / "a.geojson").write_text(json.dumps(document))
    regions, _ = read_regions(tmp_path / "a.geojson", "a.geojson", "region")
    assert (regions[0].label, regions[0].points, list(regions[0].holes)) == ("tumour", SQUARE, [HOLE[:3]])
    if form != "one":
        assert [(each.label, each.kind, each.name) for each in regions[1:]] == [
            ("stroma", "polygon", ""), ("stroma", "polygon", ""), ("mitosis", "other", "Point"),
            ("", "other", "Polygon"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("about", "label"),
    [
        ({"classification": {"names": ["tumour", "positive"], "color": [1, 2, 3]}}, "tumour: positive"),
        ({"classification": {"names": ["tumour"]}, "name": "region 7"}, "tumour"),
        ({"classification": {"name": "tumour: positive"}}, "tumour: positive"),
        ({"classification": {"color": [1, 2, 3]}, "name": "tumour"}, "tumour"),
        ({"classification": None}, ""),
    ],
)
def test_classes_of_qupath(tmp_path, about, label):
    (tmp_path / "a.geojson").write_text(json.dumps([feature("Polygon", [RING], **about)]))
    regions, _ = read_regions(tmp_path / "a.geojson", "a.geojson", "region")
    assert [each.label for each in regions] == [label]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.xml", "<annotation/>", "regions unreadable: <annotation> is neither Aperio"),
        ("a.xml", "<", "XML unreadable"),
        ("a.json", "[1]", "regions unreadable: it is no GeoJSON"),
        ("a.json", '{"shapes": []}', "regions unreadable: it is no GeoJSON"),
        ("a.json", "x", "annotation unreadable: not JSON"),
    ],
)
def test_files_of_others(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=reason):
        read_regions(tmp_path / name, name, "region")
