"""Tables that label patients whose images have no label of their own."""

import csv

import pytest
from gmai_data.sources.drafting.label_tables import labelled_by_table
from gmai_data.sources.files.folder import Folder, Guess

LAYOUT = {"kind": "volume", "image": "x", "mask": "TODO"}
PLAIN = Guess("volumes", "3d_segmentation", LAYOUT, ["1"], notes=("mask: none",))
"""As of volumes of which none was found to be a mask."""


def folder_of(root, files, rows, name="table.csv"):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    with (root / name).open("w", newline="") as opened:
        csv.writer(opened, delimiter="\t" if name.endswith(".tsv") else ",").writerows(rows)
    return Folder(root)


@pytest.mark.parametrize(
    ("files", "name", "of"),
    [
        (["sub-1/anat/a.nii", "sub-2/anat/a.nii"], "participants.tsv", "^([^/]+)(?:/|$)"),
        (["all/sub-1/a.nii", "all/sub-2/a.nii"], "table.csv", "^(?:[^/]+/){1}([^/]+)(?:/|$)"),
    ],
)
def test_a_folder_of_the_path_is_the_key(tmp_path, files, name, of):
    rows = [["id", "age", "diagnosis"], ["sub-1", "40", "control"], ["sub-2", "41", "patient"]]
    guess = labelled_by_table(PLAIN, folder_of(tmp_path, files, rows, name))
    assert guess.card["label_table"] == {"table": name, "key": "id", "value": "diagnosis", "of": of}
    assert list(guess.labels) == ["control", "patient"]
    assert (guess.task, guess.layout) == ("3d_classification", {"kind": "volume", "image": "x"})
    assert guess.notes == (f"labels: each row of {name} labels all images of its patient or case.",)


@pytest.mark.parametrize(
    ("suffix", "files", "of"),
    [
        ("_study", ["train/a1/s/x.nii", "train/b2/s/y.nii"], "^(?:[^/]+/){1}([^/]+)(?:/|$)"),
        ("_image", ["train/s/a1.nii.gz", "train/t/b2.nii.gz"], "^(?:[^/]+/){2}([^/.]+)"),
    ],
)
def test_what_stands_behind_every_key_is_taken_off(tmp_path, suffix, files, of):
    rows = [["id", "diagnosis"], [f"a1{suffix}", "control"], [f"b2{suffix}", "patient"]]
    guess = labelled_by_table(PLAIN, folder_of(tmp_path, files, rows))
    table = {"table": "table.csv", "key": "id", "value": "diagnosis", "of": of, "key_suffix": suffix}
    assert guess.card["label_table"] == table


def test_the_table_whose_column_is_a_label_by_its_name_comes_first(tmp_path):
    files = ["s/a/x.nii", "s/b/y.nii"]
    folder_of(tmp_path, files, [["study", "alpha", "beta"], ["a", "u", "x"], ["b", "v", "y"]], "a.csv")
    rows = [["id", "diagnosis"], ["a_study", "control"], ["b_study", "patient"]]
    guess = labelled_by_table(PLAIN, folder_of(tmp_path, files, rows, "b.csv"))
    assert guess.card["label_table"]["table"] == "b.csv"
    assert "label_table: a.csv may label them, too: `key: study`, `of: ^(?:[^/]+/){1}([^/]+)(?:/|$)`" in guess.notes


def test_rows_of_one_key_that_differ_label_less_than_a_patient(tmp_path):
    rows = [["id", "side", "diagnosis"], ["a", "L", "benign"], ["a", "R", "malignant"], ["b", "L", "benign"]]
    guess = labelled_by_table(PLAIN, folder_of(tmp_path, ["a/x.nii", "b/x.nii"], rows))
    assert guess.card["label_table"]["value"] == "TODO"
    said = "value: diagnosis is not of a whole id: a has benign and malignant; a row may be of a side or an image"
    assert said in guess.notes


def test_where_no_column_is_the_label_a_person_is_asked(tmp_path):
    rows = [["id", "alpha", "beta"], ["sub-1", "u", "x"], ["sub-2", "v", "y"]]
    guess = labelled_by_table(PLAIN, folder_of(tmp_path, ["sub-1/a.nii", "sub-2/a.nii"], rows))
    assert guess.card["label_table"]["value"] == "TODO"
    assert any(note.startswith("value: candidates are alpha, beta") for note in guess.notes)


def test_other_tables_and_other_drafts_are_left_alone(tmp_path):
    rows = [["id", "diagnosis"], ["q1", "a"], ["q2", "b"]]
    folder = folder_of(tmp_path, ["sub-1/a.nii", "sub-2/a.nii"], rows)
    assert labelled_by_table(PLAIN, folder) is PLAIN
    masked = Guess("", "3d_segmentation", {"kind": "volume", "image": "x", "mask": "y"}, ["1"])
    assert labelled_by_table(masked, folder) is masked
