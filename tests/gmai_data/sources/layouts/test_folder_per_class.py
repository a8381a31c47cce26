"""Labels as folders."""

import pytest
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.folder_per_class import FolderPerClass
from gmai_formats.errors import UserError

LAYOUT = {"kind": "folder_per_class"}


def test_the_first_folder_is_the_class_however_deep_the_file_lies(put, tmp_path, toy):
    for name in ("a/1.png", "b/x/y/2.PNG", "0.png", "a/notes.txt", "a/.3.png"):
        put(name)
    items = list(toy().layout.list_items(toy(), tmp_path))
    assert [(item.key, item.raw_labels) for item in items] == [("a/1.png", ("a",)), ("b/x/y/2.PNG", ("b",))]


def test_splits_above_the_classes(put, tmp_path, toy):
    for name in ("set/train/a/1.png", "set/test/b/2.png", "set/other/a/3.png", "set/train/4.png"):
        put(name)
    card = toy(layout={**LAYOUT, "images": "set", "split_folder": True})
    items = {
        item.key.removeprefix("set/"): (item.split, item.raw_labels) for item in card.layout.list_items(card, tmp_path)
    }
    assert items == {
        "train/a/1.png": ("train", ("a",)), "test/b/2.png": ("held_out", ("b",)),
        "other/a/3.png": (None, ("a",)), "train/4.png": ("train", ("",)),
    }  # fmt: skip


def test_a_class_that_the_card_does_not_name(put, read, toy):
    put("a/1.png")
    put("z/2.png")
    pictures, reasons = read(toy())
    assert [found[0].labels for found in pictures.values()] == [("alpha",)]
    assert reasons["z/2.png"].startswith('label not in the map: "z" is not in the labels of toy.')


def test_folders_that_are_not_there_or_hold_no_images(put, tmp_path, toy):
    card = toy(layout={**LAYOUT, "images": "gone"})
    with pytest.raises(UserError, match=r"gone: no such folder\. Recipe toy expects one folder per class in it\."):
        list(card.layout.list_items(card, tmp_path))
    put("1.png")
    card = toy(layout={**LAYOUT, "extensions": [".png", ".nii"]})
    with pytest.raises(UserError, match=r"no images with the endings \.png, \.nii in sub-folders\. Recipe toy expects"):
        list(card.layout.list_items(card, tmp_path))


@pytest.mark.parametrize(
    ("names", "layout", "classes"),
    [
        (["a/1.png", "b/x/2.png", "3.png"], {}, ["a", "b"]),
        (["train/a/1.png", "Testing/b/2.png"], {"split_folder": True}, ["a", "b"]),
        (["a/1.nii.gz", "b/2.mha", "c/1.png"], {"extensions": [".nii.gz", ".mha"]}, ["a", "b"]),
    ],
)
def test_what_looks_like_it(put, tmp_path, names, layout, classes):
    for name in names:
        put(name, b"x")
    guess = FolderPerClass.recognise(Folder(tmp_path))
    assert guess.layout == {"kind": "folder_per_class", **layout}
    assert guess.labels == classes
    assert guess.task == ("3d_classification" if "extensions" in layout else "2d_classification")


def test_images_in_no_folder_are_nothing(put, tmp_path):
    put("1.png")
    assert FolderPerClass.recognise(Folder(tmp_path)) is None
