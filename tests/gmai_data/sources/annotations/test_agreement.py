"""Boxes of several readers: what enough of them marked."""

import numpy as np
from gmai_data.sources.annotations.agreement import agreed_pixels, seen_by


def test_a_pixel_counts_that_two_readers_marked():
    boxes = {"R1": [(0, 0, 4, 4), (1, 1, 3, 3)], "R2": [(2, 2, 6, 6)], "R3": [(8, 8, 9, 9)]}
    found = agreed_pixels(boxes, (10, 12), 2)
    assert found.shape == (12, 10)
    assert np.argwhere(found).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]
    assert agreed_pixels(boxes, (10, 12), 3).sum() == 0
    assert agreed_pixels(boxes, (10, 12), 1).sum() == 16 + 16 - 4 + 1


def test_who_saw_a_label():
    assert seen_by([("R1", "mass"), ("R2", "mass"), ("R1", "mass"), ("R3", "normal")]) == {
        "mass": {"R1", "R2"},
        "normal": {"R3"},
    }
