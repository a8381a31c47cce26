"""Boxes against a plain scipy loop, and their text."""

import numpy as np
import pytest
from gmai_data.imaging.boxes import regions
from scipy import ndimage


def plain_loop(mask):
    """Label each id on the whole picture, 8-connected, as one would write it without caring for speed."""
    found = []
    for label in np.unique(mask):
        if label == 0:
            continue
        components, count = ndimage.label(mask == label, structure=np.ones((3, 3)))
        for component in range(1, count + 1):
            rows, columns = np.nonzero(components == component)
            box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
            found.append((int(label), box, len(rows)))
    return sorted(found)


@pytest.mark.parametrize("seed", range(8))
def test_regions_equal_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 5, (40, 57)) * (rng.random((40, 57)) < 0.4)
    assert sorted(regions(mask.astype(np.uint16))) == plain_loop(mask)


def test_label_ids_above_255_survive():
    mask = np.zeros((6, 6), np.uint16)
    mask[1:3, 1:3], mask[4:6, 4:6] = 300, 44
    assert regions(mask) == [(44, (4, 4, 6, 6), 4), (300, (1, 1, 3, 3), 4)]


def test_mask_without_background():
    assert regions(np.full((3, 4), 7, np.uint8)) == [(7, (0, 0, 4, 3), 12)]


def test_diagonal_pixels_are_one_region():
    assert regions(np.eye(3, dtype=np.uint8)) == [(1, (0, 0, 3, 3), 3)]


def test_a_picture_longer_than_16_bits_count():
    mask = np.zeros((3, 70_000), np.uint8)
    mask[1, 66_000:69_999] = 2
    assert regions(mask) == regions(mask, whole_labels=True) == [(2, (66_000, 1, 69_999, 2), 3999)]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64])
def test_a_part_of_an_array_in_any_integer_type(dtype):
    whole = np.zeros((20, 30), dtype)
    whole[4:10:2, 3:9], whole[12, 20] = 100, 7
    read_only = whole.copy()
    read_only.flags.writeable = False
    for view in (whole[::2, ::3], whole.T, whole[::-1, ::-1], read_only):
        assert sorted(regions(view)) == plain_loop(view)


def test_whole_labels_are_one_region_each_whatever_their_ids():
    mask = np.zeros((8, 9), np.int32)
    mask[0, 0], mask[7, 8], mask[3:5, 2:4] = 100_000, 100_000, 3
    assert regions(mask, whole_labels=True) == [(3, (2, 3, 4, 5), 4), (100_000, (0, 0, 9, 8), 2)]


def test_nothing_marked_is_no_region():
    assert regions(np.zeros((5, 4), np.uint8)) == regions(np.zeros((5, 4), np.int32), whole_labels=True) == []


def test_ids_below_zero_are_labels_too():
    mask = np.zeros((5, 6), np.int16)
    mask[0, :2], mask[3:, 4] = -1, 2
    expected = [(-1, (0, 0, 2, 1), 2), (2, (4, 3, 5, 5), 2)]
    assert regions(mask) == regions(mask, whole_labels=True) == expected
