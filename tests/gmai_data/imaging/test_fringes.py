"""Fringes of masks: what Pillow's smoothing and JPEG make of drawn values is found again; thin structures are none."""

import io

import numpy as np
import pytest
from gmai_data.imaging.fringes import drawn_values, fringe_values, nearest_labels
from gmai_data.ledger import SourceError
from PIL import Image, ImageDraw

SIZE = (96, 64)
INDEX = {"two": (127, 255), "three": (60, 130, 200), "numbers": (10, 20, 30), "touching": (80, 250)}
COLOURS = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 200)]


def drawn(values, touching=False):
    mask = np.zeros(SIZE[::-1], np.uint8)
    for number, value in enumerate(values):
        left = 4 + (16 if touching else 30) * number
        mask[8 + 4 * number : 40, left : left + 16] = value
    return mask


def smoothed(image):
    half = image.resize((SIZE[0] // 2, SIZE[1] // 2), Image.Resampling.BILINEAR)
    return np.asarray(half.resize(SIZE, Image.Resampling.BICUBIC))


def as_jpeg(image, quality=85):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(data))


def codes(mask):
    return mask.astype(np.int64) @ np.array([65536, 256, 1])


@pytest.mark.parametrize("name", INDEX)
@pytest.mark.parametrize("spoil", [smoothed, as_jpeg])
def test_drawn_values_are_found_and_given_back(name, spoil):
    values = INDEX[name]
    mask = drawn(values, touching=name == "touching")
    spoiled = spoil(Image.fromarray(mask))
    found, others = drawn_values(spoiled, lossy=spoil is as_jpeg)
    if not (name == "numbers" and spoil is as_jpeg):  # 10 and 12 are the same value to JPEG: what is left is refused
        assert found.tolist() == [0, *values]
    assert others > 10 or len(np.unique(spoiled)) < 30
    labels, doubted = nearest_labels(spoiled[..., None], [(0,), *((value,) for value in values)], "m.png")
    restored = np.array([0, *values])[labels]
    assert (restored != mask).mean() < 0.03
    assert not doubted
    for value in values:
        rows, columns = np.nonzero(restored == value)
        wanted = np.nonzero(mask == value)
        assert np.abs(np.subtract((rows.min(), columns.min()), (wanted[0].min(), wanted[1].min()))).max() <= 2
        assert np.abs(np.subtract((rows.max(), columns.max()), (wanted[0].max(), wanted[1].max()))).max() <= 2


@pytest.mark.parametrize("spoil", [smoothed, as_jpeg])
def test_colours(spoil):
    mask = np.array(COLOURS, np.uint8)[drawn((1, 2, 3))]
    spoiled = spoil(Image.fromarray(mask))
    found, others = drawn_values(codes(spoiled), lossy=spoil is as_jpeg)
    assert len(found) == 4
    assert others > 20
    for value in found.tolist():
        channels = [value >> 16, value >> 8 & 255, value & 255]
        assert min(np.abs(np.subtract(channels, colour)).max() for colour in COLOURS) <= 3
    labels, doubted = nearest_labels(spoiled, COLOURS, "m.png")
    assert (labels != drawn((1, 2, 3))).mean() < 0.03
    assert not doubted


def lines(values, width):
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[30:60, 30:60] = 1
    for number, value in enumerate(values):
        mask[4 + 4 * number : 4 + 4 * number + width, 4:90] = value
    return mask


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("values", [range(2, 8), range(40, 46), (200, 90, 180, 60, 70, 77)])
def test_thin_structures_are_no_fringes(values, width):
    mask = lines(values, width)
    assert fringe_values(mask).size == 0
    assert drawn_values(mask, lossy=False) == (pytest.approx(np.unique(mask)), 0)


@pytest.mark.parametrize(
    "mask", [np.zeros((9, 9), np.uint8), drawn((1, 2)), drawn((1, 2, 3)), np.eye(64, dtype=np.uint8)]
)
def test_clean_masks_have_none(mask):
    assert fringe_values(mask).size == 0
    labels, _ = nearest_labels(drawn((1, 2))[..., None], [(0,), (1,), (2,)], "m.png")
    assert np.array_equal(labels, drawn((1, 2)))


def test_a_value_that_only_thin_parts_have_is_left_open():
    spoiled = smoothed(Image.fromarray(drawn((127, 255)))).copy()
    spoiled[60, 4:90] = 50
    labels, doubted = nearest_labels(spoiled[..., None], [(0,), (127,), (255,), (50,)], "m.png")
    assert doubted == {3}
    assert 3 not in labels


@pytest.mark.parametrize("value", [60, 90, 190])
def test_a_part_that_the_card_does_not_name_is_refused(value):
    mask = drawn((127, 255))
    mask[20:64, 50:96] = value
    with pytest.raises(SourceError, match=rf"mask has unknown values: \d+ pixels, such as \[{value}\]"):
        nearest_labels(mask[..., None], [(0,), (127,), (255,)], "m.png")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spoil", [as_jpeg, smoothed])
def test_edges_stay_where_they_were_drawn(spoil, seed):
    random = np.random.default_rng(seed)
    canvas = Image.new("L", SIZE)
    for value in (1, 2, 1, 2):
        x, y = random.uniform(16, np.subtract(SIZE, 16))
        a, b = random.uniform(8, 15, 2)
        ImageDraw.Draw(canvas).ellipse((x - a, y - b, x + a, y + b), fill=100 * value)
    spoiled = spoil(canvas)
    labels, _ = nearest_labels(spoiled[..., None], [(0,), (100,), (200,)], "m.png")
    right = np.asarray(canvas) // 100
    # At most a pixel from where an edge is: in the 3 × 3 pixels around each that is wrong, its label occurs.
    around = np.stack([np.roll(right, (row, column), (0, 1)) for row in (-1, 0, 1) for column in (-1, 0, 1)])
    assert (labels != right).mean() < 0.01
    assert (around == labels).any(axis=0).mean() > 0.995
