"""Masks of a volume as layers: whole numbers, overlaps, and regions that are connected in space."""

import numpy as np
import pytest
from gmai_data.imaging.grids import Volume
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations import label_volumes
from gmai_data.sources.annotations.label_volumes import (
    ROUNDING,
    Layer,
    layers_of_segments,
    layers_of_structures,
    whole_numbers,
    with_parts,
)
from gmai_data.sources.items import SMALL_PART

SPACING_MM = (2.0, 1.0, 1.0)


def volume(array, **changes):
    return Volume(array, np.eye(4), SPACING_MM, **changes)


def test_whole_numbers_stay_as_they_are():
    mask = volume(np.ones((2, 3, 4), np.uint16))
    assert whole_numbers(mask, "f") is mask


@pytest.mark.parametrize("off", [0.0, ROUNDING * 0.9, -ROUNDING * 0.9])
def test_floats_that_are_whole_are_rounded(off):
    array = np.full((2, 3, 4), 3 + off, np.float64)
    found = whole_numbers(volume(array), "f").array
    assert found.dtype == np.int32
    assert (found == 3).all()


def test_a_slope_is_applied_before():
    found = whole_numbers(volume(np.full((2, 3, 4), 6, np.int16), slope=0.5, intercept=1.0), "f")
    assert (found.array == 4).all()
    assert (found.slope, found.intercept) == (1.0, 0.0)


@pytest.mark.parametrize("value", [0.5, 3 + ROUNDING * 1.1])
def test_fractions_are_refused(value):
    array = np.zeros((2, 3, 4))
    array[1, 2, 3] = value
    with pytest.raises(SourceError, match="mask is not a label mask: it has fractions; resample it with nearest neig"):
        whole_numbers(volume(array), "f")


def structure(*places):
    array = np.zeros((2, 6, 8), np.uint8)
    for place in places:
        array[place] = 1
    return volume(array)


def test_structures_that_overlap_lie_in_layers_of_their_own():
    left, right, both = np.s_[:, 1:5, 0:3], np.s_[:, 1:5, 4:7], np.s_[0, 1:5, 2:5]
    image = volume(np.zeros((2, 6, 8), np.int16))
    named = [("a", structure(left), "a.nii"), ("b", structure(right), "b.nii"), ("c", structure(both), "c.nii"),
             ("d", structure(), "d.nii")]  # fmt: skip
    first, second = layers_of_structures(named, image)
    assert [first.raw(label) for label in (1, 2, 3)] == ["a", "b", "c"]
    assert (first.volume.array[left] == 1).all()
    assert (first.volume.array[right] == 2).all()
    assert first.volume.array.sum() == 24 + 2 * 24
    assert (second.volume.array[both] == 3).all()
    assert second.volume.array.sum() == 3 * 12


def test_without_a_structure_there_is_one_empty_layer():
    image = volume(np.zeros((2, 6, 8), np.int16))
    (layer,) = layers_of_structures([("a", structure(), "a.nii")], image)
    assert not layer.volume.array.any()
    with pytest.raises(SourceError, match="grids differ") as caught:
        layers_of_structures([("a", volume(np.zeros((3, 6, 8), np.uint8)), "a.nii")], image)
    assert caught.value.file == "a.nii"


def test_ids_are_raw_labels_unless_names_are_given():
    mask = volume(np.zeros((1, 1, 1), np.uint8))
    assert Layer(mask).raw(7) == "7"
    assert Layer(mask, {7: "liver"}).raw(7) == "liver"


def test_regions_of_a_slice_stand_in_square_pixels():
    array = np.zeros((2, 6, 8), np.uint8)
    array[1, 1:3, 2:4] = 5
    assert Layer(volume(array)).regions_of_slice("axial", 1, (1.0, 1.0), whole_labels=False) == [(5, (2, 1, 4, 3), 4)]
    assert Layer(volume(array)).regions_of_slice("axial", 0, (1.0, 1.0), whole_labels=False) == []
    ((label, box, _),) = Layer(volume(array)).regions_of_slice("axial", 1, (2.0, 1.0), whole_labels=False)
    assert (label, box) == (5, (2, 2, 4, 6))


