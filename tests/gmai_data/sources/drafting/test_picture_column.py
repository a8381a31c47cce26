"""The column of a table that names pictures, and paths that are written with several columns."""

from pathlib import Path

import pytest
from gmai_data.sources.drafting.picture_column import column_of_names, ending_of, path_of_columns, stem_of


def stems(*names):
    return {Path(name).stem: [Path(name)] for name in names}


def test_the_column_that_repeats_least_names_the_pictures():
    rows = [{"right": "0_r.jpg", "file": name} for name in ("0_r.jpg", "0_l.jpg")]
    assert column_of_names(rows, stems("0_r.jpg", "0_l.jpg")) == ("file", [])


def test_two_pictures_a_row_are_rivals():
    rows = [{"left": f"{number}_l.jpg", "right": f"{number}_r.jpg"} for number in range(3)]
    names = [f"{number}_{side}.jpg" for number in range(3) for side in "lr"]
    assert column_of_names(rows, stems(*names)) == ("left", ["left", "right"])
    assert column_of_names(rows, stems("other.jpg")) == ("", [])


@pytest.mark.parametrize(
    ("cell", "stem"),
    [
        ("7", "007"),
        ("7.0", "007"),
        ("D:\\x\\007.png", "007"),
        ("x/a.b.png", "a.b"),
        ("scan.nii.gz", "scan"),
        ("8", None),
    ],
)
def test_numbers_may_be_filled_up_with_zeros(cell, stem):
    assert stem_of(cell, stems("007.png", "a.b.png", "scan.png")) == stem


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [({"p": "10", "i": "x1"}, ["f/10/x1"]), ({"p": "11", "i": "x2"}, ["f/11/x2"])],
            ("f", "{p}/{i}"),
        ),
        (
            [
                ({"p": "10", "s": "5", "i": "x1"}, ["f/q/P10/S5/x1"]),
                ({"p": "11", "s": "6", "i": "x2"}, ["f/r/P11/S6/x2"]),
            ],
            ("f/*", "P{p}/S{s}/{i}"),
        ),
        (
            [
                ({"p": "1", "s": "1", "i": "9"}, ["01_01/009", "01_02/009"]),
                ({"p": "1", "s": "2", "i": "9"}, ["01_01/009", "01_02/009"]),
                ({"p": "12", "s": "3", "i": "44"}, ["12_03/044"]),
            ],
            (".", "{p:02d}_{s:02d}/{i:03d}"),
        ),
        ([({"i": "x1"}, ["a/x1"]), ({"i": "x2"}, ["b/x2"])], None),
    ],
)
def test_folders_that_stand_in_other_columns(rows, expected):
    assert path_of_columns(rows, "i") == expected


def test_the_ending_of_a_volume_is_whole():
    assert [ending_of(Path(name)) for name in ("a.b.nii.gz", "a.b.png")] == [".nii.gz", ".png"]
