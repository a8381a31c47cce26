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
