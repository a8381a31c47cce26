"""What every layout has: split names of publishers, endings of images, and strict settings."""

import pytest
from gmai_data.sources.layout import IMAGE_ENDINGS, SPLIT_NAMES, Layout
from gmai_data.sources.layouts.folder_per_class import FolderPerClass
from gmai_data.vocabulary import Split
from pydantic import ValidationError


def test_names_of_splits():
    assert SPLIT_NAMES == {
        "train": Split.TRAIN, "training": Split.TRAIN, "val": Split.VALIDATION, "valid": Split.VALIDATION,
        "validation": Split.VALIDATION, "test": Split.HELD_OUT,
    }  # fmt: skip


def test_endings_are_in_lower_case_and_hold_no_volume():
    assert all(ending == ending.lower() and ending.startswith(".") for ending in IMAGE_ENDINGS)
    assert {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".jp2", ".dcm"} <= set(IMAGE_ENDINGS)
    assert not {".nii", ".nii.gz", ".npy"} & set(IMAGE_ENDINGS)


def test_a_setting_that_no_layout_knows_is_refused_and_none_changes_later():
    with pytest.raises(ValidationError, match="image_dir"):
        FolderPerClass(kind="folder_per_class", image_dir="x")
    with pytest.raises(ValidationError, match="frozen"):
        FolderPerClass(kind="folder_per_class").images = "x"
    with pytest.raises(TypeError, match="abstract"):
        Layout()
