"""Windows are scaled by their own bounds; percentiles have guards."""

import numpy as np
import pytest
from gmai_formats.pictures.windows import FlatIntensitiesError, apply_bounds, apply_window, percentile_bounds


def test_window_maps_its_bounds_and_not_the_data():
    values = np.array([-1000, -160, 40, 240, 3000], np.int16)
    assert apply_window(values, 40, 400).tolist() == [0, 0, 128, 255, 255]
    # A slice without air must not be brighter than its neighbour.
    assert apply_window(values[2:3], 40, 400).tolist() == [128]


def test_percentiles_ignore_zero_and_negative_voxels():
    volume = np.concatenate([np.full(1000, -47.0), np.zeros(1000), np.linspace(100, 200, 1001)])
    low, high = percentile_bounds(volume)
    assert (low, high) == pytest.approx((100.5, 199.5))
    shown = apply_bounds(np.array([-47.0, 0.0, np.nan, 100.0, 150.0, 900.0]), low, high)
    assert shown.tolist() == [0, 0, 0, 1, 128, 255]


def test_values_normalised_to_mean_zero_keep_their_dark_half():
    volume = np.concatenate([np.full(500, -9.0), np.zeros(500), np.linspace(-2, 2, 1001)])
    low, high = percentile_bounds(volume)
    assert (low, high) == pytest.approx((-1.98, 1.98), abs=0.01)
    assert apply_bounds(np.array([-9.0, -1.98, 0.0, 1.98, np.nan]), low, high).tolist() == [0, 0, 128, 255, 0]


@pytest.mark.parametrize("volume", [np.zeros(10), np.full(10, 5.0), np.full(10, -3.0), np.full(10, np.nan)])
def test_flat_volumes_are_refused(volume):
    with pytest.raises(FlatIntensitiesError):
        percentile_bounds(volume)
