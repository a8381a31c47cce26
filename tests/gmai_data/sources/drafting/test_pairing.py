"""Pictures and masks by their names: one pattern each, or the candidates; never the masks of another split."""

import pytest
from gmai_data.sources.drafting.pairing import mask_files, pair, split_of_name, words_of
from gmai_data.vocabulary import Split


def files(text):
    """Return the paths of a text in which `{a,b}` stands for one of several."""
    found = []
    for word in text.split():
        before, _, rest = word.partition("{")
        choices, _, after = rest.partition("}")
        found += [before + choice + tail for choice in choices.split(",") for tail in files(after)] if rest else [word]
    return found or [""]


def paired(text, *, classes=True):
    every = files(text)
    masks = mask_files(every)
    return pair([file for file in every if file not in set(masks)], masks, classes=classes)


@pytest.mark.parametrize(
    ("text", "images", "masks"),
    [
        ("img/img{0001,0002}.png label/label{0001,0002}.png", "img/img{id}.png", "label/label{id}.png"),
        ("a/volume-{0,1,12}.nii a/segmentation-{0,1,12}.nii", "a/volume-{id}.nii", "a/segmentation-{id}.nii"),
        ("{aa,bb}.jpg {aa,bb}_mask.png", "{id}.jpg", "{id}_mask.png"),
        ("im/p{1,2}.jpg im/p3.png gt/p{1,2,3}.png", "im/p{id}.{jpg,png}", "gt/{stem}.png"),
        ("im/{a,b}.JPG im/c.jpg gt/{a,b,c}.png", "im/{id}.jpg", "gt/{id}.png"),
        ("t/{1_1,2_7}.tif t/{1_1,2_7}_mask.tif", r"t/{id:\d+_\d+}.tif", "t/{id}_mask.tif"),
        ("case_{01,02}/ct.nii.gz case_{01,02}/seg.nii.gz", "case_{patient}/ct.nii.gz", "{folder}/seg.nii.gz"),
        ("raw/sub-{1,2}/x_t2w.nii der/sub-{1,2}/x_dseg.nii", "raw/sub-{patient}/x_t2w.nii", "der/{folder}/x_dseg.nii"),
        ("{train,test}/orig/{1,2}.png {train,test}/gt/{1,2}.png", "{split}/orig/{id}.png", "{split}/gt/{id}.png"),
        ("{train,test}_im/{1,2}.png {train,test}_mask/{1,2}.png", "{split}_im/{id}.png", "{split}_mask/{id}.png"),
    ],
)  # fmt: skip
def test_one_pattern_pairs_every_file(text, images, masks):
    found = paired(text)
    assert (found.images, found.masks, found.candidates) == (images, masks, ())


def test_several_masks_of_a_lesion_belong_to_one_picture():
    found = paired("{benign,malignant}/a-({1,2}).png {benign,malignant}/a-({1,2})_mask.png benign/a-(1)_mask_1.png")
    assert found.masks.endswith("_mask*.png")
    assert found.classes == ("benign", "malignant")


def test_files_per_structure_are_a_label():
    found = paired("s{01,02}/ct.nii.gz s{01,02}/segmentations/{aorta,liver,spleen}.nii.gz")
    assert found.masks == "{folder}/segmentations/{label}.nii.gz"
    assert found.structures == ("aorta", "liver", "spleen")


@pytest.mark.parametrize(
    "text",
    [
        "{im1,im2}.jpg {im1,im2}_1stHO.png {im1,im2}_2ndHO.png",
        "im/{a1,a2}.png labels-ah/{a1,a2}.ah.png labels-vk/{a1,a2}.vk.png",
        "case_{1,2}/imaging.nii case_{1,2}/aggregated_{AND,OR,MAJ}_seg.nii",
        "images/{1,2}.png manual/{1,2}.png fov_mask/{1,2}.png",
    ],
)
def test_masks_of_several_readers_are_candidates(text):
    found = paired(text)
    assert found.masks is None
    assert len(found.candidates) >= 2


