"""Many images in one array file, with their labels beside them."""

import numpy as np
import pytest
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.arrays import Arrays

LABELS = {"0": "alpha", "1": "beta", "2": "gamma"}
LAYOUT = {"kind": "arrays", "files": "m.npz"}


def one(images, labels, read, toy, tmp_path, **changes):
    """Return (picture, reason) of an archive of one image."""
    np.savez(tmp_path / "m.npz", train_images=np.asarray(images)[None], train_labels=np.asarray(labels)[None])
    pictures, reasons = read(toy(layout=LAYOUT, labels=LABELS, **changes))
    return (next(iter(pictures.values()))[0] if pictures else None), next(iter(reasons.values()), None)


def test_splits_of_an_archive_are_told_by_the_names_of_its_arrays(tmp_path, pixels, read, toy):
    images = pixels(0, (5, 28, 28, 3))
    labels = np.array([[0], [1], [2], [1], [9]])
    np.savez(tmp_path / "m.npz", train_images=images[:3], train_labels=labels[:3], val_images=images[3:],
             val_labels=labels[3:])  # fmt: skip
    card = toy(layout=LAYOUT, labels=LABELS)
    items = {item.key: item.split for item in card.layout.list_items(card, tmp_path)}
    assert items == {
        "m.npz/train/0000000": "train", "m.npz/train/0000001": "train", "m.npz/train/0000002": "train",
        "m.npz/val/0000000": "validation", "m.npz/val/0000001": "validation",
    }  # fmt: skip
    pictures, reasons = read(card)
    assert [found[0].labels for found in pictures.values()] == [("alpha",), ("beta",), ("gamma",), ("beta",)]
    assert np.array_equal(pictures["m.npz/train/0000001"][0].pixels, images[1])
    assert pictures["m.npz/train/0000001"][0].geometry == {"position": 1}
    assert list(reasons) == ["m.npz/val/0000001"]
    assert reasons["m.npz/val/0000001"].startswith('label not in the map: "9"')


def test_npy_files_have_their_labels_in_a_second_file(tmp_path, pixels, read, toy):
    np.save(tmp_path / "x.npy", pixels(0, (3, 28, 28)))
    np.save(tmp_path / "x_labels.npy", np.array([2, 1, 0]))
    layout = {"kind": "arrays", "files": "x.npy", "labels": "{stem}_labels.npy"}
    found, reasons = read(toy(layout=layout, labels=LABELS))
    assert ([each[0].labels for each in found.values()], reasons) == ([("gamma",), ("beta",), ("alpha",)], {})
    np.save(tmp_path / "x_labels.npy", np.array([2, 1]))
    _, reasons = read(toy(layout=layout, labels=LABELS))
    assert set(reasons.values()) == {"images and labels differ: 3 images, 2 labels"}


@pytest.mark.parametrize(
    ("label", "labels", "uncertain"),
    [
        ([2], ("gamma",), ()),
        (1.0, ("beta",), ()),
        ([1, 0, 1], ("alpha", "gamma"), ()),
        ([0, 0, 0], (), ()),
        ([1, -1, 0], ("alpha",), ("beta",)),
        ([np.nan, 1, 0], ("beta",), ("alpha",)),
    ],
)
def test_numbers_and_one_hot_rows(tmp_path, pixels, read, toy, label, labels, uncertain):
    picture, _ = one(pixels(), label, read, toy, tmp_path)
    assert (picture.labels, picture.uncertain) == (labels, uncertain)


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ([0.5], "label unreadable: 0.5 is no whole number; correct the array"),
        ([1, 2, 0], "label unreadable: a one-hot row holds 0, 1 and, where it is open, -1 or NaN"),
        ([0.5, 0, 0], "label unreadable: a one-hot row holds"),
    ],
)
def test_labels_that_are_neither(tmp_path, pixels, read, toy, label, reason):
    assert one(pixels(), label, read, toy, tmp_path)[1].startswith(reason)


def test_forms_of_images(tmp_path, pixels, read, toy):
    colour, grey = pixels(), pixels(1)[..., 0]
    for stored, shown in ((colour.transpose(2, 0, 1), colour), (grey[..., None], grey), (grey[None], grey)):
        picture, _ = one(stored, 0, read, toy, tmp_path)
        assert np.array_equal(picture.pixels, shown)
    picture, _ = one(grey / np.float32(255), 0, read, toy, tmp_path)
    assert np.abs(picture.pixels.astype(int) - grey).max() <= 1, "a share of white"
    assert "window" not in picture.geometry
    picture, _ = one(grey.astype(np.int16) * 20, 0, read, toy, tmp_path)
    assert picture.geometry["window"].startswith("percentiles ")
    _, reason = one(pixels(0, (24, 32, 4)), 0, read, toy, tmp_path)
    assert reason == "not an image: shape (24, 32, 4); grey or RGB is expected"


def test_a_damaged_file_is_one_item_with_a_reason(put, read, toy):
    put("m.npz", b"no archive")
    _, reasons = read(toy(layout=LAYOUT, labels=LABELS))
    assert reasons == {"m.npz": "array file unreadable: File is not a zip file; download it again"}


