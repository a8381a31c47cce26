"""Which level of folders is the class, which the split, which the patient."""

import pytest
from gmai_data.sources.class_tree import class_tree
from gmai_data.vocabulary import Split


def tree(*folders):
    return class_tree([f"{folder}/{number}.png" for folder in folders for number in (1, 2)])


@pytest.mark.parametrize(
    ("folders", "above", "has_splits", "classes"),
    [
        (("a", "b"), "", False, ("a", "b")),
        (("set/photos/a", "set/photos/b"), "set/photos", False, ("a", "b")),
        (("train/a", "train/b", "test/a"), "", True, ("a", "b")),
        (("d/Training/a", "d/Training/b", "d/Testing/a"), "d", True, ("a", "b")),
        (("train/0", "train/1", "val/0"), "", True, ("0", "1")),
        (("train/Type_1", "train/Type_2", "train/Type_3"), "train", False, ("Type_1", "Type_2", "Type_3")),
        (("train/test_positive", "train/test_negative"), "train", False, ("test_negative", "test_positive")),
    ],
)
def test_levels(folders, above, has_splits, classes):
    found = tree(*folders)
    assert (found.above, found.has_splits, found.classes, found.pattern) == (above, has_splits, classes, "")


def test_names_of_splits_that_are_not_the_usual_are_mapped():
    found = tree("train_and_validation_sets/a", "train_and_validation_sets/b", "test_set/a")
    assert found.splits == {"train_and_validation_sets": Split.TRAIN, "test_set": Split.HELD_OUT}


def test_patients_above_or_below_the_class_are_captured():
    assert tree("patient01/a", "patient01/b", "patient02/a").pattern == "{patient}/{class}/*.png"
    assert tree("train/S1234/a", "train/S1234/b", "test/S4567/a").pattern == "{split}/{patient}/{class}/*.png"


@pytest.mark.parametrize(
    "folders",
    [
        ("images",),
        ("train/images", "test/images"),
        ("train", "test"),
        ("patient_1", "patient_2"),
        ("part1", "part2"),
        (),
    ],
)
def test_what_is_no_class_is_not_taken_for_one(folders):
    assert tree(*folders) is None
