"""Slice rules on a volume whose labelled areas are known."""

import numpy as np
import pytest
from gmai_data.imaging.grids import Volume
from gmai_data.imaging.rules import SliceRule
from gmai_data.imaging.slices import choose_slices


def volume():
    array = np.zeros((8, 10, 10), np.uint8)
    for z, size in {1: 2, 2: 5, 3: 9, 4: 4, 6: 3}.items():
        array[z, :size, 0] = 1
    array[6, 0:2, 5] = 2
    array[1, 0:1, 5] = 2
    return Volume(array, np.eye(4), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"rule": "all_positive"}, [1, 2, 3, 4, 6]),
        ({"rule": "every_n", "n": 2}, [1, 3, 6]),
        ({"rule": "centre"}, [3]),
        ({"rule": "top_k", "k": 2}, [2, 3]),
        ({"rule": "max_area"}, [3, 6]),
    ],
)
def test_rules(rule, expected):
    assert choose_slices([volume()], SliceRule(**rule), "axial") == expected


def test_other_axis_and_empty_mask():
    assert choose_slices([volume()], SliceRule(), "sagittal") == [0, 5]
    empty = Volume(np.zeros((2, 2, 2), np.uint8), np.eye(4), (1.0, 1.0, 1.0))
    assert choose_slices([empty], SliceRule(), "axial") == []
