"""nnU-Net's and the Decathlon's folders."""

import json

import numpy as np
import pytest
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.nnunet import NnUnet
from gmai_formats.errors import UserError

CARD = {
    "layout": {"kind": "nnunet"},
    "modality": "CT",
    "task": "3d_segmentation",
    "labels": {"1": "alpha", "3": "beta"},
}


@pytest.fixture
def cases(nifti):
    """Two cases: a file a channel, and channels on the fourth axis."""
    mask = np.zeros((20, 24, 6), np.uint8)
    mask[4:12, 5:15, 2:4], mask[14:19, 15:22, 3] = 1, 3
    values = np.random.default_rng(0).integers(-900, 200, mask.shape).astype(np.int16)
    nifti("imagesTr/c1_0000.nii.gz", values)
    nifti("imagesTr/c1_0001.nii.gz", values[::-1])
    nifti("imagesTr/c2.nii.gz", np.stack([values, values[::-1]], axis=3))
    for case in ("c1", "c2"):
        nifti(f"labelsTr/{case}.nii.gz", mask)


def test_both_forms_give_the_same_pictures_in_either_channel(cases, put, read, toy):
    put("labelsTr/._c1.nii.gz", b"Mac")
    put("labelsTr/notes.txt", b"x")
    shown = []
    for channel in (0, 1):
        pictures, reasons = read(toy(**{**CARD, "layout": {"kind": "nnunet", "channel": channel}}))
        assert reasons == {}
        assert {key: len(found) for key, found in pictures.items()} == {"c1": 2, "c2": 2}
        one, other = ([picture.pixels.tobytes() for picture in found] for found in pictures.values())
        assert one == other
        shown.append(one)
    assert shown[0] != shown[1]
    _, reasons = read(toy(**{**CARD, "layout": {"kind": "nnunet", "channel": 2}}))
    assert reasons["c2"] == "no such channel: channel 2, but the file has 2"
    assert reasons["c1"].startswith("file missing")


@pytest.mark.parametrize(
    ("labels", "missing"),
    [
        ({"background": 0, "x": 1, "y": 3}, None),
        ({"0": "background", "1": "x", "3": "y"}, None),
        ({"background": 0, "x": [1, 3]}, None),
        ({"background": 0, "x": 1, "z": 9, "y": 7}, "7, 9"),
        ({"0": "background", "9": "z"}, "9"),
    ],
)
def test_labels_that_the_card_does_not_name(cases, put, tmp_path, toy, labels, missing):
    put("dataset.json", json.dumps({"labels": labels}))
    card = toy(**CARD)
    if missing is None:
        assert len(list(card.layout.list_items(card, tmp_path))) == 2
        return
    with pytest.raises(UserError, match=rf"has the label\(s\) {missing}, which recipe toy does not name\. Add them to"):
        list(card.layout.list_items(card, tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", '{"names": {}}', '{"labels": 7}'])
def test_a_description_that_is_none(cases, put, tmp_path, toy, text):
    put("dataset.json", text)
    card = toy(**CARD)
    with pytest.raises(UserError, match=r"dataset\.json: not a dataset\.json of nnU-Net or the Decathlon: .* Fix it\."):
        list(card.layout.list_items(card, tmp_path))


def test_what_looks_like_it(cases, put, tmp_path):
    assert NnUnet.recognise(Folder(tmp_path)).labels == ["1", "3"], "the values of the masks"
    put("dataset.json", json.dumps({"labels": {"background": 0, "x": 1, "y": 3}}))
    guess = NnUnet.recognise(Folder(tmp_path))
    assert (guess.task, guess.layout, guess.labels) == ("3d_segmentation", {"kind": "nnunet"}, ["1", "3"])
    assert guess.names == {"1": "x", "3": "y"}
    put("dataset.json", json.dumps({"labels": {"0": "background", "2": "x"}}))
    guess = NnUnet.recognise(Folder(tmp_path))
    assert (guess.labels, guess.names) == (["2", "1", "3"], {"2": "x"})
    (tmp_path / "labelsTr").rename(tmp_path / "labels")
    assert NnUnet.recognise(Folder(tmp_path)) is None


def test_the_ignore_label_is_where_nobody_looked(cases, put, read, toy, tmp_path):
    put("dataset.json", json.dumps({"labels": {"background": 0, "alpha": 1, "ignore": 3}}))
    guess = NnUnet.recognise(Folder(tmp_path))
    assert (list(guess.labels), guess.card) == (["1"], {"ignore": ["3"]})
    card = toy(**{**CARD, "labels": {"1": "alpha", "2": "beta"}, "ignore": guess.card["ignore"]})
    pictures, reasons = read(card)
    assert reasons == {}
    only, both = pictures["c1"]  # slice 2 has no such voxel, slice 3 has
    assert (only.labels, only.incomplete, only.uncertain) == (("alpha",), (), ())
    assert (both.labels, both.incomplete, both.uncertain) == (("alpha",), ("alpha",), ("beta",))


def test_a_slice_of_nothing_but_ignored_voxels_is_left_out(nifti, read, toy):
    mask = np.zeros((20, 24, 6), np.uint8)
    mask[4:12, 5:15, 2], mask[4:12, 5:15, 4] = 1, 3
    nifti("imagesTr/c1.nii.gz", np.random.default_rng(0).integers(-900, 200, mask.shape).astype(np.int16))
    nifti("labelsTr/c1.nii.gz", mask)
    card = toy(**{**CARD, "labels": {"1": "alpha"}, "ignore": ["3"]})
    assert [picture.geometry["slice"] for picture in read(card)[0]["c1"]] == [2]


@pytest.mark.parametrize(
    ("labels", "raws", "note"),
    [
        ({"background": 0, "whole": [1, 3], "core": 3}, ["3", "1"], "no name for 1 alone"),
        ({"background": 0, "alpha": 1, "beta": 3}, ["1", "3"], ""),
        ({"0": "background", "1": "alpha"}, ["1", "3"], "no name for 3 alone"),
    ],
)
def test_regions_are_named_by_their_parts(cases, put, tmp_path, labels, raws, note):
    put("dataset.json", json.dumps({"labels": labels}))
    guess = NnUnet.recognise(Folder(tmp_path))
    assert list(guess.labels) == raws
    assert any(note in each for each in guess.notes)


def test_folders_of_pictures_are_for_another_layout(put, read, toy, tmp_path):
    put("imagesTr/1_0000.png")
    put("labelsTr/1.png")
    assert NnUnet.recognise(Folder(tmp_path)) is None
    with pytest.raises(UserError, match=r"none of its files is a volume, such as 1\.png\. .* `image_mask`"):
        read(toy(**CARD))
