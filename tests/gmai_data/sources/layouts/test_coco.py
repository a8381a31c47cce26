"""COCO as labelling tools and scripts really write it."""

import json

import numpy as np
import pytest
from gmai_data.annotating import annotations_of
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.coco import Coco
from gmai_data.sources.reading import read_pictures
from gmai_formats.errors import UserError

LAYOUT = {"kind": "coco", "annotations": "*.json", "images": "images"}
BOX = [10, 4, 8, 6]


@pytest.fixture
def coco(tmp_path, toy):
    """Return a function of `images` and `annotations`: pictures by item key, reasons by key, ledger, card, items."""

    def make(images, annotations, categories=({"id": 1, "name": "a"}, {"id": 2, "name": "b"}), **layout):
        (tmp_path / "images").mkdir(exist_ok=True)
        for number, entry in enumerate(images):
            pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
            (tmp_path / "images" / str(entry["file_name"])).write_bytes(encode_png(pixels))
        document = {"images": images, "annotations": annotations, "categories": list(categories)}
        (tmp_path / "train.json").write_text(json.dumps(document))
        make.card = card = toy(layout={**LAYOUT, **layout}, task="2d_detection", labels={"a": "alpha", "b": "beta"})
        found, reasons, ledger = {}, {}, Ledger()
        for item in card.layout.list_items(card, tmp_path):
            try:
                (found[item.key],) = read_pictures(item, card, tmp_path, ledger)
            except SourceError as problem:
                reasons[item.key] = str(problem)
        return found, reasons, ledger

    make.root = tmp_path
    return make


def image(number, name="1.png", **more):
    return {"id": number, "file_name": name, **more}


def mark(image_id, box=BOX, category=1, **more):
    return {"id": 5, "image_id": image_id, "category_id": category, "bbox": box, **more}


@pytest.mark.parametrize(
    ("listed", "named", "category"), [(7, "7", 1), ("7", 7, "1"), (7, 7.0, 1.0), (" 7", "7 ", "1"), ("x-7", "x-7", 1)]
)
def test_ids_meet_by_value(coco, listed, named, category):
    found, reasons, _ = coco([image(listed)], [mark(named, category=category)])
    assert reasons == {}
    assert [(box.label, box.xyxy) for box in found["images/1.png"].boxes] == [("alpha", (10, 4, 18, 10))]


def test_an_annotation_of_no_image_leaves_its_label_open_in_every_picture_of_the_file(coco, toy):
    found, reasons, _ = coco([image(1), image(2, "2.png")], [mark(None), mark(2, category=2)])
    assert reasons == {
        "train.json/image ": "annotations of no image: 1 have image_id null, which has no entry in `images`"
    }
    assert {key: each.uncertain for key, each in found.items()} == {
        "images/1.png": ("alpha",),
        "images/2.png": ("alpha",),
    }
    card = toy(layout=LAYOUT, task="2d_detection", labels={"a": "alpha", "b": "beta"})
    absent = {
        annotation.provenance["item"]: annotation.absent
        for item in card.layout.list_items(card, coco.root) if item.problem is None
        for annotation in annotations_of(item, card, coco.root, Ledger(), None)
    }  # fmt: skip
    assert absent == {"images/1.png": ("beta",), "images/2.png": ()}


def test_an_image_that_is_not_listed_has_a_reason_of_its_own(coco):
    found, reasons, _ = coco([image(1)], [mark(9), mark(9, id=6), mark(1)])
    assert reasons == {
        "train.json/image 9": "annotations of no image: 2 have image_id 9, which has no entry in `images`"
    }
    assert found["images/1.png"].uncertain == ()


def test_a_picture_under_two_ids_has_the_annotations_of_both(coco):
    found, reasons, _ = coco([image(1), image(7), image(2, "2.png")], [mark(1), mark(7, [1, 1, 4, 4], 2), mark(2)])
    assert reasons == {}
    assert [box.xyxy for box in found["images/1.png"].boxes] == [(10, 4, 18, 10), (1, 1, 5, 5)]
    assert found["images/1.png"].labels == ("alpha", "beta")


def test_a_picture_of_two_patients_or_sizes_is_refused_alone(coco):
    entries = [image(1, patient="p"), image(7, patient="q"), image(2, "2.png", patient="p")]
    found, reasons, _ = coco(entries, [mark(1), mark(2)], group_field="patient")
    assert reasons == {"images/1.png": "one picture, two groups: its entries in train.json differ in patient"}
    assert list(found) == ["images/2.png"]
    found, reasons, _ = coco([image(1, width=32, height=24), image(7, width=64, height=48)], [])
    assert "state several sizes" in reasons["images/1.png"]