def test_a_mask_of_another_split_is_no_partner():
    assert paired("train/im/{1,2}.png test/masks/{1,2}.png") is None
    found = paired("train/im/{1,2}.png train/masks/{1,2}.png test/masks/{1,2}.png")
    assert found.masks == "train/masks/{id}.png"


def test_other_modalities_of_a_case_are_named():
    found = paired("p{01,02}/{flair,t1,t2}.nii p{01,02}/seg.nii", classes=False)
    assert found.masks == "{folder}/seg.nii"
    assert len(found.other_images) == 2


def test_a_case_whose_mask_is_called_otherwise_has_a_path_of_its_own():
    found = paired("p{001,002}/p{001,002}_flair.nii p001/p001_seg.nii p002/W39_Segm.nii".replace(
        "p{001,002}/p{001,002}_flair.nii", "p001/p001_flair.nii p002/p002_flair.nii"))  # fmt: skip
    assert found.masks == ("{folder}/{folder}_seg.nii", "{folder}/W39_Segm.nii")


def test_words_and_splits():
    assert words_of("GroundTruth/label0012_T1w") == ["ground", "truth", "label", "0012", "t", "1", "w"]
    assert (split_of_name("Training_Set"), split_of_name("01test"), split_of_name("imagesTr")) == (
        Split.TRAIN, Split.HELD_OUT, Split.TRAIN
    )  # fmt: skip
    assert split_of_name("train_and_validation_sets") == Split.TRAIN
    assert split_of_name("contest") is None


def test_a_folder_that_all_share_says_nothing():
    assert mask_files(["seg data/a.png", "seg data/masks/a.png"]) == ["seg data/masks/a.png"]
    assert mask_files(["labelled/a/1.jpg", "labelled/b/2.jpg"]) == []
    assert mask_files(["CT-Seg/a.nii", "Mask/a.nii"]) == ["Mask/a.nii"]


def test_masks_that_no_pattern_names_are_told_with_the_depths_of_the_pictures():
    cases = ["train/Utrecht/0", "train/Utrecht/2", "train/Amsterdam/GE3T/100"]
    found = pair(
        [f"{case}/pre/FLAIR.nii.gz" for case in cases], [f"{case}/wmh.nii.gz" for case in cases], classes=False
    )
    assert found is not None
    assert (found.masks, found.candidates, found.depths) == (None, (), 2)
    assert found.unmatched == ("train/Utrecht/2/wmh.nii.gz",)


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("D{1,2}/T{0,1}/M{1,2,3}/CT.nii D{1,2}/T{0,1}/M{1,2,3}/seg.nii", "D{patient}/T{folder_a}/M{folder_b}/CT.nii"),
        ("T{00,01}/M{1,2,3}/CT.nii T{00,01}/M{1,2,3}/seg.nii", "T{folder_a}/M{patient}/CT.nii"),
        ("day{1,2}/m{1,2}/CT.nii day{1,2}/m{1,2}/seg.nii", "day{folder_a}/m{patient}/CT.nii"),
        ("tp_{1,2}/s{1,2}/CT.nii tp_{1,2}/s{1,2}/seg.nii", "tp_{folder_a}/s{patient}/CT.nii"),
        ("TimePoint{1,2}/s{1,2}/CT.nii TimePoint{1,2}/s{1,2}/seg.nii", "TimePoint{folder_a}/s{patient}/CT.nii"),
        ("pat{1,2}/CT.nii pat{1,2}/seg.nii", "pat{patient}/CT.nii"),
    ],
)
def test_a_time_is_no_patient(text, images):
    assert paired(text).images == images


@pytest.mark.parametrize(
    ("text", "images"),
    [
        (
            "train/0/{a1,b2}/x.png train/0/{a1,b2}/x_mask.png val/0/c3/x.png val/0/c3/x_mask.png "
            "val/1/d4/x.png val/1/d4/x_mask.png",
            "{split}/{folder_a}/{patient}/x.png",
        ),
        ("train/{1,2}/x.png train/{1,2}/x_gt.png test/{3,4}/x.png test/{3,4}/x_gt.png", "{split}/{patient}/x.png"),
    ],
)
def test_what_lies_in_several_splits_is_no_patient(text, images):
    assert paired(text).images == images
