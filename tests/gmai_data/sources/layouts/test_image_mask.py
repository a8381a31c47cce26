"""Images with masks: encodings, sizes, one file per structure."""

import numpy as np
import pytest
from gmai_data.imaging.rules import BoxRule
from gmai_data.ledger import Ledger
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.image_mask import ImageMask
from PIL import Image, ImageOps
from pydantic import ValidationError

BASE = {"kind": "image_mask", "images": "i/*.png", "masks": "m/{stem}.png"}


def shown(read, toy, labels, **layout):
    """Return (boxes, reason) of the one image."""
    pictures, reasons = read(toy(layout={**BASE, **layout}, labels=labels, task="2d_segmentation"))
    boxes = [(box.label, box.xyxy) for found in pictures.values() for box in found[0].boxes]
    return sorted(boxes), next(iter(reasons.values()), None)


@pytest.fixture
def colour(put):
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[2:9, 3:9], mask[12:20, 20:30] = (255, 0, 0), (0, 0, 255)
    put("i/1.png")
    put("m/1.png", mask)
    return mask


def test_colours_are_raw_labels_and_black_is_nothing(colour, read, toy):
    boxes, _ = shown(read, toy, {"#ff0000": "alpha", "#0000ff": "beta"}, encoding="colour")
    assert boxes == [("alpha", (3, 2, 9, 9)), ("beta", (20, 12, 30, 20))]
    _, reason = shown(read, toy, {"#ff0000": "alpha"}, encoding="colour")
    assert reason.startswith('label not in the map: "#0000ff"')


def test_more_colours_than_a_mask_has(put, read, toy, pixels):
    put("i/1.png")
    put("m/1.png", pixels())
    _, reason = shown(read, toy, {"#ff0000": "alpha"}, encoding="colour")
    assert "colours; a colour mask has a few (JPEG blurs them: get the masks as PNG" in reason


@pytest.mark.parametrize(("inverted", "box"), [(False, (5, 4, 15, 14)), (True, (0, 0, 32, 24))])
def test_the_higher_of_two_values_marks_unless_inverted(put, read, toy, inverted, box):
    mask = np.full((24, 32), 3, np.uint8)
    mask[4:14, 5:15] = 200
    put("i/1.png")
    put("m/1.png", mask)
    assert shown(read, toy, {"1": "alpha"}, encoding="binary", inverted=inverted)[0] == [("alpha", box)]


def test_index_masks_name_labels_by_value(put, read, toy):
    mask = np.zeros((24, 32), np.uint8)
    mask[2:10, 3:12], mask[20:22, 20:22] = 1, 2
    put("i/1.png")
    put("m/1.png", mask)
    card = toy(layout=BASE, labels={"1": "alpha", "2": "beta"}, task="2d_segmentation")
    ledger = Ledger()
    ((picture,),) = read(card, ledger)[0].values()
    assert [box.xyxy for box in picture.boxes] == [(3, 2, 12, 10)]
    assert (picture.labels, picture.incomplete) == (("alpha", "beta"), ("beta",))
    assert ledger.boxes.dropped == {"smaller than 16 px": 1}
    assert (picture.geometry["box_origin"], picture.geometry["mask"]) == ("mask", "m/1.png")


def test_a_mask_of_another_size_and_one_that_is_missing(put, read, toy):
    put("i/1.png")
    put("m/1.png", np.zeros((10, 32), np.uint8))
    _, reason = shown(read, toy, {"1": "alpha"})
    assert reason.startswith("image and mask sizes differ: image 32×24, mask 32×10; they must be equal, turned by EXIF")
    put("i/1.png")
    _, reason = shown(read, toy, {"1": "alpha"}, masks="gone/{stem}.png")
    assert reason.startswith("file missing")


def test_a_file_per_structure_and_one_that_is_not_there(put, read, toy):
    mask = np.zeros((24, 32), np.uint8)
    mask[2:9, 3:9] = 255
    put("i/1.png")
    put("s/1_a.png", mask)
    put("s/1_b.png", np.zeros((24, 32), np.uint8))
    for missing, uncertain in (("uncertain", ("gamma",)), ("absent", ())):
        layout = {**BASE, "masks": "s/{stem}_{label}.png", "missing": missing}
        card = toy(layout=layout, labels={"a": "alpha", "b": "beta", "c": "gamma"}, task="2d_segmentation")
        ((picture,),) = read(card)[0].values()
        assert (picture.labels, picture.uncertain) == (("alpha",), uncertain)
        assert picture.geometry["mask"] == "s/1_{label}.png"