@pytest.mark.parametrize("crowd", [1, True, 1.0])
def test_a_crowd_is_present_but_no_object(coco, crowd):
    run_lengths = {"size": [24, 32], "counts": [0, 768]}
    for use in ("bbox", "segmentation"):
        outline = [[10, 4, 18, 4, 18, 10, 10, 10]]
        marks = [
            mark(1, [0, 0, 32, 24], iscrowd=crowd, segmentation=run_lengths),
            mark(1, iscrowd=0, segmentation=outline),
        ]
        found, _, ledger = coco([image(1)], marks, use=use)
        (picture,) = found.values()
        assert [box.xyxy for box in picture.boxes] == [(10, 4, 18, 10)]
        assert (picture.labels, picture.incomplete) == (("alpha",), ("alpha",))
        assert ledger.boxes.dropped == {"region of many objects": 1}


@pytest.mark.parametrize("ignore", [1, True, "1"])
def test_an_annotation_that_is_to_be_ignored_says_nothing(coco, ignore):
    for use in ("bbox", "segmentation"):
        outline = [[10, 4, 18, 4, 18, 10, 10, 10]]
        found, _, ledger = coco([image(1)], [mark(1, ignore=ignore, segmentation=outline)], use=use)
        (picture,) = found.values()
        assert (picture.boxes, picture.labels) == ((), ())
        assert "alpha" in picture.uncertain
        assert ledger.boxes.dropped == {"marked to be ignored": 1}
        marks = [mark(1, ignore=ignore, segmentation=outline), mark(1, id=2, ignore=0, segmentation=outline)]
        found, _, _ = coco([image(1)], marks, use=use)
        (picture,) = found.values()
        assert len(picture.boxes) == 1
        assert (picture.labels, picture.incomplete) == (("alpha",), ("alpha",))


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ({"size": [24, 32], "counts": [100, -5, 673]}, "a run of -5 pixels"),
        ([{"size": [24, 32], "counts": [0, 768]}], "its run lengths stand in a list, where one object has one mask"),
        ([[10, 4, float("nan"), 4, 18, 10]], "a point of a polygon is no number"),
        ([[10, 4, 18, 4]], "a polygon has at least three points"),
    ],
)  # fmt: skip
def test_a_segmentation_that_cannot_be_says_why(coco, segmentation, said):
    found, _, ledger = coco([image(1)], [mark(1, segmentation=segmentation)], use="segmentation")
    (picture,) = found.values()
    assert (picture.boxes, picture.incomplete) == ((), ("alpha",))
    (entry,) = ledger.quarantine
    assert said in entry["reason"]


def test_sizes_that_are_stated_move_boxes_and_outlines(coco):
    big = image(1, width=128, height=96)
    marks = [mark(1, [40, 16, 32, 24], segmentation=[[40, 16, 72, 16, 72, 40, 40, 40]])]
    for use in ("bbox", "segmentation"):
        found, _, _ = coco([big], marks, use=use)
        (picture,) = found.values()
        assert [box.xyxy for box in picture.boxes] == [(10, 4, 18, 10)]
        assert picture.geometry["boxes_scaled"] == 0.25
    _, reasons, _ = coco([image(1, width=128, height=128)], marks)
    assert reasons["images/1.png"].startswith(
        "annotated at another size: it was annotated at 128×128, but the picture is 32"
    )
    for nothing in ({}, {"width": 0, "height": 0}, {"width": None, "height": 3}):
        found, _, _ = coco([image(1, **nothing)], [mark(1)])
        assert [box.xyxy for box in found["images/1.png"].boxes] == [(10, 4, 18, 10)]


def test_a_polygon_between_pixels_is_refused_and_its_label_stays(coco):
    found, _, ledger = coco([image(1)], [mark(1, segmentation=[[3.6, 3.6, 4.4, 3.6, 4.4, 4.4]])], use="segmentation")
    (picture,) = found.values()
    assert (picture.labels, picture.boxes, picture.incomplete) == (("alpha",), (), ("alpha",))
    assert ledger.quarantine[0]["reason"].startswith("polygon without a pixel")


def test_a_name_in_another_letter_form_or_case_is_found(coco):
    coco([image(1, "La\u0308sion.PNG")], [])
    document = json.loads((coco.root / "train.json").read_text())
    document["images"][0]["file_name"] = "L\u00e4sion.png"
    (coco.root / "train.json").write_text(json.dumps(document))
    (item,) = coco.card.layout.list_items(coco.card, coco.root)
    assert item.files[0] == "images/La\u0308sion.PNG"


