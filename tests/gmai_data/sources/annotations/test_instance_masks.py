"""Numbered objects beside scikit-image's regions."""

import numpy as np
import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.instance_masks import (
    classes_by_list,
    classes_by_map,
    numbered_objects,
    objects_of,
    whole_ids,
)


@pytest.fixture
def numbers():
    """Thirty overlapping rectangles, of which some are in parts."""
    rng = np.random.default_rng(0)
    mask = np.zeros((60, 80), np.int32)
    for number in range(1, 31):
        y, x = rng.integers(0, 50), rng.integers(0, 70)
        mask[y : y + rng.integers(3, 12), x : x + rng.integers(3, 12)] = number * 1000
    return mask


def regions_of_skimage(mask):
    measure = pytest.importorskip("skimage.measure")
    found = measure.regionprops(mask)
    return {(r.label, (r.bbox[1], r.bbox[0], r.bbox[3], r.bbox[2]), int(r.area)) for r in found}


def test_each_number_is_one_object(numbers):
    found = objects_of(numbers, "instances", "f")
    assert {(box, area) for _, box, area in found} == {(box, area) for _, box, area in regions_of_skimage(numbers)}
    assert {raw for raw, _, _ in found} == {"1"}
    assert objects_of(numbers[..., None].astype(np.float64), "instances", "f") == found


def test_classes_by_map_and_by_list(numbers):
    kinds = np.where(numbers == 0, 0, numbers // 1000 % 3 + 1)
    wanted = {(str(number // 1000 % 3 + 1), box, area) for number, box, area in regions_of_skimage(numbers)}
    by_map = numbered_objects(numbers, classes_by_map(numbers, kinds, "f"), "f")
    assert set(by_map) == wanted
    ids = np.arange(1, 31)
    by_list = classes_by_list((ids % 3 + 1).reshape(-1, 1), ids * 1000, "f")
    assert set(numbered_objects(numbers, by_list, "f")) == wanted
    assert classes_by_list(np.array([[2.0], [1.0]]), None, "f") == {1: "2", 2: "1"}
    assert set(objects_of(np.stack([numbers, kinds], axis=2), "instances_and_classes", "f")) == wanted


def test_channels(numbers):
    planes = np.stack([np.where(numbers // 1000 % 3 == kind, numbers, 0) for kind in range(3)], axis=2)
    found = objects_of(planes, "instances_per_class", "f")
    wanted = {(str(number // 1000 % 3), box, area) for number, box, area in regions_of_skimage(numbers)}
    assert set(found) == wanted
    measure = pytest.importorskip("skimage.measure")
    for kind in range(3):
        parts = regions_of_skimage(measure.label(planes[..., kind] > 0, connectivity=2))
        of_channel = {(box, area) for raw, box, area in objects_of(planes, "one_hot", "f") if raw == str(kind)}
        assert of_channel == {(box, area) for _, box, area in parts}
        (one,) = [box for raw, box, _ in objects_of(planes, "one_hot", "f", whole_labels=True) if raw == str(kind)]
        ys, xs = np.nonzero(planes[..., kind])
        assert one == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)


@pytest.mark.parametrize(
    ("mask", "form", "reason"),
    [
        (np.zeros((4, 4, 3), np.uint8), "instances", "mask of another form: shape .4, 4, 3.; instances has 1 channels"),
        (np.zeros((4, 4), np.uint8), "instances_and_classes", "mask of another form"),
        (np.full((4, 4), 0.5), "classes", "mask is not a label mask"),
        (np.full((4, 4), np.nan), "classes", "mask is not a label mask"),
    ],
)
def test_masks_of_another_form(mask, form, reason):
    with pytest.raises(SourceError, match=reason):
        objects_of(mask, form, "f")


def test_objects_without_a_class_or_with_two(numbers):
    with pytest.raises(SourceError, match="object without a class: number 1000 of the mask has none in the list"):
        numbered_objects(numbers, {}, "f")
    kinds = np.where(numbers == 0, 0, 1)
    kinds.flat[np.flatnonzero(numbers.ravel() == 5000)[0]] = 2
    with pytest.raises(SourceError, match="object of several classes: number 5000"):
        classes_by_map(numbers, kinds, "f")
    with pytest.raises(SourceError, match="mask of another size"):
        classes_by_map(numbers, kinds[1:], "f")
    with pytest.raises(SourceError, match="2 classes, 1 numbers of objects"):
        classes_by_list(np.array([1, 2]), np.array([1]), "f")
    assert whole_ids(np.array([True, False]), "f").dtype == np.uint8
