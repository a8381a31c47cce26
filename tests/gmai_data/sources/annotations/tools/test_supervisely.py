"""Supervisely's annotation of a picture."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from gmai_data.sources.annotations.run_lengths import runs_of
from gmai_data.sources.annotations.tools.supervisely import read
from PIL import Image


def objects(tmp_path, *found, tags=()):
    document = {"description": "", "tags": list(tags), "size": {"height": 24, "width": 32}, "objects": list(found)}
    (tmp_path / "1.png.json").write_text(json.dumps(document))
    return read(tmp_path / "1.png.json", "1.png.json")


def shape(kind, exterior, interior=()):
    return {"classTitle": "a", "geometryType": kind, "points": {"exterior": exterior, "interior": list(interior)}}


def test_tags_of_the_picture(tmp_path):
    (found,) = objects(tmp_path, tags=[{"name": "bad", "value": None}, {"name": "site", "value": "left"}, "plain"])
    assert (found.name, found.size, found.labels) == ("", (32, 24), ["bad", "site: left", "plain"])


def test_rectangles_end_behind_their_last_pixel_and_polygons_have_holes(tmp_path):
    hole = [[3, 3], [5, 3], [5, 5]]
    (found,) = objects(
        tmp_path, shape("rectangle", [[9, 8], [1, 2]]), shape("polygon", [[1, 2], [9, 2], [9, 8]], [hole])
    )
    assert [each.kind for each in found.shapes] == ["box", "polygon"]
    assert list(found.shapes[0].points) == [(1, 2), (10, 9)]
    assert [list(each) for each in found.shapes[1].holes] == [[(3, 3), (5, 3), (5, 5)]]


@pytest.mark.parametrize("mode", ["1", "L", "RGBA", "P"])
def test_bitmaps(tmp_path, mode):
    part = np.random.default_rng(0).random((5, 7)) > 0.4
    image = Image.fromarray(part).convert("L")
    if mode == "RGBA":
        image = Image.merge("RGBA", [Image.new("L", image.size, 255)] * 3 + [image])
    data = io.BytesIO()
    image.convert(mode).save(data, "PNG")
    packed = base64.b64encode(zlib.compress(data.getvalue())).decode()
    bitmap = {"classTitle": "a", "geometryType": "bitmap", "bitmap": {"data": packed, "origin": [3, 4]}}
    ((found,),) = (each.shapes for each in objects(tmp_path, bitmap))
    assert (found.kind, found.points, found.runs, found.runs_size) == ("mask", [(3, 4)], runs_of(part), (7, 5))


def test_what_is_not_read_is_named(tmp_path):
    broken = {"classTitle": "a", "geometryType": "bitmap", "bitmap": {"data": "AAAA", "origin": [3, 4]}}
    (found,) = objects(tmp_path, broken, shape("point", [[1, 2]]), shape("polyline", [[1, 2], [3, 4]]), {})
    assert [(each.kind, each.name) for each in found.shapes] == [
        ("other", "bitmap"), ("other", "point"), ("other", "polyline"), ("other", "")
    ]  # fmt: skip
    assert found.shapes[0].problem.startswith("error: Error -3 while decompressing data")


@pytest.mark.parametrize("document", [[], {"objects": []}, {"size": {}, "objects": {}}])
def test_files_of_others(tmp_path, document):
    (tmp_path / "1.json").write_text(json.dumps(document))
    assert read(tmp_path / "1.json", "1.json") == []
