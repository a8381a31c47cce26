"""Slice rules on a volume whose labelled areas are known."""

import numpy as np
import pytest
from gmai_data.imaging.grids import Volume
from gmai_data.imaging.rules import SliceRule
from gmai_data.imaging.slices import choose_slices, choose_unlabelled, planes_of, spread


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


@pytest.mark.parametrize(
    ("spacing_mm", "axes", "expected"),
    [
        ((0.5, 0.5, 4.0), ["acquired"], ("sagittal",)),
        ((0.5, 3.0, 0.5), ["acquired"], ("coronal",)),
        ((5.0, 0.7, 0.7), ["acquired"], ("axial",)),
        ((1.0, 1.0, 1.0), ["acquired"], ("axial",)),
        ((1.0, 1.01, 1.0), ["acquired"], ("axial",)),
        ((0.5, 0.5, 4.0), ["sagittal", "acquired", "axial"], ("sagittal", "axial")),
        ((0.5, 0.5, 4.0), ["axial"], ("axial",)),
    ],
)
def test_the_acquired_plane_is_the_one_across_the_thickest_slices(spacing_mm, axes, expected):
    shown = Volume(np.zeros((4, 4, 4), np.uint8), np.eye(4), spacing_mm)
    assert planes_of(shown, SliceRule(axes=axes)) == expected


def test_other_axis_and_empty_mask():
    assert choose_slices([volume()], SliceRule(), "sagittal") == [0, 5]
    empty = Volume(np.zeros((2, 2, 2), np.uint8), np.eye(4), (1.0, 1.0, 1.0))
    assert choose_slices([empty], SliceRule(), "axial") == []


def test_gap_step_in_mm_and_negatives():
    array = np.zeros((20, 4, 4), np.uint8)
    array[4:14, 1, 1] = 1
    array[8, 1:3, 1:3] = 1
    mask = Volume(array, np.eye(4), (2.5, 1.0, 1.0))
    assert choose_slices([mask], SliceRule(min_gap_mm=10), "axial") == [4, 8, 12]
    assert choose_slices([mask], SliceRule(rule="every_n", every_mm=5), "axial") == [4, 6, 8, 10, 12]
    with_negatives = choose_slices([mask], SliceRule(negatives=0.2), "axial")
    assert len(with_negatives) == 12
    assert spread(range(10), 2) == [2, 7]


def test_of_two_that_are_too_close_the_one_with_more_labels_stays():
    assert choose_slices([volume()], SliceRule(min_gap_mm=2), "axial") == [1, 3, 6]
    assert choose_slices([volume()], SliceRule(min_gap_mm=4), "axial") == [3]


def test_a_volume_without_a_mask_counts_as_labelled_everywhere():
    assert choose_unlabelled(volume(), SliceRule(), "axial") == list(range(8))
    assert choose_unlabelled(volume(), SliceRule(rule="top_k", k=2), "axial") == [2, 6]
    assert choose_unlabelled(volume(), SliceRule(rule="max_area"), "axial") == [4]
    assert choose_unlabelled(volume(), SliceRule(rule="every_n", n=3), "axial") == [0, 3, 6]
    assert choose_unlabelled(volume(), SliceRule(min_gap_mm=3), "axial") == [0, 3, 6]


@pytest.mark.parametrize(
    ("count", "found"), [(0, []), (1, [5]), (3, [1, 5, 8]), (10, list(range(10))), (99, list(range(10)))]
)
def test_what_is_spread_lies_evenly(count, found):
    assert spread(range(10), count) == found
