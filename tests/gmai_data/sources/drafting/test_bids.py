"""BIDS folders ▶ drafts that list the images with their masks."""

import numpy as np
import pytest
import yaml
from gmai_data.sources.cards.drafts import draft
from gmai_data.sources.drafting.bids import bids_guess
from gmai_data.sources.files.folder import Folder


@pytest.fixture
def bids(put, nifti):
    """Return a function of paths (without ending) that writes a dataset."""

    def write(*stems):
        put("dataset_description.json", '{"Name": "x", "BIDSVersion": "1.8.0"}')
        put("participants.tsv", "participant_id\tage\nsub-01\t30\n")
        for stem in stems:
            random = np.random.default_rng(len(stem)).normal(100, 30, (8, 8, 4)).astype(np.float32)
            mask = np.zeros((8, 8, 4), np.uint8)
            mask[2:6, 2:6, 1:3] = 1
            nifti(f"{stem}.nii.gz", mask if stem.endswith(("mask", "dseg")) else random)

    return write


def keys(tmp_path, toy):
    """Return (image, mask, group) of the items that the draft lists."""
    card = yaml.safe_load(draft(tmp_path)[1])
    recipe = toy(modality="MR", task=card["task"], layout=card["layout"], labels={"1": "lesion"})
    return [(*item.files, item.group) for item in recipe.layout.list_items(recipe, tmp_path)]


def test_masks_in_derivatives(bids, tmp_path, toy, read):
    anat = [f"sub-{n}/anat/sub-{n}_T1w" for n in ("01", "02")]
    masks = [f"derivatives/lesions/sub-{n}/anat/sub-{n}_space-orig_desc-lesion_mask" for n in ("01", "02")]
    bids(*anat, *masks, *(f"sub-{n}/func/sub-{n}_task-rest_bold" for n in ("01", "02")))
    assert bids_guess(Folder(tmp_path)).description == "BIDS, images T1w with masks"
    expected = [(f"{a}.nii.gz", f"{m}.nii.gz", a[4:6]) for a, m in zip(anat, masks, strict=True)]
    assert keys(tmp_path, toy) == expected
    layout = yaml.safe_load(draft(tmp_path)[1])["layout"]
    pictures, reasons = read(toy(modality="MR", task="3d_segmentation", layout=layout, labels={"1": "lesion"}))
    assert reasons == {}
    assert [[box.xyxy for box in picture.boxes] for found in pictures.values() for picture in found] == [
        [(2, 2, 6, 6)]
    ] * 4


def test_sessions_and_runs_are_of_one_patient(bids, tmp_path, toy):
    stems = [f"sub-01/ses-{s}/anat/sub-01_ses-{s}_run-{r}_T1w" for s in ("a", "b") for r in ("1", "2")]
    bids(*stems, *(stem.replace("T1w", "label-brain_dseg") for stem in stems))
    assert keys(tmp_path, toy) == [
        (f"{stem}.nii.gz", f"{stem.replace('T1w', 'label-brain_dseg')}.nii.gz", "01") for stem in stems
    ]


def test_a_mask_of_another_suffix_and_a_table_of_labels(bids, put, tmp_path):
    bids(
        "sub-01/anat/sub-01_T2w",
        "sub-01/anat/sub-01_acq-hires_FLAIR",
        "derivatives/s/sub-01/anat/sub-01_acq-hires_dseg",
    )
    put("derivatives/s/dseg.tsv", "index\tname\n0\tbackground\n1\tgrey matter\n2\twhite matter\n")
    guess = bids_guess(Folder(tmp_path))
    assert (guess.layout["image"], guess.layout["mask"]) == (
        "sub-{patient}/anat/sub-{patient}_acq-hires_FLAIR.nii.gz",
        "derivatives/s/sub-{patient}/anat/sub-{patient}_acq-hires_dseg.nii.gz",
    )
    assert list(guess.labels) == ["1", "2"]


def test_without_masks_and_of_several_namings(bids, tmp_path, toy):
    bids("sub-01/anat/sub-01_T1w", "sub-02/ses-1/anat/sub-02_ses-1_T1w")
    guess = bids_guess(Folder(tmp_path))
    assert guess.task == "3d_classification"
    assert sorted(key[0] for key in keys(tmp_path, toy)) == [
        "sub-01/anat/sub-01_T1w.nii.gz", "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz",
    ]  # fmt: skip


def test_what_is_no_bids(bids, put, nifti, tmp_path):
    nifti("sub-01/anat/sub-01_T1w.nii.gz", np.zeros((2, 2, 2), np.uint8))
    assert bids_guess(Folder(tmp_path)) is None, "no description"
    put("dataset_description.json", "{}")
    (tmp_path / "sub-01/anat/sub-01_T1w.nii.gz").rename(tmp_path / "sub-01/anat/sub-01_bold.nii.gz")
    assert bids_guess(Folder(tmp_path)) is None, "nothing but series over time"


def test_masks_with_names_of_their_own_are_not_passed_over(bids, nifti, tmp_path):
    bids(*(f"sub-0{number}/anat/sub-0{number}_{suffix}" for number in (1, 2) for suffix in ("flair", "t1")))
    for number in (1, 2):
        nifti(f"derivatives/sub-0{number}/flair_seg_label1.nii.gz", np.ones((2, 2, 2), np.uint8))
    assert bids_guess(Folder(tmp_path)) is None, "pairing reads them"
    (tmp_path / "derivatives" / "sub-01").rename(tmp_path / "derivatives" / "x")
    (tmp_path / "derivatives" / "sub-02").rename(tmp_path / "derivatives" / "y")
    guess = bids_guess(Folder(tmp_path))
    assert guess is None or "derivatives/" in guess.description
