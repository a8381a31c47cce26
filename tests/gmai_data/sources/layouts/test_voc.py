"""Pascal VOC: stated sizes, difficult objects, boxes that cannot be used."""

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.voc import Voc
from gmai_data.sources.reading import read_pictures

SIZE = "<size><width>{}</width><height>{}</height></size>"


def thing(x1, y1, x2, y2, name="a", more=""):
    box = "".join(f"<{s}>{v}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), (x1, y1, x2, y2), strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


@pytest.fixture
def voc(tmp_path, toy):
    """Return a function of what stands in the XML: (picture, ledger)."""

    def make(*parts, **layout):
        for folder in ("Annotations", "JPEGImages"):
            (tmp_path / folder).mkdir(exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        (tmp_path / "JPEGImages" / "1.png").write_bytes(encode_png(pixels))
        text = f"<annotation><filename>1.png</filename>{''.join(parts)}</annotation>"
        (tmp_path / "Annotations" / "1.xml").write_text(text)
        card = toy(layout={"kind": "voc", **layout}, task="2d_detection")
        (item,), ledger = card.layout.list_items(card, tmp_path), Ledger()
        (picture,) = read_pictures(item, card, tmp_path, ledger)
        return picture, ledger

    return make


@pytest.mark.parametrize("size", ["", SIZE.format(32, 24), SIZE.format(0, 0), SIZE.format("", "")])
def test_boxes_count_from_one_and_include_their_end(voc, size):
    picture, _ = voc(size, thing(11, 5, 18, 10))
    assert [box.xyxy for box in picture.boxes] == [(10, 4, 18, 10)]


def test_a_picture_that_was_made_smaller_or_cut(voc):
    picture, _ = voc(SIZE.format(128, 96), thing(41, 17, 72, 40))
    assert [box.xyxy for box in picture.boxes] == [(10, 4, 18, 10)]
    assert picture.geometry["boxes_scaled"] == 0.25
    with pytest.raises(SourceError, match="annotated at 33×48, but the picture is 32×24"):
        voc(SIZE.format(33, 48), thing(11, 5, 18, 10))


def test_difficult_objects_are_present_but_not_counted(voc):
    hard = "<difficult>1</difficult>"
    picture, ledger = voc(thing(11, 5, 18, 10, more="<difficult>0</difficult>"), thing(1, 1, 9, 9, "b", hard))
    assert [box.label for box in picture.boxes] == ["alpha"]
    assert (picture.labels, picture.incomplete) == (("alpha", "beta"), ("beta",))
    assert ledger.boxes.dropped == {"marked as difficult": 1}


def test_boxes_that_cannot_be_used(voc):
    picture, ledger = voc(thing(11, 5, 18, 10), thing(18, 5, 11, 10), thing(1, 1, 40, 9), thing("x", 1, 2, 3))
    assert len(picture.boxes) == 1
    rules = [entry["reason"].split(":")[0] for entry in ledger.quarantine]
    assert rules == ["degenerate box", "box outside the image", "box unreadable"]


def annotated(path, *objects, encoding="utf-8", more=""):
    """Write a picture and its XML file in the same folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    path.with_suffix(".png").write_bytes(encode_png(pixels))
    text = f'<?xml version="1.0" encoding="{encoding}"?><annotation>{more}{"".join(objects)}</annotation>'
    path.with_suffix(".xml").write_bytes(text.encode(encoding))


def test_folders_of_splits_that_hold_pictures_and_annotations(tmp_path, toy):
    for name in ("train/1", "train/2", "valid/1", "test/3"):
        annotated(tmp_path / name, thing(11, 5, 18, 10))
    guess = Voc.recognise(Folder(tmp_path))
    assert dict(guess.layout) == {"kind": "voc", "annotations": "*", "images": "{parent}"}
    card = toy(layout=dict(guess.layout), task="2d_detection")
    items = list(card.layout.list_items(card, tmp_path))
    assert [(item.key, item.split) for item in items] == [
        ("test/3", "held_out"), ("train/1", "train"), ("train/2", "train"), ("valid/1", "validation"),
    ]  # fmt: skip
    (picture,) = read_pictures(items[3], card, tmp_path, Ledger())
    assert [box.xyxy for box in picture.boxes] == [(10, 4, 18, 10)]
    assert picture.more_files == ("valid/1.png",)


def test_folders_of_annotations_beside_those_of_pictures(tmp_path):
    for name in ("a/Annotations/1", "b/Annotations/2"):
        annotated(tmp_path / name, thing(11, 5, 18, 10))
        image = (tmp_path / name).with_suffix(".png")
        (image.parent.parent / "JPEGImages").mkdir()
        image.rename(image.parent.parent / "JPEGImages" / image.name)
    guess = Voc.recognise(Folder(tmp_path))
    assert dict(guess.layout) == {"kind": "voc", "annotations": "*/Annotations", "images": "{above}/JPEGImages"}


def test_annotations_at_several_depths_are_left_to_the_user(tmp_path):
    for name in ("a/1", "2"):
        annotated(tmp_path / name, thing(11, 5, 18, 10))
    guess = Voc.recognise(Folder(tmp_path))
    assert (guess.layout["annotations"], guess.layout["images"]) == ("TODO", "TODO")
    assert guess.notes == ("annotations: XML files lie in ., a",)


def test_only_names_of_objects_are_labels(tmp_path):
    part = "<part><name>head</name></part>"
    owner = "<owner><name>Some One</name></owner>"
    annotated(tmp_path / "1", thing(11, 5, 18, 10, "benign &amp; small", part), more=owner)
    assert Voc.recognise(Folder(tmp_path)).labels == ["benign & small"]


@pytest.mark.parametrize("encoding", ["gbk", "big5", "shift_jis", "utf-16", "windows-1252", "utf-8"])
def test_the_declared_encoding_is_read(tmp_path, encoding):
    name = "é" if encoding == "windows-1252" else "中"
    annotated(tmp_path / "1", thing(11, 5, 18, 10, name), encoding=encoding)
    assert Voc.recognise(Folder(tmp_path)).labels == [name]


def test_two_pictures_of_one_annotation_are_not_chosen_between(tmp_path, toy):
    annotated(tmp_path / "x" / "1", thing(11, 5, 18, 10), more="<filename>old.bmp</filename>")
    (tmp_path / "x" / "1.jpg").write_bytes((tmp_path / "x" / "1.png").read_bytes())
    card = toy(layout={"kind": "voc", "annotations": "x", "images": "x"}, task="2d_detection")
    (item,) = card.layout.list_items(card, tmp_path)
    with pytest.raises(SourceError, match=r"x/1.jpg and x/1.png; it names old.bmp"):
        list(read_pictures(item, card, tmp_path, Ledger()))


@pytest.mark.parametrize(
    ("corners", "box", "expected"),
    [
        ("from_zero", (0, 0, 17, 9), (0, 0, 18, 10)),
        ("from_zero", (10, 4, 31, 23), (10, 4, 32, 24)),
        ("edges", (0, 4, 18, 10), (0, 4, 18, 10)),
        ("edges", (10, 0, 32, 24), (10, 0, 32, 24)),
        ("edges", (10.4, 4, 17.2, 10), (10, 4, 18, 10)),
        ("from_one", (1, 1, 32, 24), (0, 0, 32, 24)),
    ],
)
def test_what_corners_are_is_said_by_the_card(voc, corners, box, expected):
    picture, _ = voc(thing(*box), corners=corners)
    assert [box.xyxy for box in picture.boxes] == [expected]


@pytest.mark.parametrize("box", [(0, 4, 18, 10), (10, 0, 18, 10), (0, 0, 32, 24)])
def test_a_zero_is_refused_where_pixels_count_from_one(voc, box):
    picture, ledger = voc(thing(*box))
    assert (picture.boxes, picture.labels) == ((), ("alpha",))
    assert "box not counted from 1" in ledger.quarantine[0]["reason"]
    assert "`corners`: from_zero or edges" in ledger.quarantine[0]["reason"]


def test_the_width_is_outside_where_pixels_count_from_zero(voc):
    _, ledger = voc(thing(10, 4, 32, 10), corners="from_zero")
    assert "the image is 32×24, whose pixels are counted from 0" in ledger.quarantine[0]["reason"]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(1, 1, 32, 24), (5, 5, 9, 9)], None),
        ([(0, 5, 9, 9), (5, 5, 31, 9)], "from_zero"),
        ([(0, 5, 9, 9), (5, 5, 9, 23)], "from_zero"),
        ([(5, 0, 9, 9), (5, 5, 32, 9)], "edges"),
        ([(0, 5, 9, 9)], "edges"),
    ],
)
def test_a_draft_says_where_corners_begin(voc, tmp_path, boxes, expected):
    voc(SIZE.format(32, 24), *(thing(*box) for box in boxes))
    guess = Voc.recognise(Folder(tmp_path))
    assert guess.layout.get("corners") == expected
    assert any("begin at 0" in note for note in guess.notes) == (expected is not None)
