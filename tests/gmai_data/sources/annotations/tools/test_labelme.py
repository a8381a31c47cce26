"""LabelMe's files: every kind of shape, old and new."""

import base64
import io
import json

import numpy as np
import pytest
from gmai_data.sources.annotations.run_lengths import runs_of
from gmai_data.sources.annotations.tools.labelme import is_labelme, read
from PIL import Image


def file_of(tmp_path, shapes, **more):
    document = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": "..\\img\\1.png", "imageData": None,
                "imageHeight": 24, "imageWidth": 32, **more}  # fmt: skip
    (tmp_path / "1.json").write_text(json.dumps(document))
    return read(tmp_path / "1.json", "1.json")


def shape(kind, points, label="a", **more):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def test_a_picture_and_its_flags(tmp_path):
    (found,) = file_of(tmp_path, [], flags={"blurred": True, "good": False})
    assert (found.name, found.size, found.labels) == ("../img/1.png", (32, 24), ["blurred"])


@pytest.mark.parametrize(
    ("entry", "kind", "points"),
    [
        (shape("rectangle", [[9, 8], [1, 2]]), "box", [(9, 8), (1, 2)]),
        (shape("rectangle", [[1, 2], [9, 2], [9, 8], [1, 8]]), "polygon", [(1, 2), (9, 2), (9, 8), (1, 8)]),
        (shape("rotation", [[1, 2], [9, 3], [8, 8], [0, 7]]), "polygon", [(1, 2), (9, 3), (8, 8), (0, 7)]),
        (shape("oriented_rectangle", [[1, 2], [9, 3], [8, 8], [0, 7]]), "polygon", [(1, 2), (9, 3), (8, 8), (0, 7)]),
        (shape("polygon", [[1, 2], [9, 2], [9, 8]]), "polygon", [(1, 2), (9, 2), (9, 8)]),
        (shape(None, [[1, 2], [9, 2], [9, 8]]), "polygon", [(1, 2), (9, 2), (9, 8)]),
        (shape("circle", [[5, 5], [5, 8]]), "circle", [(5, 5), (5, 8)]),
    ],
)
def test_shapes_with_an_area(tmp_path, entry, kind, points):
    ((found,),) = (each.shapes for each in file_of(tmp_path, [entry]))
    assert (found.label, found.kind, list(found.points)) == ("a", kind, points)


@pytest.mark.parametrize("kind", ["point", "points", "line", "linestrip", "brush"])
def test_shapes_without_an_area_keep_their_name(tmp_path, kind):
    ((found,),) = (each.shapes for each in file_of(tmp_path, [shape(kind, [[1, 2], [3, 4]])]))
    assert (found.kind, found.name) == ("other", kind)


def test_masks(tmp_path):
    part = np.random.default_rng(0).random((5, 7)) > 0.4
    data = io.BytesIO()
    Image.fromarray(part).save(data, "PNG")
    entry = shape("mask", [[3, 4], [9, 8]], mask=base64.b64encode(data.getvalue()).decode())
    ((found,),) = (each.shapes for each in file_of(tmp_path, [entry]))
    assert (found.kind, found.points, found.runs, found.runs_size) == ("mask", [(3.0, 4.0)], runs_of(part), (7, 5))
    ((found,),) = (each.shapes for each in file_of(tmp_path, [shape("mask", [[3, 4], [9, 8]], mask="bm8=")]))
    assert (found.kind, found.name) == ("other", "mask")
    assert found.problem == "ValueError: cannot identify image file: its 2 bytes are no PNG"
    assert "cannot identify image file" in found.problem


@pytest.mark.parametrize("document", [[], {"shapes": []}, {"imagePath": "1.png"}, {"shapes": {}, "imagePath": ""}, "x"])
def test_files_of_others(tmp_path, document):
    (tmp_path / "1.json").write_text(json.dumps(document))
    assert read(tmp_path / "1.json", "1.json") == []
    assert not is_labelme(document)


def test_shapes_with_one_number_are_of_one_object(tmp_path):
    outline = [[1, 2], [9, 2], [9, 8]]
    entries = [shape("polygon", outline, group_id=number) for number in (3, None, 0, 3)]
    (found,) = file_of(tmp_path, entries)
    assert [each.part_of for each in found.shapes] == ["3", "", "0", "3"]


@pytest.mark.parametrize(
    ("size", "end", "is_read"),
    [((7, 5), (9, 8), True), ((7, 5), (10, 9), True), ((7, 5), (9.4, 8.4), True), ((7, 5), (20, 8), False),
     ((7, 5), (9, 20), False), ((5, 7), (9, 8), False)],
)  # fmt: skip
def test_a_mask_of_another_size_than_its_points_span_is_refused(tmp_path, size, end, is_read):
    data = io.BytesIO()
    Image.new("L", size, 255).save(data, "PNG")
    entry = shape("mask", [[3, 4], list(end)], mask=base64.b64encode(data.getvalue()).decode())
    ((found,),) = (each.shapes for each in file_of(tmp_path, [entry]))
    assert found.kind == ("mask" if is_read else "other")
    if not is_read:
        assert f"its mask has {size[0]}×{size[1]}; draw it again" in found.problem
