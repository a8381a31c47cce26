"""When a measurement is due, what a signal leaves to the next run, and when patience ends."""

from types import SimpleNamespace
from typing import Any

import pytest
from gmai_model.training.callbacks.measurement import Measurement
from gmai_model.training.place import Place


class Scores(Measurement):
    """Takes the scores of a list, until a signal comes."""

    def __init__(self, *scores: float, done: bool = True, **settings: Any) -> None:
        super().__init__("benchmark", "the score has not risen", **settings)
        self._scores, self._done = iter(scores), done

    def measure(self, run: Any) -> bool:
        run.place.benchmark.append((run.place.steps, next(self._scores)))
        return self._done


def run_at(steps: int, **more: Any) -> Any:
    return SimpleNamespace(place=Place(steps, **more), last_step=10, is_main=True)


@pytest.mark.parametrize(("steps", "every", "count"), [(4, 2, 1), (5, 2, 0), (10, None, 1), (9, None, 0), (10, 3, 1)])
def test_every_so_many_steps_and_at_the_end(steps: int, every: int | None, count: int) -> None:
    run, step = run_at(steps), SimpleNamespace(stop=False)
    Scores(0.5, every_steps=every, patience=None).after_step(run, step)  # type: ignore[arg-type]
    assert (len(run.place.benchmark), step.stop) == (count, False)


def test_a_signal_leaves_it_to_the_run_that_goes_on() -> None:
    run, step = run_at(4), SimpleNamespace(stop=True)
    measured = Scores(0.5, every_steps=2, patience=None)
    measured.after_step(run, step)  # type: ignore[arg-type]
    assert run.place.benchmark == []
    measured.begin(run)
    assert run.place.benchmark == [(4, 0.5)]
    broken, step = Scores(0.5, done=False, every_steps=2, patience=None), SimpleNamespace(stop=False)
    broken.after_step(run_at(4), step)  # type: ignore[arg-type]
    assert step.stop


def test_patience_ends_the_run_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    run = run_at(6, benchmark=[(2, 0.9), (4, 0.8)])
    Scores(0.7, every_steps=2, patience=2).after_step(run, SimpleNamespace(stop=False))  # type: ignore[arg-type]
    assert run.last_step == 6
    told = "ending after step 6: the score has not risen in 2 measurements (patience 2); the best one was after step 2"
    assert told in capsys.readouterr().err