def test_parts_are_connected_over_corners_and_each_keeps_its_label():
    array = np.zeros((3, 5, 5), np.uint16)
    array[0, 0, 0] = array[1, 1, 1] = 300  # neighbours over a corner
    array[0, 4, 4] = 300
    array[2, 0, 4] = 7
    layer = with_parts(Layer(volume(array)), min_mm3=0)
    assert layer.labels_of_parts == (0, 7, 300, 300)
    assert layer.parts.array[0, 0, 0] == layer.parts.array[1, 1, 1] != layer.parts.array[0, 4, 4]
    assert layer.small_parts == frozenset()
    found = layer.regions_of_slice("axial", 0, (1.0, 1.0), whole_labels=False)
    assert sorted(found) == [(300, (0, 0, 1, 1), 1), (300, (4, 4, 5, 5), 1)]


@pytest.mark.parametrize(("min_mm3", "small"), [(4.0, False), (4.1, True)])
def test_a_part_is_small_by_its_size_in_space(min_mm3, small):
    array = np.zeros((3, 5, 5), np.uint8)
    array[0:2, 2, 2] = 1  # two voxels of 2 mm³
    layer = with_parts(Layer(volume(array)), min_mm3)
    ((label, _, area),) = layer.regions_of_slice("axial", 0, (1.0, 1.0), whole_labels=False)
    assert (label, area) == (1, SMALL_PART if small else 1)


def test_a_volume_that_cannot_be_seen_as_a_whole_is_refused(monkeypatch):
    layer = Layer(volume(np.zeros((3, 5, 5), np.uint8)))
    monkeypatch.setattr(label_volumes, "IN_MEMORY_BYTES", 75)
    with_parts(layer, 0)
    monkeypatch.setattr(label_volumes, "IN_MEMORY_BYTES", 74)
    with pytest.raises(SourceError, match=r"too large for regions in 3-D: shape \(3, 5, 5\); use boxes.per: component"):
        with_parts(layer, 0)


def test_regions_connected_in_the_volume_are_one():
    array = np.zeros((3, 10, 20), np.uint16)
    array[0, 2:8, 2:6] = array[0, 2:8, 12:16] = array[1, 2:8, 2:16] = 300
    array[2, 9, 19] = 300
    layer = with_parts(Layer(Volume(array, np.eye(4), (1.0, 1.0, 1.0))), min_mm3=5)
    found = layer.regions_of_slice("axial", 0, (1.0, 1.0), whole_labels=False)
    assert found == [(300, (2, 2, 16, 8), 48)]
    small = layer.regions_of_slice("axial", 2, (1.0, 1.0), whole_labels=False)
    assert small == [(300, (19, 9, 20, 10), SMALL_PART)], "there, but too small for a box"


@pytest.mark.parametrize(
    ("labels", "raws", "beside"),
    [
        ({"liver": "L", "spleen": "S"}, ["liver", "tumour"], ("spleen",)),  # raw labels
        ({"1": "liver", "2": "spleen"}, ["1", "tumour"], ("2",)),  # full names, whatever the numbers of this case
        ({"7": "tumour"}, ["liver", "7"], ()),
        ({"3": "L", "4": "T", "5": "S"}, ["3", "4"], ("5",)),  # none of the names: numbers
    ],
)
def test_segments_are_known_by_their_names_and_else_by_their_numbers(labels, raws, beside, toy, monkeypatch):
    image = volume(np.zeros((2, 3, 4), np.int16))
    liver, tumour = np.zeros((2, 2, 3, 4), np.uint8)
    liver[0, 0, :2], tumour[0, 0, 1:3] = 1, 1
    cut = Volume(tumour[:, :2, 1:], np.eye(4) + np.array([[0, 0, 0, 1]] + [[0] * 4] * 3), SPACING_MM)
    segments = [("liver", 3, volume(liver)), ("tumour", 4, cut)]
    monkeypatch.setattr(label_volumes, "load_segments", lambda *_: segments)
    layers, left = layers_of_segments(None, "m", image, toy(labels=labels))
    assert left == beside
    found = {layer.raw(number): layer.volume.array == number for layer in layers for number in layer.names}
    assert list(dict.fromkeys(found)) == raws
    assert any(np.array_equal(layer.volume.array == 2, tumour) for layer in layers)
    monkeypatch.setattr(
        label_volumes, "load_segments", lambda *_: [("liver", 3, volume(np.zeros((1, 1, 1), np.uint8)))]
    )
    layers, _ = layers_of_segments(None, "m", image, toy(labels=labels))
    assert not any(layer.volume.array.any() for layer in layers)
    monkeypatch.setattr(label_volumes, "load_segments", lambda *_: None)
    assert layers_of_segments(None, "m", image, toy(labels=labels)) is None