def test_what_is_listed_twice_is_one_object_and_what_has_two_meanings_is_refused(coco):
    found, reasons, _ = coco([image(1), image(2, "2.png"), image(2, "3.png")], [mark(1), mark(1), mark(2)])
    assert [box.xyxy for box in found["images/1.png"].boxes] == [(10, 4, 18, 10)]
    assert reasons == {
        f"images/{name}": "one id, several pictures: train.json gives 2 pictures the id 2; give each its own"
        for name in ("2.png", "3.png")
    }
    with pytest.raises(UserError, match='category 1 is both "a" and "b"'):
        coco([image(1)], [mark(1)], [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}])


@pytest.mark.parametrize(("crowd", "boxes"), [("0", 1), (False, 1), ("false", 1), (None, 1), ("1", 0), (True, 0)])
def test_a_crowd_however_it_is_written(coco, crowd, boxes):
    found, _, _ = coco([image(1)], [mark(1, iscrowd=crowd)])
    assert len(found["images/1.png"].boxes) == boxes


@pytest.mark.parametrize(("width", "height", "box"), [("32", "24", (10, 4, 18, 10)), ("64", 48.0, (5, 2, 9, 5))])
def test_sizes_as_text(coco, width, height, box):
    found, _, _ = coco([image(1, width=width, height=height)], [mark(1)])
    assert [each.xyxy for each in found["images/1.png"].boxes] == [box]


def test_a_size_as_text_that_does_not_fit(coco):
    (reason,) = coco([image(1, width="320", height="25")], [mark(1)])[1].values()
    assert reason.startswith("annotated at another size: it was annotated at 320×25")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_json_with_a_byte_order_mark(coco, encoding):
    coco([image(1)], [mark(1)])
    path = coco.root / "train.json"
    path.write_bytes(path.read_text().encode(encoding))
    (item,) = coco.card.layout.list_items(coco.card, coco.root)
    assert item.raw_labels == ("a",)


def test_paths_of_windows(coco, tmp_path):
    coco([image(1, "1.png")], [])
    document = {"images": [image(1, "sub\\2.png")], "annotations": [], "categories": []}
    (tmp_path / "train.json").write_text(json.dumps(document))
    (tmp_path / "images/sub").mkdir()
    (tmp_path / "images/1.png").rename(tmp_path / "images/sub/2.png")
    (item,) = coco.card.layout.list_items(coco.card, tmp_path)
    assert item.key == "images/sub/2.png"


@pytest.mark.parametrize(
    ("segmentation", "boxes", "reason"),
    [
        ([[2, 2, 8, 2, 8, 8, 2, 8], [20, 10, 30, 10, 30, 20, 20, 20]], [(2, 2, 30, 20)], None),  # seen in two parts
        ({"size": [24, 32], "counts": [768]}, [], "mask without a pixel"),
        ([2, 2, 8, 2, 8, 8], [], "segmentation unreadable: annotation 5 (a): a polygon is a list of x, y, x, y"),
        ([[2, 2, 8, 2, 8]], [], "segmentation unreadable: annotation 5 (a): a polygon is a list of x, y, x, y"),
    ],
)
def test_an_annotation_is_one_object(coco, segmentation, boxes, reason):
    found, _, ledger = coco([image(1)], [mark(1, segmentation=segmentation)], use="segmentation")
    picture = found["images/1.png"]
    assert [box.xyxy for box in picture.boxes] == boxes
    assert picture.labels == ("alpha",)
    assert [each["reason"].startswith(reason or "") for each in ledger.quarantine] == [True] * (reason is not None)


def test_a_box_in_shares_of_the_picture_is_refused(coco):
    found, _, ledger = coco([image(1)], [mark(1, [0.25, 0.5, 0.5, 0.25])])
    assert (found["images/1.png"].boxes, found["images/1.png"].incomplete) == ((), ("alpha",))
    (line,) = ledger.quarantine
    assert line["reason"].endswith("0.25, 0.5, 0.75, 0.75 are shares of the picture, not pixels")