@pytest.mark.parametrize(
    ("image", "mask", "images", "masks"),
    [
        ("i/1.jpg", "masks/1.png", "i/{id}.jpg", "masks/{id}.png"),
        ("i/1.jpg", "i/1_mask.png", "i/{id}.jpg", "{folder}/{id}_mask.png"),
        (
            "i/ISIC_1.jpg",
            "GroundTruth/ISIC_1_segmentation.png",
            "i/ISIC_{id}.jpg",
            "GroundTruth/{stem}_segmentation.png",
        ),
    ],
)
def test_what_looks_like_it(put, tmp_path, image, mask, images, masks):
    put(image)
    put(mask)
    guess = ImageMask.recognise(Folder(tmp_path))
    assert guess.layout == {"kind": "image_mask", "images": images, "masks": masks, "encoding": "binary"}
    assert (guess.task, guess.labels) == ("2d_segmentation", ["1"])


def test_images_without_a_mask_of_their_name(put, tmp_path):
    put("i/1.png")
    put("masks/x.png")
    assert ImageMask.recognise(Folder(tmp_path)) is None


def test_every_number_of_an_instance_map_is_one_object(put, read, toy):
    numbered = np.zeros((24, 32), np.uint8)
    numbered[1:7, 1:7], numbered[1:7, 7:13], numbered[12:20, 12:20] = 1, 2, 9
    put("a.png")
    put("a_map.png", numbered)
    layout = {"kind": "image_mask", "images": "a.png", "masks": "{stem}_map.png", "encoding": "instances"}
    pictures, _ = read(toy(layout=layout, task="2d_segmentation", labels={"1": "gland"}))
    (picture,) = pictures["a.png"]
    assert (picture.labels, len(picture.boxes)) == (("gland",), 3)


@pytest.mark.parametrize(
    ("encoding", "colours"), [("index", (0, 128, 255)), ("colour", ("#000000", "#808080", "#ffffff"))]
)
def test_zero_is_a_label_where_the_card_says_so_and_another_value_is_the_background(put, read, toy, encoding, colours):
    mask = np.full((24, 32), 255, np.uint8)
    mask[2:12, 4:14], mask[4:9, 6:11] = 128, 0
    put("i/1.png")
    put("m/1.png", mask)
    zero, ring, nothing = map(str, colours)
    layout = {**BASE, "encoding": encoding}
    card = toy(layout=layout, labels={zero: "alpha", ring: "beta"}, background=[nothing], task="2d_segmentation")
    ((picture,),) = read(card)[0].values()
    assert sorted((box.label, box.xyxy) for box in picture.boxes) == [
        ("alpha", (6, 4, 11, 9)),
        ("beta", (4, 2, 14, 12)),
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("made_for", ["stored", "shown"])
def test_a_mask_of_a_picture_that_exif_turns(put, read, toy, pixels, tmp_path, orientation, made_for):
    mask = np.zeros((24, 32), np.uint8)
    mask[2:9, 3:19] = 1
    exif = Image.Exif()
    exif[0x0112] = orientation
    put("i/1.png")
    Image.fromarray(pixels()).save(tmp_path / "i/1.png", exif=exif)
    Image.fromarray(mask).save(tmp_path / "turned.png", exif=exif)
    as_shown = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "turned.png")))
    put("m/1.png", mask if made_for == "stored" else as_shown)
    rows, columns = np.nonzero(as_shown)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    card = toy(layout=BASE, labels={"1": "alpha"}, task="2d_segmentation")
    pictures, reasons = read(card)
    if orientation in (2, 3, 4):  # the sizes are the same either way
        assert f"turned by EXIF, or not: EXIF orientation {orientation}" in reasons["i/1.png"]
        pictures, _ = read(card.model_copy(update={"boxes": BoxRule(turned=made_for)}))
    ((picture,),) = pictures.values()
    assert [each.xyxy for each in picture.boxes] == [box]


