"""Masks of one structure: two values, whatever they are; smooth edges; and what is refused by name."""

import io

import numpy as np
import pytest
from gmai_data.imaging.binary_masks import marked_pixels, marked_voxels
from gmai_data.ledger import SourceError
from PIL import Image

MARK = np.zeros((64, 80), np.uint8)
MARK[10:30, 30:60] = 1


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 2), (0, 38), (0, 100), (0, 128), (0, 255), (7, 9), (100, 200)])
def test_the_higher_of_two_values_marks(low, high):
    mask = np.where(MARK, high, low).astype(np.uint8)
    assert np.array_equal(marked_pixels(mask, "m"), MARK)
    assert np.array_equal(marked_pixels(mask, "m", inverted=True), 1 - MARK)
    assert np.array_equal(marked_voxels(mask, "m"), MARK == 1)


@pytest.mark.parametrize("mask", [MARK.astype(np.uint16) * 65535, MARK.astype(np.int32) * 300, MARK * 0.5, -1.0 + MARK])
def test_deep_and_float_masks(mask):
    assert np.array_equal(marked_pixels(mask, "m"), MARK)
    assert np.array_equal(marked_voxels(mask, "m"), MARK == 1)


def test_what_resampling_leaves_of_one_is_one():
    mask = MARK * np.float32(0.99999994)
    mask[12, 40] = 1
    assert np.array_equal(marked_pixels(mask, "m"), MARK)
    assert np.array_equal(marked_voxels(mask, "m"), MARK == 1)


@pytest.mark.parametrize("alpha", [255, 128, "mark", "other"])
def test_alpha_never_marks(alpha):
    planes = {"mark": MARK * 255, "other": np.roll(MARK, 20, 0) * 255}
    plane = planes[alpha] if alpha in planes else np.full(MARK.shape, alpha, np.uint8)
    grey = MARK * 255
    for mask in (np.dstack([grey, plane]), np.dstack([grey, grey, grey, plane])):
        assert np.array_equal(marked_pixels(mask, "m"), MARK)


def test_a_mask_in_its_alpha_only_is_refused():
    for colours in (np.dstack([MARK * 0] * 3), np.full((*MARK.shape, 3), 255, np.uint8)):
        with pytest.raises(SourceError, match="alpha never marks; save the mask in black and white"):
            marked_pixels(np.dstack([colours, MARK * 255]), "m")


def test_one_value_is_all_or_nothing():
    assert marked_pixels(MARK * 0, "m").sum() == 0
    assert marked_pixels(np.full_like(MARK, 255), "m").all()
    assert not marked_voxels(np.zeros((2, 2, 2)), "m").any()


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0, 1, 2], "0, 1, 2"),
        ([0, 128, 255], "0, 128, 255"),
        ([0, 1, 255], "0, 1, 255"),
        ([0, 85, 170, 255], "0, 85, 170"),
    ],
)
def test_numbers_of_several_structures_are_refused_with_their_values(values, shown):
    mask = np.repeat(np.repeat(np.resize(np.array(values, np.uint8), (4, 5)), 16, 0), 16, 1)
    for judge in (marked_pixels, marked_voxels):
        with pytest.raises(SourceError, match=rf"mask has several values: {len(values)} values \({shown}") as refused:
            judge(mask, "m")
        assert refused.value.file == "m"


def test_many_numbers_away_from_edges_are_no_smooth_edge():
    mask = np.repeat(np.repeat(np.linspace(0, 255, 20).astype(np.uint8).reshape(4, 5), 20, 0), 20, 1)
    with pytest.raises(SourceError, match="20 values"):
        marked_pixels(mask, "m")


def test_numbers_of_many_small_objects_are_no_smooth_edge():
    mask = np.zeros((64, 64), np.uint8)
    for number in range(1, 201):
        y, x = divmod(number - 1, 16)
        mask[4 * y : 4 * y + 3, 4 * x : 4 * x + 3] = number
    with pytest.raises(SourceError, match="mask has several values"):
        marked_pixels(mask, "m")


@pytest.mark.parametrize("resample", [Image.Resampling.LANCZOS, Image.Resampling.BICUBIC])
def test_smooth_edges_keep_the_shape(resample):
    mask = np.asarray(Image.fromarray(MARK * 255).resize((313, 251), resample))
    assert len(np.unique(mask)) > 10
    rows, columns = np.nonzero(marked_pixels(mask, "m"))
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert box == pytest.approx([30 * 313 / 80, 10 * 251 / 64, 60 * 313 / 80, 30 * 251 / 64], abs=1)


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_jpeg_masks(quality):
    file = io.BytesIO()
    Image.fromarray(np.kron(MARK, np.ones((4, 4), np.uint8)) * 255).save(file, "JPEG", quality=quality)
    mask = np.asarray(Image.open(file))
    rows, columns = np.nonzero(marked_pixels(mask, "m"))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (120, 40, 240, 120)


def test_coloured_marks():
    red = np.dstack([MARK * 255, MARK * 0, MARK * 0])
    assert np.array_equal(marked_pixels(red, "m"), MARK)
    equal = np.dstack([MARK * 255, 255 - MARK * 255, MARK * 0])
    with pytest.raises(SourceError, match="equally bright; read it as `encoding: colour`"):
        marked_pixels(equal, "m")


def test_values_that_are_no_numbers():
    mask = MARK.astype(float)
    mask[0, 0] = np.nan
    with pytest.raises(SourceError, match="values that are no numbers"):
        marked_pixels(mask, "m")


def test_a_jpeg_holds_no_numbers_so_that_its_few_values_are_noise():
    mask = MARK * np.uint8(254)
    mask[9, 30:60], mask[29, 31:40] = 1, 255
    assert np.array_equal(marked_pixels(mask, "masks/1.JPG"), MARK)
    with pytest.raises(SourceError, match="mask has several values"):
        marked_pixels(mask, "masks/1.png")
    labels = np.zeros((64, 80), np.uint8)
    labels[10:30, 10:30], labels[10:30, 40:60] = 128, 255
    with pytest.raises(SourceError, match="mask has several values"):
        marked_pixels(labels, "masks/1.jpg")
