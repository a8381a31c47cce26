"""What is noticed, and what is not: noise, a single higher measurement, references that are alike."""

from types import SimpleNamespace

import numpy as np
import pytest
from gmai_formats.state import append_line
from gmai_model.training.callbacks.notices import (
    WINDOW,
    Notices,
    collapsed,
    notices,
    rising_in_training,
    rising_in_validation,
)


def curve(means, *, noise=0.05, key="loss", names=("a", "b")):
    rng = np.random.default_rng(0)
    steps = [mean + noise * rng.standard_normal() for mean in means]
    return [{"step": n, key: loss, f"{key}_by_source": {names[0]: loss, names[1]: 0.5}} for n, loss in enumerate(steps)]


def test_a_source_that_rises_is_named_and_noise_is_not():
    falling = np.linspace(2, 1, 4 * WINDOW)
    assert rising_in_training(curve(falling)) == {}
    assert rising_in_training(curve([1.0] * 10 * WINDOW, noise=0.3)) == {}
    found = rising_in_training(curve([*falling, *np.linspace(1, 1.6, 3 * WINDOW)]))
    assert list(found) == ["training loss of a"]
    assert rising_in_training(curve(np.linspace(1, 2, WINDOW))) == {}


@pytest.mark.parametrize(
    ("losses", "told"),
    [([3, 2, 1], False), ([2, 1, 1.5], False), ([2, 1, 1.5, 1.4], True), ([2, 1, 1.5, 1.01], False), ([1, 2], False)],
)
def test_validation_must_be_higher_twice(losses, told):
    lines = [{"step": n, "validation_loss": loss} for n, loss in enumerate(losses)]
    assert bool(rising_in_validation(lines)) == told


@pytest.mark.parametrize(
    ("answers", "references", "told"),
    [
        (["Yes"] * 4, ["Yes", "No", "CT", "MR"], True),
        ([""] * 4, ["Yes", "No", "CT", "MR"], True),
        (["Yes"] * 4, ["Yes"] * 4, False),
        (["Yes", "Yes", "CT", "MR"], ["Yes", "No", "CT", "MR"], False),
        (["Yes"] * 3, ["Yes", "No", "CT"], False),
    ],
)
def test_answers_collapse_when_they_are_more_alike_than_their_references(answers, references, told):
    lines = [{"answer": a, "reference": r} for a, r in zip(answers, references, strict=True)]
    assert bool(collapsed(lines)) == told


def test_each_notice_is_said_once(tmp_path, capsys):
    for n, loss in enumerate([2, 1, 1.5, 1.4]):
        append_line(tmp_path / "metrics.jsonl", {"step": n, "validation_loss": loss})
    run = SimpleNamespace(out=tmp_path, is_main=True, place=SimpleNamespace(steps=3))
    for _ in range(2):
        Notices().after_validation(run, 1.4)
    assert capsys.readouterr().err.count("notice: after step 3") == 1
    assert [line["step"] for line in notices(tmp_path)] == [3]
    Notices().after_validation(SimpleNamespace(out=tmp_path / "other", is_main=False), 1.0)
