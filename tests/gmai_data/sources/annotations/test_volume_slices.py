"""A volume and its masks ▶ slices in every window, with boxes and a record of what is shown."""

import dataclasses

import numpy as np
import pytest
from gmai_data.imaging.dicom_stacks import Planes, Slice
from gmai_data.imaging.grids import Volume
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.sources.annotations.label_volumes import Layer
from gmai_data.sources.annotations.volume_slices import HEALTHY_SLICES, slices_of_volume
from gmai_data.sources.items import Item
from gmai_formats.pictures.display import HeaderDisplay

CT = {"modality": "CT", "labels": {"1": "alpha", "2": "beta"}, "task": "3d_segmentation"}


@pytest.fixture
def image():
    values = np.random.default_rng(0).integers(-900, 300, (6, 24, 32)).astype(np.int16)
    return Volume(values, np.eye(4), (2.0, 1.0, 1.0), in_hounsfield=True)


@pytest.fixture
def layer():
    array = np.zeros((6, 24, 32), np.uint8)
    array[2:4, 3:9, 4:12] = 1
    return Layer(Volume(array, np.eye(4), (2.0, 1.0, 1.0)))


def planes(displays, orientation=(1, 0, 0, 0, 1, 0), step=(0, 0, 2.0)):
    """Return where axial slices of DICOM lie, each of which asks to be shown in its own way."""
    slices = [
        Slice(f"{number}", None, (24, 32), np.array(orientation, float), np.multiply(step, number), (1.0, 1.0),
              display=display)
        for number, display in enumerate(displays)
    ]  # fmt: skip
    return Planes(tuple(slices), np.eye(4))


def shown(image, layers, card, raw_labels=(), **more):
    item = Item("case", ("x.nii", "m.nii") if layers else ("x.nii",), raw_labels=raw_labels)
    return list(slices_of_volume(image, layers, item, card, Ledger(), **more))


def test_labelled_slices_with_their_boxes_and_record(image, layer, toy):
    first, second = shown(image, [layer], toy(**CT))
    assert [first.name, second.name] == ["axial_0002", "axial_0003"]
    assert [(box.label, box.xyxy) for box in first.boxes] == [("alpha", (4, 3, 12, 9))]
    assert first.labels == ("alpha",)
    assert first.geometry == {
        "box_origin": "mask", "mask": "m.nii", "axis": "axial", "slice": 2, "window": "soft_tissue 40/400",
        "spacing_mm": [1.0, 2.0],
    }  # fmt: skip
    low, high = 40 - 200, 40 + 200
    expected = np.clip((image.array[2] - low) / (high - low) * 255, 0, 255)
    assert np.abs(first.pixels.astype(float) - expected).max() <= 1


def test_without_a_mask_labels_are_the_items_and_the_cards(image, toy):
    card = toy(**{**CT, "task": "3d_classification"}, labels_of_every_image=["2"], slices={"rule": "centre"})
    (picture,) = shown(image, [], card, raw_labels=("1",))
    assert picture.labels == ("beta", "alpha")
    assert "mask" not in picture.geometry


def test_a_frame_flags_and_header_stand_in_the_record(image, layer, toy):
    image = dataclasses.replace(image, flags=("gantry tilt 3.0 degrees",), facts={"Modality": "CT"})
    picture = shown(image, [layer], toy(**CT), frame=3)[0]
    assert picture.name == "frame0003_axial_0002"
    assert (picture.geometry["frame"], picture.geometry["flags"]) == (3, ["gantry tilt 3.0 degrees"])
    assert picture.geometry["header"] == {"Modality": "CT"}


def test_a_case_without_a_label_is_set_aside_or_healthy(image, layer, toy):
    empty = Layer(dataclasses.replace(layer.volume, array=np.zeros((6, 24, 32), np.uint8)))
    with pytest.raises(SetAside, match="no voxel is labelled"):
        shown(image, [empty], toy(**CT, exhaustive=False))
    assert HEALTHY_SLICES == 8
    for negatives, count in ((0.0, 1), (0.25, 2), (0.5, 4)):
        card = toy(**CT, slices={"negatives": negatives})
        found = shown(image, [empty], card)
        assert len(found) == count
        assert all(picture.labels == () for picture in found)


def test_a_mask_on_another_grid_is_refused(image, layer, toy):
    moved = Layer(dataclasses.replace(layer.volume, affine=np.diag([1.0, 1.0, 1.5, 1.0])))
    with pytest.raises(SourceError, match="grids differ") as caught:
        shown(image, [moved], toy(**CT))
    assert caught.value.file == "m.nii"


def test_windows_of_the_header(image, layer, toy):
    with pytest.raises(SourceError, match="no window in the header: name a window in the card instead"):
        shown(image, [layer], toy(**CT, windows=["header"]))
    image = dataclasses.replace(image, planes=planes([HeaderDisplay(((50.0, 350.0), (-600.0, 1500.0)))] * 6))
    assert [picture.geometry["window"] for picture in shown(image, [layer], toy(**CT, windows=["header"]))] == [
        "header 50/350"
    ] * 2
    found = shown(image, [layer], toy(**CT, windows=["header_all"]))
    assert [picture.name for picture in found[:2]] == ["axial_0002_header0", "axial_0002_header1"]
    assert found[1].geometry["window"] == "header -600/1500"


def test_suv_of_pet(image, layer, toy):
    card = toy(**{**CT, "modality": "PET"}, windows=["suv"])
    with pytest.raises(SourceError, match="no SUV: the header lacks units, weight, dose, times or corrections"):
        shown(image, [layer], card)
    values = np.zeros((6, 24, 32), np.float32)
    values[2, :, :16] = 100  # 100 Bq/ml of 0.05 g/ml: SUV 5
    pet = dataclasses.replace(image, array=values, suv_per_unit=0.05)
    picture = shown(pet, [layer], card)[0]
    assert picture.geometry["window"].startswith("suv 0–")
    highest = float(picture.geometry["window"].removeprefix("suv 0–"))
    assert abs(int(picture.pixels[0, 0]) - 255 * 5 / highest) <= 1
    assert picture.pixels[0, 20] == 0
    assert shown(pet, [layer], toy(**{**CT, "modality": "PET"}))[0].geometry["window"].startswith("suv 0–")


def test_mr_is_shown_by_percentiles_and_a_flat_volume_is_refused(image, layer, toy):
    card = toy(**{**CT, "modality": "MR"})
    assert shown(image, [layer], card)[0].geometry["window"].startswith("percentile ")
    flat = dataclasses.replace(image, array=np.full((6, 24, 32), 7, np.int16))
    with pytest.raises(SourceError, match="nothing to see in the volume"):
        shown(flat, [layer], card)


def test_regions_in_space_that_are_small_have_no_box(image, layer, toy):
    card = toy(**CT, boxes={"per": "component_3d", "min_mm3": 193.0})
    (picture, _) = shown(image, [layer], card)
    assert (picture.boxes, picture.labels, picture.incomplete) == ((), ("alpha",), ("alpha",))
    card = toy(**CT, boxes={"per": "component_3d", "min_mm3": 192.0})
    assert len(shown(image, [layer], card)[0].boxes) == 1
