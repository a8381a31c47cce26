"""Regions of ImageScope on pictures that are no slides."""

import pytest
from gmai_data.sources.annotations.tools.regions import read

REGION = '<Region Id="{}" Type="{}" NegativeROA="{}"><Vertices>{}</Vertices></Region>'


def region(number, points, kind=0, cut_out=0):
    return REGION.format(number, kind, cut_out, "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in points))


def of(tmp_path, *regions):
    (tmp_path / "a.xml").write_text(
        f'<Annotations><Annotation Id="1" Name=""><Regions>{"".join(regions)}</Regions></Annotation></Annotations>'
    )
    (found,) = read(tmp_path / "a.xml", "a.xml")
    return found


def test_each_region_is_an_object_and_cut_outs_are_holes(tmp_path):
    outline, hole = [(1, 2), (9, 2), (9, 8)], [(3, 3), (5, 3), (5, 5)]
    found = of(tmp_path, region(1, outline), region(2, [(20, 20), (30, 40)], kind=2), region(3, hole, cut_out=1))
    assert (found.name, found.size, found.problem) == ("", None, None)
    assert [(each.label, each.kind) for each in found.shapes] == [("1", "polygon"), ("1", "ellipse")]
    assert (list(found.shapes[0].points), [list(each) for each in found.shapes[0].holes]) == (outline, [hole])
    assert not found.shapes[1].holes


@pytest.mark.parametrize("kind", [2, 3])
def test_a_cut_out_without_an_outline_is_a_problem(tmp_path, kind):
    found = of(tmp_path, region(1, [(1, 2), (9, 2), (9, 8)]), region(2, [(3, 3), (5, 5)], kind=kind, cut_out=1))
    assert found.problem == (
        "regions unreadable",
        "an area is cut out that is no outline; save it as one, or take it out",
    )
