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


@pytest.mark.parametrize(
    ("steps", "ratio", "warmup"), [(50, 0.03, 2), (10, 0.03, 1), (101, 0.03, 4), (34, 0.5, 17), (7, 0.1, 1)]
)
def test_the_rise_takes_whole_steps_rounded_up(steps: int, ratio: float, warmup: int) -> None:
    rates = [learning_rate(step, steps=steps, peak=1.0, warmup_ratio=ratio) for step in range(steps)]
    assert rates[:warmup] == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    assert rates[warmup] == pytest.approx(1.0)
    assert rates[warmup + 1] < 1.0
