"""Pictures that begin alike are named with the pattern that keeps them together."""

import re

import pytest
from gmai_data.sources.drafting.beginnings import beginnings


@pytest.mark.parametrize(
    ("files", "groups"),
    [
        (["A_B/scan_1.nii.gz", "A_B/scan_2.nii.gz", "A_C/scan_1.nii.gz", "A_D/scan_3.nii.gz"], {"A_B", "A_C", "A_D"}),
        (["a/0f3c/1.png", "a/0f3c/2.png", "a/91ab/1.png", "a/91ab/2.png"], {"0f3c", "91ab"}),
        (["16B01_Part_1_0.jpg", "16B01_Part_1_1.jpg", "18B06_Part_1_0.jpg", "18B06_Part_1_1.jpg"], {"16B01", "18B06"}),
        (["ct/train_1_a_1.nii.gz", "ct/train_1_a_2.nii.gz", "ct/train_2_a_1.nii.gz", "ct/train_2_a_2.nii.gz"],
         {"train_1", "train_2"}),
    ],
)  # fmt: skip
def test_the_pattern_finds_what_begins_alike(files: list[str], groups: set[str]) -> None:
    note = beginnings(files, frozenset())
    assert note is not None
    pattern = re.search(r"group_pattern: '(.+?)'`", note)
    assert pattern is not None
    found = [re.search(pattern[1], file) for file in files]
    assert {match[1] for match in found if match} == groups


@pytest.mark.parametrize(
    ("files", "classes"),
    [
        (["ISIC_0001.jpg", "ISIC_0002.jpg", "ISIC_0003.jpg"], set[str]()),
        (["train/1.png", "train/2.png", "test/3.png", "test/4.png"], set[str]()),
        (["grade1/a.png", "grade1/b.png", "grade2/c.png", "grade2/d.png"], {"grade1", "grade2"}),
        ([], set[str]()),
    ],
)
def test_a_shared_word_a_split_and_a_class_are_no_patients(files: list[str], classes: set[str]) -> None:
    assert beginnings(files, frozenset(classes)) is None
