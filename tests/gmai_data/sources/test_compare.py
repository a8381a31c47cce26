"""A card beside a real folder: what is missing, unknown or unreadable is named."""

import hashlib
import os

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.sources import compare
from gmai_data.sources.compare import check_against_folder
from gmai_formats.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Return a function that puts noise (or bytes) below a folder, and returns the folder."""
    root = tmp_path / "data"

    def put(name, data=None):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        path.write_bytes(encode_png(pixels) if data is None else data)
        return root

    return put


def test_a_folder_that_is_what_the_card_says(card_file, folder, capsys):
    folder("a/1.png")
    root = folder("b/2.png")
    check_against_folder(str(card_file(expected={"items": 2}, labels={"a": "alpha", "b": "beta"})), root)
    assert capsys.readouterr().out.splitlines() == [
        "toy: the card is valid (2 labels, layout folder_per_class).",
        "toy: not tried; not yet tested on the real dataset (verified: none).",
        f"{root}: 2 items, as published.",
        "toy: every item is a group of its own.",
        "toy: train 2.",
        "toy: read 2 items, 2 images: beta 1, alpha 1.",
    ]


def test_without_a_folder_only_the_card_is_read(card_file, capsys):
    check_against_folder(str(card_file(verified=True)), None)
    assert capsys.readouterr().out == "toy: the card is valid (4 labels, layout folder_per_class).\n"


def test_everything_that_differs_is_named_at_once(card_file, folder, capsys):
    folder("a/1.png")
    folder("z/2.png")
    root = folder("z/3.png", b"no picture")
    with pytest.raises(UserError) as caught:
        check_against_folder(str(card_file(expected={"items": 2})), root)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{root}: 3 items, but toy has 2 published ones: the card takes files that are no items")
    assert lines[1:3] == [
        f"{root}: labels that are not in the card: 1; a build would quarantine their items:", '  "z" (2 items)',
    ]  # fmt: skip
    assert any(line.startswith(f"{root}: z/2.png: label not in the map") for line in lines)
    assert any(line.startswith(f"{root}: z/3.png: ") for line in lines)
    out = capsys.readouterr().out
    assert "toy: no item has these labels of the card:\n  b\n  c\n  d\n" in out
    assert "toy: read 3 items, 1 image: alpha 1." in out


def test_groups_that_the_pattern_misses(card_file, folder, capsys):
    folder("a/p1_1.png")
    folder("a/p1_2.png")
    root = folder("a/x.png")
    with pytest.raises(UserError, match=r"group_pattern '\(p\\\\d\+\)' misses 1 items; .*:\n  a/x\.png"):
        check_against_folder(str(card_file(split={"group_pattern": r"(p\d+)", "fractions": {"train": 1.0}})), root)
    assert "toy: 1 groups by split.group_pattern." in capsys.readouterr().out


def test_digests_of_published_files(card_file, folder):
    root = folder("a/1.png", data=None)
    digest = hashlib.sha256((root / "a" / "1.png").read_bytes()).hexdigest()
    check_against_folder(str(card_file(checksums={"a/1.png": digest})), root)
    for checksums in ({"a/1.png": "0" * 64}, {"gone.zip": "0" * 64}):
        with pytest.raises(UserError, match=r": missing, or not the published file \(000000000000…\)\. Download it ag"):
            check_against_folder(str(card_file(checksums=checksums)), root)


def test_files_that_a_table_names_and_are_not_there(card_file, folder):
    rows = "".join(f"{number}.png,a\n" for number in range(12))
    root = folder("t.csv", f"image,label\n{rows}".encode())
    layout = {"kind": "csv_labels", "table": "t.csv", "image_column": "image", "label_column": "label"}
    with pytest.raises(UserError) as caught:
        check_against_folder(str(card_file(layout=layout)), root)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{root}: 12 files that toy names are not there:"
    assert len(lines) == 12
    assert lines[-1] == "  … and 2 more"


def test_a_partial_copy_is_told_and_no_error(card_file, folder, capsys):
    folder("t.csv", b"image,label\n1.png,a\n2.png,b\n3.png,b\n")
    folder("notes.txt", b"x")
    root = folder("1.png")
    layout = {"kind": "csv_labels", "table": "t.csv", "image_column": "image", "label_column": "label"}
    check_against_folder(str(card_file(layout=layout, expected={"items": 5})), root)
    out = capsys.readouterr().out
    assert "2 files that toy names are not there:\n  2.png\n  3.png\n2 of 3 items lack a file: a partial copy?" in out
    assert "3 of 5 published items: a partial copy?" in out
    assert "that are no item's own (tables, parts that are not used):\n  1 .csv, such as t.csv\n  1 .txt" in out
    assert "toy: read 1 item, 1 image: alpha 1." in out


def test_names_are_enough(card_file, folder, capsys):
    for name in ("train/a/p1_1.png", "train/b/p1_2.png", "test/a/p2_1.png"):
        root = folder(name, b"")
    layout = {"kind": "named_files", "files": "{split}/{class}/{patient}_*.png"}
    check_against_folder(str(card_file(layout=layout)), root)
    out = capsys.readouterr().out
    assert "toy: 2 groups by the layout." in out
    assert "toy: held_out 1, train 2." in out
    assert "the files hold no data (0 bytes): their names were checked" in out


def test_a_split_that_divides_a_group_or_misses_items_is_an_error(card_file, folder):
    for name in ("train/a/p1_1.png", "test/a/p1_2.png", "extra/a/p3_1.png"):
        root = folder(name, b"")
    layout = {"kind": "named_files", "files": "{split}/{class}/{patient}_*.png"}
    with pytest.raises(UserError) as caught:
        check_against_folder(str(card_file(layout=layout)), root)
    assert "1 items would be quarantined: not in the official split" in str(caught.value)
    assert "1 groups lie in two splits" in str(caught.value)


@pytest.mark.parametrize("names", [("a/p01_1.png", "b/p1_2.png"), ("a/p001_1.png", "b/p01_2.png")])
def test_two_spellings_of_what_may_be_one_patient_are_said(card_file, folder, capsys, names):
    for name in (*names, "b/p9_3.png"):
        root = folder(name)
    labels = {"a": "alpha", "b": "beta"}
    check_against_folder(str(card_file(split={"group_pattern": r"/(p\d+)_"}, labels=labels)), root)
    said = capsys.readouterr().out
    assert "toy: 2 groups differ from another only in zeros before a number." in said
    assert f"{names[0]} and {names[1]}" in said or f"{names[1]} and {names[0]}" in said
    check_against_folder(str(card_file(split={"group_pattern": r"/p0*(\d+)_"}, labels=labels)), root)
    assert "zeros" not in capsys.readouterr().out


def test_more_files_than_a_block_are_counted_and_the_first_of_them_shown(card_file, folder, capsys, monkeypatch):
    monkeypatch.setattr(compare, "_BLOCK", 3)
    for number in range(20):
        folder(f"note{number:02}.txt", b"x")
    check_against_folder(str(card_file(labels={"a": "alpha"})), folder("a/1.png"))
    assert "20 .txt, such as note00.txt" in capsys.readouterr().out


def test_files_whose_names_are_no_utf_8_are_there(card_file, folder, capsys):
    folder("a/1.png")
    root = folder("b/2.png")
    (root / "a/1.png").rename(root / os.fsdecode(b"a/Andr\xe9.png"))
    check_against_folder(str(card_file()), root)
    out = capsys.readouterr().out
    assert "not there" not in out
    assert "read 2 items, 2 images" in out