@pytest.mark.parametrize(
    ("encoding", "labels", "ignore"),
    [("index", {"1": "alpha", "2": "beta"}, ["255"]), ("colour", {"#010101": "alpha", "#020202": "beta"}, ["#ffffff"])],
)
def test_where_nobody_looked_nothing_is_absent_or_counted(put, read, toy, encoding, labels, ignore):
    mask = np.zeros((24, 32), np.uint8)
    mask[2:10, 3:12], mask[14:20, 14:20] = 1, 255
    put("i/1.png")
    put("m/1.png", mask)
    put("i/2.png")
    put("m/2.png", np.where(mask == 255, 0, mask))
    card = toy(layout={**BASE, "encoding": encoding}, labels=labels, ignore=ignore, task="2d_segmentation")
    (seen,), (whole,) = read(card)[0].values()
    assert (seen.labels, seen.incomplete, seen.uncertain) == (("alpha",), ("alpha",), ("beta",))
    assert (whole.labels, whole.incomplete, whole.uncertain) == (("alpha",), (), ())


def test_what_is_ignored_is_no_label(toy):
    with pytest.raises(ValueError, match='ignore: "1" is in labels or background, too'):
        toy(labels={"1": "alpha"}, ignore=[1])


@pytest.mark.parametrize("factor", [2, 0.5, 0.25])
def test_boxes_of_masks_of_another_size_are_those_of_the_picture(put, read, toy, factor):
    put("i/1.png")
    side = (int(24 / factor), int(32 / factor))
    mask = np.zeros(side, np.uint8)
    mask[side[0] // 4 : side[0] // 2, side[1] // 4 : side[1] // 2] = 1
    put("m/1.png", mask)
    ((picture,),) = read(toy(layout=BASE, labels={"1": "alpha"}, task="2d_segmentation"))[0].values()
    assert [box.xyxy for box in picture.boxes] == [(8, 6, 16, 12)]
    assert picture.geometry["boxes_scaled"] == factor
    assert picture.geometry["annotated_size"] == f"{side[1]}×{side[0]}"


@pytest.mark.parametrize("kind", ["index", "colour"])
def test_fringes_are_refused_by_name_or_given_to_the_nearest(put, read, toy, kind, tmp_path):
    colours = [(0, 0, 0), (255, 0, 0), (0, 255, 0)] if kind == "colour" else [0, 100, 200]
    names = {"#ff0000": "alpha", "#00ff00": "beta"} if kind == "colour" else {"100": "alpha", "200": "beta"}
    drawn = np.zeros((240, 320), np.uint8)
    drawn[40:120, 30:120], drawn[100:200, 180:280] = 1, 2
    put("i/1.png", np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8))
    (tmp_path / "m").mkdir()
    mask = Image.fromarray(np.array(colours, np.uint8)[drawn])
    mask.resize((160, 120), Image.Resampling.BILINEAR).resize((320, 240), Image.Resampling.BILINEAR).save(
        tmp_path / "m" / "1.png"
    )
    settings = {**BASE, "encoding": kind}
    card = toy(layout=settings, labels=names, task="2d_segmentation")
    (reason,) = read(card)[1].values()
    assert "mask with fringes" in reason
    assert "lie on edges only" in reason
    assert "`fringes: nearest`" in reason
    card = toy(layout={**settings, "fringes": "nearest"}, labels=names, task="2d_segmentation")
    ((picture,),) = read(card)[0].values()
    found = {box.label: box.xyxy for box in picture.boxes}
    assert np.abs(np.subtract(found["alpha"], (30, 40, 120, 120))).max() <= 1
    assert np.abs(np.subtract(found["beta"], (180, 100, 280, 200))).max() <= 1
    assert (len(picture.boxes), picture.uncertain) == (2, ())


@pytest.mark.parametrize("encoding", ["binary", "instances"])
def test_fringes_are_of_named_values(encoding):
    with pytest.raises(ValidationError, match="has no named values"):
        ImageMask.model_validate({**BASE, "encoding": encoding, "fringes": "nearest"})