def test_what_looks_like_it(put, tmp_path):
    assert Arrays.recognise(Folder(tmp_path)) is None
    (tmp_path / "d").mkdir()
    np.savez(tmp_path / "d" / "m.npz", train_images=np.zeros((2, 8, 8)), train_labels=np.zeros((2, 1)))
    assert Arrays.recognise(Folder(tmp_path)).layout == {"kind": "arrays", "files": "d/m.npz"}
    put("d/m.npz", b"x")
    assert Arrays.recognise(Folder(tmp_path)).layout["images"] == "TODO"


def test_hdf5_with_labels_in_a_second_file(put, read, toy, tmp_path, pixels):
    h5py = pytest.importorskip("h5py")
    stack = np.stack([pixels(number) for number in range(3)])
    with h5py.File(tmp_path / "split_train_x.h5", "w") as file:
        file["x"] = stack
    with h5py.File(tmp_path / "split_train_y.h5", "w") as file:
        file["y"] = np.array([1, 0, 1]).reshape(3, 1, 1, 1)
    layout = {"kind": "arrays", "files": "*_x.h5", "images": "x", "labels": "{stem}.h5:y", "cut": ["_x", "_y"]}
    pictures, reasons = read(toy(layout=layout, labels={"0": "normal", "1": "tumour"}))
    assert reasons == {}
    found = [each[0] for each in pictures.values()]
    assert [each.labels for each in found] == [("tumour",), ("normal",), ("tumour",)]
    assert np.array_equal(np.stack([each.pixels for each in found]), stack)


def boxes(pictures):
    return [sorted((box.label, box.xyxy) for box in each[0].boxes) for each in pictures.values()]


@pytest.mark.parametrize("first", [False, True])
def test_stacks_of_masks_with_a_channel_per_class(read, toy, tmp_path, pixels, first):
    """PanNuke: images.npy and masks.npy, five classes of numbered nuclei and the background."""
    masks = np.zeros((2, 24, 32, 3), np.float64)
    masks[0, 2:8, 3:9, 0], masks[0, 2:8, 9:15, 0], masks[0, 10:20, 3:9, 1] = 4, 5, 9
    masks[..., 2] = masks[..., :2].sum(axis=3) == 0
    np.save(tmp_path / "images.npy", np.stack([pixels(number) for number in range(2)]).astype(np.float64))
    np.save(tmp_path / "masks.npy", np.moveaxis(masks, 3, 1) if first else masks)
    layout = {"kind": "arrays", "files": "images.npy", "labels": None, "masks": "masks.npy",
              "mask_form": "instances_per_class"}  # fmt: skip
    card = toy(layout=layout, labels={"0": "alpha", "1": "beta"}, background=["2"], task="2d_detection")
    pictures, reasons = read(card)
    assert reasons == {}
    assert boxes(pictures) == [
        [("alpha", (3, 2, 9, 8)), ("alpha", (9, 2, 15, 8)), ("beta", (3, 10, 9, 20))], []
    ]  # fmt: skip
    assert [each[0].labels for each in pictures.values()] == [("alpha", "beta"), ()]


def test_a_stack_with_masks_and_labels_in_one_archive(read, toy, tmp_path, pixels):
    masks = np.zeros((2, 24, 32, 2), np.int32)
    masks[0, 2:8, 3:9], masks[1, 10:20, 3:9] = (7, 1), (8, 3)
    np.savez(tmp_path / "a.npz", train_images=np.stack([pixels(number) for number in range(2)]), train_masks=masks,
             train_labels=np.array([[2], [2]]))  # fmt: skip
    layout = {"kind": "arrays", "files": "a.npz", "masks": "{split}_masks", "mask_form": "instances_and_classes"}
    card = toy(layout=layout, labels={"1": "alpha", "2": "beta", "3": "gamma"}, task="2d_detection")
    pictures, reasons = read(card)
    assert reasons == {}
    assert boxes(pictures) == [[("alpha", (3, 2, 9, 8))], [("gamma", (3, 10, 9, 20))]]
    assert [each[0].labels for each in pictures.values()] == [("beta", "alpha"), ("beta", "gamma")]


@pytest.mark.parametrize(
    ("masks", "reason"),
    [
        (np.zeros((1, 24, 32)), "images and masks differ: 2 images, 1 masks"),
        (np.zeros((2, 12, 32)), "image and mask sizes differ: image 32×24, mask 12×32; they must be equal"),
        (np.full((2, 24, 32), 0.25), "mask is not a label mask"),
    ],
)
def test_masks_that_do_not_fit(read, toy, tmp_path, pixels, masks, reason):
    np.savez(tmp_path / "a.npz", x=np.stack([pixels(number) for number in range(2)]), m=masks)
    layout = {"kind": "arrays", "files": "a.npz", "images": "x", "labels": None, "masks": "m"}
    _, reasons = read(toy(layout=layout))
    assert all(each.startswith(reason) for each in reasons.values())
    assert len(reasons) == 2
