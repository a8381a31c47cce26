"""Which masks belong to which picture, as publishers name them."""

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.sources.reading import read_pictures
from gmai_formats.errors import UserError


@pytest.fixture
def masked(tmp_path, toy):
    """Return a function of files and settings: (card, items)."""

    def make(files, labels=None, **layout):
        for number, file in enumerate(files):
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
            if any(word in file.lower() for word in ("mask", "label", "manual", "segm", "gt")):
                pixels = np.zeros((24, 32), np.uint8)
                pixels[2 + number : 8 + number, 4:12] = 255
            path.write_bytes(encode_png(pixels))
        layout = {"kind": "image_mask", "encoding": "binary", **layout}
        card = toy(layout=layout, task="2d_segmentation", labels=labels or {"1": "alpha"})
        return card, list(card.layout.list_items(card, tmp_path))

    return make


@pytest.mark.parametrize(
    ("image", "mask", "images", "masks"),
    [
        ("img/img0001.png", "label/label0001.png", "img/img*.png", "label/label{match}.png"),
        ("volume-0.png", "segmentation-0.png", "volume-*.png", "segmentation-{match}.png"),
        ("a_image.png", "a_label.png", "*_image.png", "{match}_label.png"),
        ("t/21_training.png", "m/21_manual1.png", "t/*_training.png", "m/{match}_manual1.png"),
        ("images/p1/x/a.png", "masks/p1/x/a.png", "images/**/*.png", "masks/{tree}/{stem}.png"),
        ("p1/a.png", "gt/p1/a.png", "p*/*.png", "gt/{folder}/{stem}.png"),
        ("a.png", "a_mask.PNG", "a.png", "{stem}_mask.png"),
    ],
)
def test_names_that_pair(masked, image, mask, images, masks):
    _, items = masked([image, mask], images=images, masks=masks)
    assert [item.files for item in items if item.files[0] == image] == [(image, mask)]


def test_all_masks_of_a_picture_belong_to_it(masked, tmp_path):
    files = ["b (1).png", "b (1)_mask.png", "b (1)_mask_1.png", "b (10).png", "b (10)_mask.png"]
    card, items = masked(files, images="*).png", masks="{stem}_mask*.png")
    found = {item.key: next(iter(read_pictures(item, card, tmp_path, Ledger()))) for item in items}
    assert {key: len(picture.boxes) for key, picture in found.items()} == {"b (1).png": 2, "b (10).png": 1}
    assert found["b (1).png"].geometry["mask"] == ["b (1)_mask.png", "b (1)_mask_1.png"]
    assert found["b (10).png"].geometry["mask"] == "b (10)_mask.png"


def test_brackets_in_names_are_no_pattern(masked):
    _, items = masked(["a[1].png", "a[1]_mask0.png"], images="a?1?.png", masks="{stem}_mask*.png")
    assert items[0].files == ("a[1].png", "a[1]_mask0.png")


def test_several_files_of_a_structure(masked, tmp_path):
    files = ["i/a.png", "mask/x/a_0.png", "mask/x/a_1.png", "mask/y/a_0.png"]
    card, items = masked(files, labels={"x": "alpha", "y": "beta"}, images="i/*.png", masks="mask/{label}/{stem}_*.png")
    (picture,) = read_pictures(items[0], card, tmp_path, Ledger())
    assert [box.label for box in picture.boxes] == ["alpha", "alpha", "beta"]
    assert picture.uncertain == ()


def test_a_mask_of_two_pictures_is_refused(masked, tmp_path):
    card, items = masked(
        ["a1.png", "a10.png", "a1_mask.png", "a10_mask.png"], images="a1*.png", masks="{stem}*_mask.png"
    )
    owners = {item.key: item.problem for item in items if "mask" not in item.key}
    assert owners["a1.png"] is None
    assert owners["a10.png"][0] == "mask of two pictures"
    with pytest.raises(SourceError, match=r"belongs to a1\.png, too; make the pattern narrower"):
        list(read_pictures(next(item for item in items if item.key == "a10.png"), card, tmp_path, Ledger()))


