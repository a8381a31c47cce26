"""The values of masks, counted, and what they say of the encoding."""

import nibabel as nib
import numpy as np
import pytest
from gmai_data.sources.drafting.mask_values import values_of_masks
from PIL import Image


def mask(root, name, *values):
    pixels = np.zeros((len(values) * 4, 8), np.uint8)
    for at, value in enumerate(values):
        pixels[at * 4 : at * 4 + 4] = value
    Image.fromarray(pixels).save(root / name, **({"quality": 95} if name.endswith("jpg") else {}))
    return name


@pytest.mark.parametrize(
    ("name", "values", "encoding", "labels"),
    [
        ("a.png", (0, 255), "binary", ["1"]), ("a.png", (0, 1), "binary", ["1"]), ("a.png", (0, 2), "binary", ["1"]),
        ("a.png", (0, 1, 2), "index", ["1", "2"]), ("a.png", (0, 128, 255), "index", ["128", "255"]),
        ("a.jpg", (0, 255), "binary", ["1"]), ("a.png", (0, 1, 255), "index", ["1", "255"]),
        ("a.png", (0, 254, 255), "binary", ["1"]), ("a.png", (2, 5, 250, 255), "binary", ["1"]),
    ],
)  # fmt: skip
def test_values_say_the_encoding(tmp_path, name, values, encoding, labels):
    found = values_of_masks(tmp_path, [mask(tmp_path, name, *values)])
    assert (found.encoding, found.raw_labels) == (encoding, labels)


def test_colours_are_labels(tmp_path):
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 4:] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = values_of_masks(tmp_path, ["a.png"])
    assert (found.encoding, found.raw_labels) == ("colour", ["#ff0000"])


def test_counts_are_of_masks_and_what_is_unread_is_said(tmp_path):
    nib.save(nib.Nifti1Image(np.array([[[0, 1], [1, 3]]], np.uint8), np.eye(4)), tmp_path / "a.nii")
    nib.save(nib.Nifti1Image(np.array([[[0, 1], [1, 1]]], np.uint8), np.eye(4)), tmp_path / "b.nii")
    (tmp_path / "c.nii").write_bytes(b"no volume")
    found = values_of_masks(tmp_path, ["a.nii", "b.nii", "c.nii"])
    assert found.raw_labels == ["1", "3"]
    assert found.in_words() == "values in 2 masks: 0 (in 2), 1 (in 2), 3 (in 1); 1 unread"
    assert values_of_masks(tmp_path, ["c.nii"]).in_words() == "none of 1 masks could be read"


@pytest.mark.parametrize("values", [(0, 1000, 2000), (0, 300, 65535), (0, 1, 256)])
def test_values_of_16_bits_are_labels(tmp_path, values):
    pixels = np.repeat(np.array(values, np.uint16), 8).reshape(-1, 8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = values_of_masks(tmp_path, ["a.png"])
    assert (found.encoding, found.raw_labels) == ("index", [str(value) for value in values[1:]])


@pytest.mark.parametrize(
    ("inside", "around", "words"),
    [
        (0, 255, "255 is all of the border of each: where it is the background, set `inverted: true`"),
        ((255, 0, 0), (255, 255, 255), "#ffffff is all of the border of each: where it is the background, set "
         "`background: ['#ffffff']`"),
        (255, 0, ""), ((255, 0, 0), (0, 0, 0), ""),
    ],
)  # fmt: skip
def test_a_value_around_all_masks_may_be_the_background(tmp_path, inside, around, words):
    for name in ("a.png", "b.png"):
        pixels = np.full((9, 9, *np.shape(around)), around, np.uint8)
        pixels[2:5, 3:6] = inside
        Image.fromarray(pixels).save(tmp_path / name)
    found = values_of_masks(tmp_path, ["a.png", "b.png"]).in_words()
    assert ("border" in found, words in found) == (bool(words), True)


@pytest.mark.parametrize(("values", "asks"), [((0, 1, 255), True), ((0, 1, 2), False), ((0, 255), False)])
def test_255_beside_other_labels_may_be_none(tmp_path, values, asks):
    found = values_of_masks(tmp_path, [mask(tmp_path, "a.png", *values)])
    assert ("`ignore`" in found.in_words()) == asks


@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("values", [(0, 127, 255), (0, 60, 120, 240), (255, 128, 0)])
def test_values_on_edges_are_no_labels(tmp_path, name, values, shift):
    pixels = np.full((96, 128), values[0], np.uint8)
    for number, value in enumerate(values[1:]):
        pixels[16 + shift : 80, 8 + shift + 40 * number : 40 + 40 * number] = value
    image = Image.fromarray(pixels)
    if name == "a.png":
        image = image.resize((64, 48), Image.Resampling.BILINEAR).resize((128, 96), Image.Resampling.BILINEAR)
    image.save(tmp_path / name)
    found = values_of_masks(tmp_path, [name])
    assert (found.encoding, found.raw_labels) == ("index", [str(value) for value in sorted(values) if value])
    assert (found.fringes > 5) == (shift > 0 or name == "a.png")  # JPEG keeps edges that its blocks have, too
    assert (f"{found.fringes} more lie on edges only" in found.in_words()) == (found.fringes > 0)


@pytest.mark.parametrize(
    ("objects", "masks", "around", "encoding"),
    [
        (12, 3, (0, 0, 0), "instances"),  # each mask has colours of its own
        (100, 1, (0, 0, 0), "instances"),  # more than classes are
        (5, 1, (0, 0, 0), "colour"),
        (12, 3, (255, 255, 255), "colour"),  # the background would be an object
    ],
)
def test_colours_of_one_mask_each_number_its_objects(tmp_path, objects, masks, around, encoding):
    draw = np.random.default_rng(0)
    for number in range(masks):
        pixels = np.full((42, 82, 3), around, np.uint8)
        for at in range(objects):
            row, column = divmod(at, 20)
            pixels[row * 8 + 1 : row * 8 + 7, column * 4 + 1 : column * 4 + 4] = draw.integers(1, 255, 3)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    found = values_of_masks(tmp_path, [f"{number}.png" for number in range(masks)])
    assert found.encoding == encoding
    assert (found.raw_labels == ["1"]) is (encoding == "instances")


def test_what_is_no_number_is_no_label(tmp_path):
    values = np.zeros((4, 4, 2), np.float32)
    values[0, 0], values[1, 1] = 1, np.nan
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    assert values_of_masks(tmp_path, ["a.nii"]).raw_labels == ["1"]
