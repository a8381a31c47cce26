"""The learning rate: a rise, a cosine, an end near zero."""

import pytest
from gmai_model.training.schedule import learning_rate


def test_rises_to_the_peak_and_falls_to_zero() -> None:
    rates = [learning_rate(step, steps=100, peak=1e-3, warmup_ratio=0.03) for step in range(101)]
    assert rates[:3] == pytest.approx([1e-3 / 3, 2e-3 / 3, 1e-3])
    assert rates[3] == pytest.approx(1e-3)
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[100] == pytest.approx(0.0, abs=1e-12)


def test_single_step() -> None:
    assert learning_rate(0, steps=1, peak=1e-3, warmup_ratio=0.0) == pytest.approx(1e-3)