@pytest.mark.parametrize("masks", ["m/{stem}_mask.png", "m/{stem}_mask*.png"])
def test_pictures_that_were_published_without_a_mask(masked, tmp_path, masks):
    files = ["i/a.png", "i/b.png", "m/a_mask.png"]
    card, items = masked(files, images="i/*.png", masks=masks, without_mask="leave_out")
    assert [item.set_aside for item in items] == ["", "published without a mask"]
    assert items[1].files == ("i/b.png",), "nothing that is not there is named"
    with pytest.raises(SetAside, match="published without a mask"):
        list(read_pictures(items[1], card, tmp_path, Ledger()))
    card, items = masked(files, images="i/*.png", masks=masks)
    with pytest.raises(SourceError, match="file missing"):
        list(read_pictures(items[1], card, tmp_path, Ledger()))


def test_captured_parts_pair_trees_and_give_class_patient_and_split(masked, tmp_path):
    files = [f"Train/{name}/{kind}/p{number}_1.png" for name, number in (("covid", 1), ("normal", 2))
             for kind in ("images", "lung masks")]  # fmt: skip
    pattern = "{split}/{class}/images/{patient}_{id}.png"
    labels = {"1": "lung", "covid": "COVID-19", "normal": "normal"}
    card, items = masked(
        files, labels, images=pattern, masks="{split}/{class}/lung masks/{patient}_{id}.png"
    )  # fmt: skip
    assert [(item.raw_labels, item.group, item.split) for item in items] == [
        (("covid",), "p1", "train"),
        (("normal",), "p2", "train"),
    ]
    picture = next(iter(read_pictures(items[0], card, tmp_path, Ledger())))
    assert (picture.labels, len(picture.boxes)) == (("COVID-19", "lung"), 1)


def test_a_path_per_structure_and_several_paths_of_masks(masked, tmp_path):
    files = ["a.png", "1. disc mask/a_OD.png", "2. cup mask/a_OC.png"]
    card, items = masked(
        files, {"OD": "disc", "OC": "cup", "EX": "exudate"}, images="*.png",
        masks={"OD": "1. disc mask/{stem}_OD.png", "OC": "2. cup mask/{stem}_OC.png", "EX": "3/{stem}.png"},
    )  # fmt: skip
    assert (items[0].structures, items[0].uncertain) == (("OD", "OC"), ("EX",))
    assert next(iter(read_pictures(items[0], card, tmp_path, Ledger()))).labels == ("disc", "cup")
    _, items = masked(files, images="*.png", masks=["1. disc mask/{stem}_*.png", "2. cup mask/{stem}_*.png"])
    assert items[0].files == ("a.png", "1. disc mask/a_OD.png", "2. cup mask/a_OC.png")


def test_a_mask_with_a_part_that_no_image_captures_is_refused(masked):
    with pytest.raises(ValueError, match=r"\{id\}, which the pattern of the images does not capture"):
        masked(["a.png"], images="*.png", masks="m/{id}.png")


@pytest.mark.parametrize(
    ("files", "images", "masks"),
    [
        (["c1/seg.png"], "*/seg.png", "{parent}/seg.png"),
        (["labels/a.png", "labels/b.png"], "labels/*.png", "labels/{stem}.png"),
        (["images/a.png", "masks/a.png"], "*/a.png", "masks/{stem}.png"),
        (["a_mask.png"], "*_mask.png", ("{match}_mask.png", "{match}_mask2.png")),
    ],
)
def test_a_picture_is_not_its_own_mask(masked, files, images, masks):
    with pytest.raises(UserError, match=r"is found as an image .* and as its own mask\. Give images and masks paths"):
        masked(files, images=images, masks=masks)
