"""Copies of a picture are known by their names, whatever tool made them, and never divided from their original."""

import pytest
import yaml
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.cards.drafts import draft
from gmai_data.sources.copies import original_of
from gmai_data.sources.listing import list_sources
from gmai_data.sources.splits import group_of, split_of
from PIL import Image

HASHES = [f"{number:032x}" for number in (0x1F69DE62, 0xBD609AA5, 0xDF3AC889, 0x0A159ED0)]
UUIDS = [f"0b1f6c2a-7d1e-4a8b-9a0c-5d4e3f2a1b{number:02d}" for number in range(4)]


@pytest.mark.parametrize(
    ("copies", "original"),
    [
        ([f"train/images/a_jpg.rf.{each}.jpg" for each in HASHES], "train/images/a.jpg"),
        ([f"train/scan-07_PNG.rf.{each}.jpg" for each in HASHES], "train/scan-07.PNG"),
        ([f"a.b_jpeg.rf.{each}" for each in HASHES], "a.b.jpeg"),
        ([f"export/frame12.rf.{each}.png" for each in HASHES], "export/frame12.png"),
        (["t/x1_tif.rf.XlFDh1P8hBBqQ8BHp7oB.jpg"], "t/x1.tif"),
        ([f"ben/ben_original_ben_0.jpg_{each}.jpg" for each in UUIDS], "ben/ben_0.jpg"),
        ([f"ben/output/ben_original_ben_0.jpg_{each}.jpg" for each in UUIDS], "ben/ben_0.jpg"),
        (
            ["c/p3_flip.png", "c/p3_aug_1.png", "c/p3-rot90.png", "c/p3_rotated_90_deg.png", "c/p3_hflip.png"],
            "c/p3.png",
        ),
        (["12 augmented 4.jpg", "12_flip_horizontal.jpg", "12_mirrored.jpg", "12_rot_left.jpg"], "12.jpg"),
    ],
)
def test_copies_lead_to_their_original(copies, original):
    assert {original_of(each) for each in copies} == {original}
    assert original_of(original) == original


@pytest.mark.parametrize(
    "name",
    [
        "a/protocol_1.png", "a/rotator_cuff_12.png", "2_carrot.png", "A1/8_August.png", "c/aug_12.png", "flip.png",
        "ISIC_0012.jpg", "p1/flip/3.png", "x.rf.short.jpg", "case_original_3.png", "3_augusta.png", "7_rotterdam.jpg",
    ],
)  # fmt: skip
def test_other_names_are_their_own(name):
    assert original_of(name) == name


def test_copies_share_group_and_split(tmp_path, toy):
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(20):
            for each in HASHES:
                Image.new("L", (8, 8), number).save(tmp_path / label / f"{label}{number}_jpg.rf.{each}.jpg")
    recipe = toy(split={"fractions": {"train": 0.5, "validation": 0.2, "held_out": 0.3}})
    (listing,) = list_sources([Source(recipe, tmp_path)], None)
    assert len({item.group_number for item in listing.items}) == 40
    splits = {}
    for item in listing.items:
        splits.setdefault(original_of(item.key), set()).add(split_of(item, recipe))
    assert len(splits) == 40
    assert all(len(each) == 1 for each in splits.values())
    assert len(set.union(*splits.values())) == 3  # the test would pass of itself with one split


def test_the_patient_of_a_card_comes_first(tmp_path, toy):
    (tmp_path / "a").mkdir()
    for each in HASHES:
        Image.new("L", (8, 8)).save(tmp_path / "a" / f"P7_{each[-4:]}_png.rf.{each}.jpg")
    recipe = toy(split={"group_pattern": r"(P\d+)"})
    (listing,) = list_sources([Source(recipe, tmp_path)], None)
    assert {group_of(item, recipe) for item in listing.items} == {"P7"}


def test_a_draft_says_that_there_are_copies(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(3):
            Image.new("L", (8, 8), number).save(tmp_path / label / f"{number}.png")
            Image.new("L", (8, 8), number).save(tmp_path / label / f"{number}_flip.png")
    _, text = draft(tmp_path)
    assert "# 6 of 12 pictures are augmented copies by their names, such as a/0_flip.png" in text
    assert "split" not in yaml.safe_load(text)
