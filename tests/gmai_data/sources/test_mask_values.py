"""The values of masks, counted, and what they say of the encoding."""

import nibabel as nib
import numpy as np
import pytest
from gmai_data.sources.mask_values import values_of_masks
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
        ("a.jpg", (0, 255), "binary", ["1"]),
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
