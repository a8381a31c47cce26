"""A draft for pictures with masks: what it pairs, which values it saw, what it leaves open."""

import nibabel as nib
import numpy as np
from gmai_data.sources.drafting.paired_folder import masks_by_values, paired_guess
from gmai_data.sources.files.folder import Folder
from PIL import Image


def picture(path, few=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    Image.fromarray(noise // 200 * 255 if few else noise).save(path)


def volume(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    array = random.integers(0, values, (16, 16, 4)).astype(np.int16) - (1000 if values > 10 else 0)
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)


def test_masks_without_a_word_are_known_by_their_values(tmp_path):
    for case in ("a1", "b2"):
        volume(tmp_path / "one" / f"{case}.nii.gz", 1500)
        volume(tmp_path / "two" / f"{case}.nii.gz", 3)
    folder = Folder(tmp_path)
    assert masks_by_values(tmp_path, [folder.below(path) for path in folder.volumes]) == [
        "two/a1.nii.gz",
        "two/b2.nii.gz",
    ]
    guess = paired_guess(folder, folder.volumes, volumes=True)
    assert (guess.layout["image"], guess.layout["mask"]) == ("one/{id}.nii.gz", "two/{id}.nii.gz")
    assert list(guess.labels) == ["1", "2"]
    assert any("values in 2 masks: 0 (in 2), 1 (in 2), 2 (in 2)" in note for note in guess.notes)


def test_pictures_that_the_pattern_leaves_out_are_counted(tmp_path):
    for grade in ("CT-0", "CT-1"):
        for case in ("1", "2"):
            volume(tmp_path / "studies" / grade / f"study_{grade[-1]}0{case}.nii.gz", 1500)
    volume(tmp_path / "masks" / "study_101_mask.nii.gz", 2)
    folder = Folder(tmp_path)
    guess = paired_guess(folder, folder.volumes, volumes=True)
    assert guess.layout["without_mask"] == "leave_out"
    assert any(note.startswith("image: 2 of 4 pictures are not read (studies/CT-0/study_001") for note in guess.notes)


def test_pictures_without_a_mask_are_left_out_by_the_card(tmp_path):
    for name in ("1", "2", "3"):
        picture(tmp_path / "images" / f"{name}.png")
    picture(tmp_path / "masks" / "2.png", few=True)
    folder = Folder(tmp_path)
    layout = paired_guess(folder, folder.images, volumes=False).layout
    assert (layout["without_mask"], layout["encoding"]) == ("leave_out", "binary")


def test_two_masks_a_picture_are_a_todo_with_candidates(tmp_path):
    for name in ("1", "2"):
        picture(tmp_path / f"{name}.jpg")
        picture(tmp_path / f"{name}_1stHO.png", few=True)
        picture(tmp_path / f"{name}_2ndHO.png", few=True)
    folder = Folder(tmp_path)
    guess = paired_guess(folder, folder.images, volumes=False)
    assert guess.layout["masks"] == "TODO"
    assert any("{id}_1stHO.png or {id}_2ndHO.png" in note for note in guess.notes)


def test_pictures_alone_are_no_pairs(tmp_path):
    for name in ("a/1", "b/2"):
        picture(tmp_path / f"{name}.png")
    folder = Folder(tmp_path)
    assert paired_guess(folder, folder.images, volumes=False) is None


def test_two_masks_that_mark_the_same_are_of_two_readers(tmp_path):
    """CURVAS has annotation_1 to annotation_3 of three radiologists (https://curvas.grand-challenge.org)."""
    for case in ("A1", "B2"):
        picture(tmp_path / case / "image.png")
        for reader in (1, 2):
            picture(tmp_path / case / f"annotation_{reader}.png", few=True)
    folder = Folder(tmp_path)
    guess = paired_guess(folder, folder.images, volumes=False)
    assert guess.layout["masks"] == "TODO"
    assert any("A1/annotation_1.png or A1/annotation_2.png" in note for note in guess.notes)