def test_a_part_of_the_name_or_the_folder_of_a_file_is_that_of_its_pictures(tmp_path, toy):
    document = json.dumps({"images": [image(1)], "annotations": [mark(1)], "categories": [{"id": 1, "name": "a"}]})
    for place in ("annotations/instances_train2017.json", "annotations/instances_val2017.json", "test/all.json"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(document)
    for annotations, images, files in (
        (
            "annotations/instances_{part}.json",
            "{part}",
            [("train2017/1.png", "train"), ("val2017/1.png", "validation")],
        ),
        ("*/all.json", "{parent}", [("test/1.png", "held_out")]),
    ):
        card = toy(layout={"kind": "coco", "annotations": annotations, "images": images}, labels={"a": "alpha"})
        assert [(item.key, str(item.split)) for item in card.layout.list_items(card, tmp_path)] == files


def areas(*boxes, size=lambda x1, y1, x2, y2: (x2 - x1) * (y2 - y1)):
    return [mark(1, list(box), id=number, area=size(*box)) for number, box in enumerate(boxes)]


def outline(x1, y1, x2, y2):
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


CORNERS = {
    "areas": areas((2, 2, 9, 9), (4, 3, 10, 8)),
    "polygons": [mark(1, [2, 2, 9, 9], segmentation=outline(2, 2, 9, 9))],
    "sizes": [mark(1, [2, 2, 9, 9], id=1), mark(1, [20, 10, 30, 20], id=2)],
}


@pytest.mark.parametrize("marks", CORNERS.values(), ids=list(CORNERS))
def test_corners_under_the_name_of_bbox_are_refused_or_read_by_the_card(coco, marks):
    listed = [image(1, width=32, height=24)]
    found, reasons, _ = coco(listed, marks)
    assert found == {}
    assert "boxes are corners" in reasons["images/1.png"]
    assert "`form: xyxy`" in reasons["images/1.png"]
    guess = Coco.recognise(Folder(coco.root))
    assert guess.layout["form"] == "xyxy"
    found, reasons, _ = coco(listed, marks, form="xyxy")
    assert reasons == {}
    assert [box.xyxy for box in found["images/1.png"].boxes] == [tuple(each["bbox"]) for each in marks]


WIDTHS = {
    "a width below x": [mark(1, [2, 2, 9, 9], id=1, area=49), mark(1, [10, 4, 8, 6], id=2)],
    "areas": areas((2, 2, 9, 9), (4, 3, 10, 8), size=lambda x, y, width, height: width * height),
    "areas of masks": [mark(1, [2, 2, 9, 9], area=40.5)],
    "from the corner": areas((0, 0, 32, 24)),
    "polygons": [mark(1, [2, 2, 9, 9], segmentation=outline(2, 2, 11, 11))],
    "one outside of many": [mark(1, [2, 2, 9, 9], id=number) for number in range(9)]
    + [mark(1, [20, 10, 30, 20], id=10)],
    "unreadable": [mark(1, None), mark(1, ["a"], id=6), mark(1, [2, 2, 9, 9], id=7)],
}


@pytest.mark.parametrize("marks", WIDTHS.values(), ids=list(WIDTHS))
def test_boxes_of_coco_are_not_taken_for_corners(coco, marks):
    _, reasons, _ = coco([image(1, width=32, height=24)], marks)
    assert reasons == {}
    assert "form" not in Coco.recognise(Folder(coco.root)).layout


@pytest.mark.parametrize("score", [0.31, 0.999])
def test_guesses_of_a_model_are_no_annotations(coco, score):
    found, _, ledger = coco([image(1)], [mark(1), mark(1, [1, 1, 5, 5], id=6, category=2) | {"score": score}])
    picture = found["images/1.png"]
    assert [box.label for box in picture.boxes] == ["alpha"]
    assert (picture.labels, picture.uncertain) == (("alpha",), ("beta",))
    assert f"a model's guess: annotation 6 (b) has the score {score}" in ledger.quarantine[0]["reason"]
    assert "1 annotations have a `score` below 1" in " ".join(Coco.recognise(Folder(coco.root)).notes)


@pytest.mark.parametrize("score", [1, 1.0, 0, None, "high", True])
def test_what_people_drew_may_have_a_score(coco, score):
    found, _, ledger = coco([image(1)], [mark(1) | {"score": score}])
    assert ([box.xyxy for box in found["images/1.png"].boxes], ledger.quarantine) == ([(10, 4, 18, 10)], [])


def test_a_missing_picture_does_not_hide_the_folder_of_the_others(coco):
    coco([image(number, f"{number}.png") for number in (1, 2, 3)], [mark(1)])
    (coco.root / "images" / "2.png").unlink()
    assert Coco.recognise(Folder(coco.root)).layout["images"] == "images"
