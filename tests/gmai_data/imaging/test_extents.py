"""Extents agree with SciPy, which gmai-data itself does without for its size."""

import numpy as np
import pytest
import scipy.ndimage as ndimage
from gmai_data.imaging.extents import extents

SHAPES = ((1, 1), (7, 1), (1, 9), (23, 31), (1, 5, 6), (9, 11, 13), (12, 1, 7))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_extents_are_those_of_scipy(shape, dtype, share):
    rng = np.random.default_rng([*shape, int(100 * share)])
    labels = np.where(rng.random(shape) < share, rng.integers(1, 9, shape), 0).astype(dtype)
    assert extents(labels) == ndimage.find_objects(labels)


def test_a_label_that_does_not_occur_has_no_extent():
    labels = np.zeros((4, 6), np.uint8)
    labels[1:3, 2:5] = 3
    assert extents(labels) == [None, None, (slice(1, 3), slice(2, 5))]
    assert extents(np.zeros((0, 6), np.uint8)) == []


def test_a_run_does_not_go_on_in_the_next_row():
    labels = np.array([[0, 0, 1], [1, 0, 0]], np.uint8)
    assert extents(labels) == [(slice(0, 2), slice(0, 3))]
