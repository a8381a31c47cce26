"""Phantom pictures: of one size, the same for the same seed, and each class with its sign."""

import numpy as np
import pytest
from gmai_data.phantoms.pictures import (
    CELLS,
    CINE_FRAMES,
    FUNDUS,
    LESION_FRAME,
    SKIN,
    ULTRASOUND,
    XRAY,
    cine,
    fundus,
    skin,
    smear,
    ultrasound,
    xray,
)

SHAPE = (112, 112)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("draw", "labels", "shape"), [(xray, XRAY, SHAPE), (ultrasound, ULTRASOUND, SHAPE), (fundus, FUNDUS, (*SHAPE, 3))]
)
def test_the_same_seed_gives_the_same_picture_and_classes_differ(draw, labels, shape):
    assert len(labels) == 4
    pictures = [draw(label, rng()) for label in labels]
    assert all(picture.shape == shape and picture.dtype == np.uint8 for picture in pictures)
    for label, picture in zip(labels, pictures, strict=True):
        assert np.array_equal(draw(label, rng()), picture)
        assert not np.array_equal(draw(label, rng(1)), picture)
    assert all(
        np.abs(one.astype(int) - other).mean() > 1
        for number, one in enumerate(pictures) for other in pictures[:number]
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_signs_of_an_x_ray(seed):
    normal, cardiomegaly, effusion = (xray(label, rng(seed)) for label in ("normal", "cardiomegaly", "effusion"))
    heart = np.s_[64:84, 35:85]
    assert cardiomegaly[heart].mean() > normal[heart].mean() + 25
    base = np.s_[66:80, 20:92]
    assert effusion[base].mean() > normal[base].mean() + 15


@pytest.mark.parametrize("label", SKIN)
@pytest.mark.parametrize("seed", range(2))
def test_a_skin_lesion_lies_in_its_mask(label, seed):
    picture, mask = skin(label, rng(seed))
    assert picture.shape == (*SHAPE, 3)
    assert mask.shape == SHAPE
    assert mask.dtype == bool
    assert 300 < mask.sum() < 4500
    inside, outside = picture[mask].mean(axis=0), picture[~mask].mean(axis=0)
    assert np.abs(inside - outside).max() > 40
    colours = {"melanoma": inside.max() < 110, "nevus": inside[0] > inside[2] + 50,
               "vascular": inside[0] > inside[1] + 100, "keratosis": inside[1] > inside[2] + 40}  # fmt: skip
    assert colours[label]


def test_a_cyst_is_dark_and_a_fundus_black_outside_the_retina():
    assert ultrasound("cyst", rng()).min() < 10
    assert (ultrasound("cyst", rng()) < 20).sum() > (ultrasound("normal", rng()) < 20).sum() + 500
    corner = fundus("healthy", rng())[:8, :8]
    assert corner.mean() < 8


def test_a_sweep_shows_its_lesion_from_one_frame_on():
    frames = list(cine("cyst", rng()))
    assert (len(frames), CINE_FRAMES, LESION_FRAME) == (11, 11, 4)
    assert [label for label, _ in frames] == ["normal"] * 4 + ["cyst"] * 7
    dark = [(picture < 20).sum() for _, picture in frames]
    assert max(dark[:4]) < min(dark[4:])


@pytest.mark.parametrize("seed", range(3))
def test_cells_of_a_smear_do_not_touch(seed):
    picture, cells = smear(CELLS, rng(seed))
    assert picture.shape == (*SHAPE, 3)
    assert {label for label, _ in cells} <= set(CELLS)
    counts = [sum(name == label for name, _ in cells) for label in CELLS]
    assert max(counts) <= 5
    assert counts[0] >= 2
    total = np.sum([mask.astype(int) for _, mask in cells], axis=0)
    assert total.max() == 1
    background = np.median(picture[total == 0], axis=0)
    assert all(np.abs(picture[mask].mean(axis=0) - background).max() > 25 for _, mask in cells)
