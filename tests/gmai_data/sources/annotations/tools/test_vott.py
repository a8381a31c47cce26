"""VoTT's exports: one file for a project, or one for each picture."""

import json

import pytest
from gmai_data.sources.annotations.tools.vott import read

BOX = {
    "type": "RECTANGLE",
    "tags": ["a"],
    "boundingBox": {"left": 1.5, "top": 2, "width": 4, "height": 3},
    "points": [],
}
OUTLINE = [{"x": 1, "y": 2}, {"x": 5, "y": 2}, {"x": 5, "y": 3}]


def entry(*regions, name="1.png", state=2, kind=1):
    asset = {"name": name, "path": "file:/home/1.png", "size": {"width": 8, "height": 6}, "state": state, "type": kind}
    return {"asset": asset, "regions": list(regions), "version": "2.2.0"}


def saved(tmp_path, document):
    (tmp_path / "v.json").write_text(json.dumps(document))
    return read(tmp_path / "v.json", "v.json")


@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize(
    ("region", "shapes"),
    [
        (BOX, [("a", "box", [(1.5, 2), (5.5, 5)])]),
        ({**BOX, "type": "SQUARE", "tags": ["a", "b"]}, [(raw, "box", [(1.5, 2), (5.5, 5)]) for raw in "ab"]),
        ({**BOX, "type": "POLYGON", "points": OUTLINE}, [("a", "polygon", [(1, 2), (5, 2), (5, 3)])]),
        ({**BOX, "type": "POINT"}, [("a", "other", [])]),
        ({**BOX, "tags": []}, [("", "box", [(1.5, 2), (5.5, 5)])]),
    ],
)  # fmt: skip
def test_regions(tmp_path, region, shapes, one):
    (found,) = saved(tmp_path, entry(region) if one else {"name": "p", "assets": {"h": entry(region)}})
    assert (found.name, found.size, found.set_aside) == ("1.png", (8, 6), "")
    assert [(shape.label, shape.kind, list(shape.points)) for shape in found.shapes] == shapes


@pytest.mark.parametrize(("state", "aside"), [(0, "not tagged in VoTT"), (1, "not tagged in VoTT"), (2, "")])
def test_what_nobody_tagged_may_have_anything(tmp_path, state, aside):
    found = saved(tmp_path, {"assets": {"h": entry(state=state), "i": entry(BOX, name="2.png", state=state)}})
    assert [each.set_aside for each in found] == [aside, ""]


def test_frames_of_videos_and_damaged_regions(tmp_path):
    first, second = saved(
        tmp_path, {"assets": {"h": entry(BOX, kind=3), "i": entry({**BOX, "boundingBox": {"left": 1}})}}
    )
    assert first.problem[0] == "several pictures"
    assert "KeyError" in second.shapes[0].problem


@pytest.mark.parametrize("document", [[], {}, {"assets": []}, {"asset": {}}, 3])
def test_other_json(tmp_path, document):
    assert saved(tmp_path, document) == []
