"""Label Studio's exports: regions in percent, turned ones about their corner, choices, what is refused."""

import json

import pytest
from gmai_data.sources.annotations.tools.label_studio import read


def region(kind, id_="r", **value):
    return {"id": id_, "type": kind, "original_width": 200, "original_height": 100, "image_rotation": 0,
            "value": value}  # fmt: skip


BOX = region("rectanglelabels", x=10, y=20, width=30, height=40, rotation=0, rectanglelabels=["a"])
CHOICE = {"id": "c", "type": "choices", "value": {"choices": ["good", "frontal"]}}


def task(*results, image="/data/upload/3/0a1b2c3d-1.png", **more):
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(results), "was_cancelled": False}],
            "predictions": [{"result": [BOX, BOX]}], **more}  # fmt: skip


def saved(tmp_path, *tasks):
    (tmp_path / "export.json").write_text(json.dumps(list(tasks)))
    return read(tmp_path / "export.json", "export.json")


def test_regions_in_percent_of_the_sides(tmp_path):
    polygon = region("polygonlabels", points=[[0, 0], [50, 0], [50, 50]], closed=True, polygonlabels=["b", "c"])
    ellipse = region("ellipselabels", x=50, y=50, radiusX=10, radiusY=20, rotation=30, ellipselabels=["d"])
    brush = region("brushlabels", format="rle", rle=[0, 1], brushlabels=["e"])
    point = region("keypointlabels", x=5, y=5, width=1, keypointlabels=["f"])
    (found,) = saved(tmp_path, task(BOX, polygon, ellipse, brush, point, CHOICE))
    assert (found.name, found.size, found.labels) == ("/data/upload/3/0a1b2c3d-1.png", (200, 100), ["good", "frontal"])
    assert [(each.label, each.kind, each.name) for each in found.shapes] == [
        ("a", "box", ""), ("b", "polygon", ""), ("c", "polygon", ""), ("d", "ellipse", ""), ("e", "other", "brush"),
        ("f", "other", "keypoint"),
    ]  # fmt: skip
    assert list(found.shapes[0].points) == [(20, 20), (80, 60)]
    assert list(found.shapes[1].points) == [(0, 0), (100, 0), (100, 50)]
    assert (list(found.shapes[3].points), found.shapes[3].rotation_deg) == ([(100, 50), (20, 20)], 30)
    assert "PNG" in found.shapes[4].problem


def test_a_turned_rectangle_turns_about_its_upper_left_corner(tmp_path):
    turned = region("rectanglelabels", x=50, y=50, width=20, height=10, rotation=90, rectanglelabels=["a"])
    (found,) = saved(tmp_path, task(turned))
    assert found.shapes[0].kind == "polygon"
    assert [tuple(round(side, 6) for side in point) for point in found.shapes[0].points] == [
        (100, 50), (100, 90), (90, 90), (90, 50)
    ]  # fmt: skip


def test_a_region_and_its_label_in_two_results(tmp_path):
    place = {"x": 10, "y": 20, "width": 30, "height": 40}
    (found,) = saved(tmp_path, task(region("rectangle", "r1", **place), region("labels", "r1", **place, labels=["a"]),
                                    region("rectangle", "r2", **place)))  # fmt: skip
    assert [(each.label, each.kind) for each in found.shapes] == [("a", "box"), ("", "box")]


def test_choices_of_a_region_are_no_labels_of_the_picture(tmp_path):
    of_region = region("choices", x=10, y=20, width=30, height=40, choices=["sharp"])
    (found,) = saved(tmp_path, task(BOX, of_region))
    assert (len(found.shapes), found.labels) == (1, [])


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("https://example.org/a%20b/1.png?token=x", "/a b/1.png"),
        ("s3://bucket/folder/1.png", "/folder/1.png"),
        ("/data/local-files/?d=folder/1%20.png", "folder/1 .png"),
        ("C:\\scans\\1#2.png", "C:/scans/1#2.png"),
    ],
)
def test_names(tmp_path, image, name):
    (found,) = saved(tmp_path, task(BOX, image=image))
    assert found.name == name


def test_what_cannot_be_read_says_why(tmp_path):
    none, cancelled, several, unsized, turned = saved(
        tmp_path,
        {"data": {"image": "1.png"}, "annotations": []},
        {"data": {"image": "2.png"}, "annotations": [{"result": [BOX], "was_cancelled": True}]},
        {"data": {"image": "3.png"}, "annotations": [{"result": [BOX]}, {"result": [BOX]}]},
        task({"type": "rectanglelabels", "value": BOX["value"]}),
        task({**BOX, "image_rotation": 90}),
    )
    assert none.set_aside == cancelled.set_aside == "not annotated"
    assert [each.problem[0] for each in (several, unsized, turned)] == [
        "annotated by several", "size not stated", "picture turned in the tool"
    ]  # fmt: skip


def test_the_short_export(tmp_path):
    short = {**BOX["value"], "original_width": 200, "original_height": 100}
    about = {"annotator": 1, "annotation_id": 2, "created_at": "2024-01-01T00:00:00Z", "lead_time": 1.5}
    one, two = saved(
        tmp_path,
        {"image": "/data/upload/1.png", "id": 1, "label": [short], "quality": {"choices": ["good", "sharp"]}, **about},
        {"image": "/data/upload/2.png", "site": "a town", "id": 2, "label": [short], "quality": "good", **about},
    )
    assert (one.name, one.size, one.labels) == ("/data/upload/1.png", (200, 100), ["good", "sharp"])
    assert [(each.label, list(each.points)) for each in one.shapes] == [("a", [(20, 20), (80, 60)])]
    assert (two.labels, [each.label for each in two.shapes]) == (["good"], ["a"])


@pytest.mark.parametrize(
    "entry",
    [
        {"id": 1, "annotator": 1, "annotation_id": 2, "image": "1.png", "quality": "good"},
        {"annotator": 1, "annotation_id": 2, "id": 1, "image": "1.png", "quality": "good"},
        {"image": "1.png", "quality": "good", "annotator": 1, "annotation_id": 2},
    ],
)
def test_a_short_export_whose_keys_were_sorted_may_hide_choices(tmp_path, entry):
    (found,) = saved(tmp_path, entry)
    assert found.problem[0] == "short export"


@pytest.mark.parametrize("document", [[], {"data": {}}, [{"data": "x", "annotations": []}], {"shapes": []}])
def test_other_files_are_none_of_it(tmp_path, document):
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert read(tmp_path / "a.json", "a.json") == []
