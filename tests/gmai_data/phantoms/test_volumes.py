"""Phantom volumes: labels lie where their values are, over ranges of slices."""

import numpy as np
import pytest
from gmai_data.phantoms.canvas import SIDE_PX
from gmai_data.phantoms.volumes import CT_LABELS, CT_SLICES, MR_LESIONS, MR_SLICES, VENTRICLES, ct, mr

HU = {1: 130, 3: 225, 4: -130, 6: 235}


@pytest.mark.parametrize("seed", [0, 1])
def test_an_abdomen(seed):
    hu, labels = ct(np.random.default_rng(seed))
    assert hu.shape == labels.shape == (CT_SLICES, SIDE_PX, SIDE_PX) == (12, 112, 112)
    assert (hu.dtype, labels.dtype) == (np.float32, np.uint8)
    assert set(np.unique(labels)) <= {0, *CT_LABELS}
    for label, value in HU.items():
        assert np.median(hu[labels == label]) == pytest.approx(value, abs=25)
        slices = np.flatnonzero((labels == label).any(axis=(1, 2)))
        assert 5 <= len(slices) <= 7
        assert np.array_equal(slices, np.arange(slices[0], slices[-1] + 1))
    assert hu[:, :5, :5].mean() == pytest.approx(-1000, abs=15), "air around"


def test_the_spleen_is_striped_and_some_livers_hold_a_lesion():
    volumes = [ct(np.random.default_rng(seed)) for seed in range(8)]
    assert 0 < sum(bool((labels == 5).any()) for _, labels in volumes) < 8
    for hu, labels in volumes:
        assert hu[labels == 2].std() > 30
        if (labels == 5).any():
            assert set(np.flatnonzero((labels == 5).any(axis=(1, 2)))) <= set(
                np.flatnonzero((labels == 1).any(axis=(1, 2)))
            )


@pytest.mark.parametrize("lesion", MR_LESIONS)
def test_a_brain_has_its_lesion_and_no_other(lesion):
    values, labels = mr(lesion, np.random.default_rng(lesion))
    assert values.shape == labels.shape == (MR_SLICES, SIDE_PX, SIDE_PX) == (10, 112, 112)
    assert set(np.unique(labels)) - {VENTRICLES} == {0, lesion}
    assert values.min() == 0
    assert (values[:, :3, :3] == 0).all(), "nothing outside the head"
    slices = np.flatnonzero((labels == lesion).any(axis=(1, 2)))
    assert 4 <= len(slices) <= 6


def test_the_same_seed_gives_the_same_volume():
    for first, second in zip(ct(np.random.default_rng(3)), ct(np.random.default_rng(3)), strict=True):
        assert np.array_equal(first, second)
