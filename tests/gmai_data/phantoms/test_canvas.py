"""Shapes of the phantoms."""

import numpy as np
import pytest
from gmai_data.phantoms.canvas import SIDE_PX, Spot, distance, ellipse, finish, jagged, smooth_noise, soften


def test_distance_is_0_in_the_centre_and_1_on_the_edge():
    grid = distance(Spot(50, 40, 10, 20))
    assert grid.shape == (SIDE_PX, SIDE_PX) == (112, 112)
    assert grid.dtype == np.float32
    assert [grid[y, x] for x, y in ((50, 40), (60, 40), (40, 40), (50, 60), (50, 20))] == pytest.approx([0, 1, 1, 1, 1])
    assert grid[40, 70] == pytest.approx(2)


def test_an_angle_turns_a_spot():
    turned = ellipse(Spot(56, 56, 20, 5, np.pi / 2))
    assert turned[56 - 19, 56]
    assert turned[56 + 19, 56]
    assert not turned[56, 56 - 19]
    assert np.array_equal(ellipse(Spot(56, 56, 20, 5)), ellipse(Spot(56, 56, 20, 5, np.pi)))


def test_an_ellipse_has_its_area_and_a_jagged_one_lies_within():
    spot = Spot(56, 56, 20, 30)
    inside = ellipse(spot)
    assert inside.sum() == pytest.approx(np.pi * 20 * 30, rel=0.01)
    spiky = jagged(spot, np.random.default_rng(0))
    assert not (spiky & ~inside).any()
    assert ellipse(Spot(56, 56, 20 * 0.55, 30 * 0.55))[spiky].sum() == ellipse(Spot(56, 56, 11, 16.5)).sum()
    assert np.array_equal(jagged(spot, np.random.default_rng(0), depth=0), inside)


def test_noise_is_of_mean_0_and_as_wide_as_its_scale():
    noise = smooth_noise(np.random.default_rng(0), 8)
    assert noise.shape == (SIDE_PX, SIDE_PX)
    assert abs(noise.mean()) < 0.15
    assert 0.5 < noise.std() < 1.2
    fine = smooth_noise(np.random.default_rng(0), 2)
    assert np.abs(np.diff(noise)).mean() < np.abs(np.diff(fine)).mean() / 2


def test_a_blur_keeps_the_sum_and_lowers_the_peak():
    values = np.zeros((SIDE_PX, SIDE_PX))
    values[56, 56] = 100
    soft = soften(values)
    assert soft.sum() == pytest.approx(100, rel=1e-3)
    assert 20 < soft[56, 56] < 30
    assert soften(values, 3)[56, 56] < 5


def test_a_finished_picture_has_8_bits_and_repeats_with_its_seed():
    values = np.full((SIDE_PX, SIDE_PX), 100.0)
    first, second = (finish(values, np.random.default_rng(5)) for _ in range(2))
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert 85 < first.mean() < 115
    assert 5 < first.std() < 7
    assert finish(values + 500, np.random.default_rng(5)).min() == 255
    assert finish(values - 500, np.random.default_rng(5)).max() == 0
    assert finish(values, np.random.default_rng(5), noise=0).std() < 0.1
