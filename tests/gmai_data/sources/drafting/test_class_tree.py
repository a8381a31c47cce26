"""Which level of folders is the class, which the split, which the patient."""

import pytest
from gmai_data.sources.drafting.class_tree import class_tree, companion
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


def test_numbered_folders_with_files_of_equal_names_are_left_open():
    frames = [f"Images/{video}/{frame:04d}.jpg" for video in (1, 2, 3) for frame in (1, 2)]
    assert class_tree(frames).pattern == "TODO"
    grades = [f"{grade}/{grade}{number}.jpg" for grade in (0, 1, 2) for number in (1, 2)]
    assert class_tree(grades).classes == ("0", "1", "2")


def test_names_of_splits_that_are_not_the_usual_are_mapped():
    found = tree("train_and_validation_sets/a", "train_and_validation_sets/b", "test_set/a")
    assert found.splits == {"train_and_validation_sets": Split.TRAIN, "test_set": Split.HELD_OUT}


def test_patients_above_or_below_the_class_are_captured():
    assert tree("patient01/a", "patient01/b", "patient02/a").pattern == "{patient}/{class}/*.png"
    assert tree("train/S1234/a", "train/S1234/b", "test/S4567/a").pattern == "{split}/{patient}/{class}/*.png"


@pytest.mark.parametrize(
    ("folders", "pattern", "splits"),
    [
        (("a/train", "a/test", "b/train"), "{class}/{split}/*.png", {}),
        (("d/a/Training", "d/b/Testing"), "d/{class}/{split}/*.png", {"Training", "Testing"}),
        (("a/p100001/train", "b/p200002/test"), "{class}/{patient}/{split}/*.png", {}),
    ],
)
def test_a_split_below_the_class_is_captured(folders, pattern, splits):
    found = tree(*folders)
    assert (found.pattern, set(found.splits), found.has_splits) == (pattern, set(splits), False)


def test_the_same_pictures_in_each_folder_are_versions_and_no_classes():
    names = ["00000_train_1+.png", "00001_train_3+.png", "00002_train_0.png"]
    pairs = [f"{stain}/{split}/{name}" for stain in ("HE", "IHC") for split in ("train", "test") for name in names]
    found = class_tree(pairs)
    assert found.pattern == "TODO"
    assert "files: `{class}/{split}/*.png` if HE, IHC are the classes" in found.notes
    habit = [f"{name}/img_{number}.png" for name in ("benign", "malignant") for number in (1, 2, 3)]
    assert class_tree(habit).classes == ("benign", "malignant")


@pytest.mark.parametrize(
    "folders",
    [
        ("images",),
        ("train/images", "test/images"),
        ("train", "test"),
        ("patient_1", "patient_2"),
        ("part1", "part2"),
        ("OD", "OS"),
        ("左眼", "右眼"),
        (),
    ],
)
def test_what_is_no_class_is_not_taken_for_one(folders):
    assert tree(*folders) is None


@pytest.mark.parametrize("folders", [("PT_06/a", "PT_92/a"), ("VID01", "VID08"), ("ED/ED_01_01", "ED/ED_01_02")])
def test_numbers_of_cases_are_no_classes(folders):
    found = tree(*folders)
    assert found is None or found.pattern == "TODO"


@pytest.mark.parametrize(
    ("folders", "levels"),
    [
        (("one/a", "one/b", "two/a", "two/b"), ["{class}/*/*.png", "*/{class}/*.png"]),
        (("a/image", "a/attention_map", "b/image"), ["{class}/*/*.png"]),
        (("160x160/a", "80x80/b"), ["*/{class}/*.png"]),
        (("brain",), ["{class}/*.png"]),
    ],
)
def test_a_class_that_only_the_publisher_knows_is_a_todo_with_its_candidates(folders, levels):
    found = tree(*folders)
    assert (found.pattern, found.classes) == ("TODO", ())
    assert [note.split("`")[1] for note in found.notes if "`" in note] == levels


def test_marked_copies_are_known_by_their_names():
    assert companion(["a/1.png", "a/1-d.png", "b/2.png", "b/2-d.png"]) == "-d"
    assert companion(["a/1.png", "a/2.png", "b/3_x.png"]) == ""
