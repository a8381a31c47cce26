"""Regions of OsiriX, as INbreast has them."""

import plistlib

import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.tools import osirix


def listed(tmp_path, *regions, index=0):
    path = tmp_path / "20586908.xml"
    rois = [{"Name": name, "NumberOfPoints": len(points), "Point_px": points} for name, points in regions]
    path.write_bytes(plistlib.dumps({"Images": [{"ImageIndex": index, "NumberOfROIs": len(rois), "ROIs": rois}]}))
    return path


def test_outlines_and_points(tmp_path):
    path = listed(tmp_path, ("Mass", ["(1.5, 2.0)", "(10.0,2)", "(10, 1.2e1)"]), ("Calcification", ["(3, 4)"]))
    (picture,) = osirix.read(path, path.name)
    mass, calcification = picture.shapes
    assert (mass.label, mass.kind) == ("Mass", "polygon")
    assert list(mass.points) == [(2.0, 2.5), (10.5, 2.5), (10.5, 12.5)]
    assert (calcification.kind, calcification.name) == ("other", "point")


def test_a_point_that_is_no_pair_is_said(tmp_path):
    path = listed(tmp_path, ("Mass", ["(1, 2)", "(3, 4)", "5, 6"]))
    assert osirix.read(path, path.name)[0].shapes[0].problem == "a point of it is no pair of numbers"


@pytest.mark.parametrize(
    "text", [b"<plist version='1.0'><dict/></plist>", b"<plist>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><plist>&a;</plist>"]
)
def test_other_property_lists(tmp_path, text):
    (tmp_path / "a.xml").write_bytes(text)
    with pytest.raises(SourceError, match="annotation unreadable"):
        osirix.read(tmp_path / "a.xml", "a.xml")


def test_other_xml_is_none_of_it(tmp_path):
    (tmp_path / "a.xml").write_bytes(b"<annotation/>")
    assert osirix.read(tmp_path / "a.xml", "a.xml") == []
