"""When the validation loss is measured, what a signal does to it, and when patience ends."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gmai_model.training.callbacks import validate
from gmai_model.training.callbacks.callback import Callback, Step
from gmai_model.training.callbacks.validate import Validate
from gmai_model.training.place import Place


class Heard(Callback):
    def __init__(self) -> None:
        self.losses: list[float] = []

    def after_validation(self, run: Any, loss: float) -> None:
        self.losses.append(loss)


class _Packs:
    order = range(9)


class FakeRun:
    """A run whose validation losses are given; `stops` says at which row a signal comes."""

    def __init__(self, place: Place, losses: list[float], *, last_step: int = 100, stops: int = 99) -> None:
        self.place, self.last_step, self.is_main = place, last_step, True
        self.heard, self.validation_totals = Heard(), None
        self.supervised, self.unreadable = 1.0, list[str]()
        self._losses, self._stops, self._rows = iter(losses), stops, 0
        self.engine: Any = SimpleNamespace(eval=lambda: None, train=lambda: None)
        self.inputs: Any = SimpleNamespace(held_out_plan=SimpleNamespace(packs=_Packs()), held_out=None)
        self.device = torch.device("cpu")

    def rows(self, plan: Any, source: Any) -> list[Any]:
        return [SimpleNamespace(to=lambda device: None)] * 2

    def totals(self) -> Any:
        return SimpleNamespace(
            add=lambda *_: None, reduce=lambda: None, mean_loss=next(self._losses), supervised=self.supervised,
            names=self.unreadable, unreadable=float(len(self.unreadable)),
        )  # fmt: skip

    def doing(self, what: str) -> None:
        assert what == "measuring the validation loss after"

    def notify(self, call: Any) -> None:
        call(self.heard)

    def any_stop(self) -> bool:
        self._rows += 1
        return self._rows >= self._stops


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "iterate", lambda rows, **_: rows)


def run_of(place: Place, losses: list[float], **more: Any) -> Any:
    run = FakeRun(place, losses, **more)

    class Engine:
        def __call__(self, row: Any) -> Any:
            return 0, 0

        def eval(self) -> None: ...

        def train(self) -> None: ...

    run.engine = Engine()
    return run


def step(run: Any, number: int, *, stop: bool = False) -> Step:
    run.place.steps = number
    totals: Any = None
    return Step(number, [], 0.1, totals, 1.0, 1.0, stop=stop)


def test_every_so_many_steps_and_at_the_end() -> None:
    run = run_of(Place(), [3.0, 2.0, 1.0], last_step=5)
    callback = Validate(every_steps=2, patience=None)
    callback.begin(run)
    for number in range(1, 6):
        callback.after_step(run, step(run, number))
    assert run.place.validation == [(2, 3.0), (4, 2.0), (5, 1.0)]
    assert run.heard.losses == [3.0, 2.0, 1.0]


def test_without_an_interval_the_end_alone_is_measured() -> None:
    run = run_of(Place(), [3.0], last_step=2)
    for number in (1, 2):
        Validate(every_steps=None, patience=None).after_step(run, step(run, number))
    assert run.place.validation == [(2, 3.0)]


def test_a_point_that_a_kill_has_left_out_is_measured_at_the_start() -> None:
    run = run_of(Place(4, 0, [(2, 3.0)]), [2.0])
    Validate(every_steps=2, patience=None).begin(run)
    assert run.place.validation == [(2, 3.0), (4, 2.0)]


def test_a_point_that_is_there_is_not_measured_twice() -> None:
    run = run_of(Place(4, 0, [(2, 3.0), (4, 2.0)]), [])
    Validate(every_steps=2, patience=None).begin(run)
    assert len(run.place.validation) == 2


def test_a_signal_before_puts_it_off() -> None:
    run = run_of(Place(), [])
    Validate(every_steps=2, patience=None).after_step(run, step(run, 2, stop=True))
    assert run.place.validation == []


def test_a_signal_amid_breaks_it_off_and_ends_the_run_after_the_step() -> None:
    run = run_of(Place(), [3.0], stops=2)
    made = step(run, 2)
    Validate(every_steps=2, patience=None).after_step(run, made)
    assert made.stop
    assert run.place.validation == []
    assert run.heard.losses == []


def test_patience_ends_the_run_and_names_the_best_step(capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(Place(), [3.0, 1.0, 2.0, 1.5])
    callback = Validate(every_steps=1, patience=2)
    for number in range(1, 5):
        callback.after_step(run, step(run, number))
    assert run.last_step == 4
    assert "has not fallen in 2 measurements (patience 2); the best one was after step 2" in capsys.readouterr().err


def test_a_resumed_run_whose_patience_is_at_its_end_makes_no_step() -> None:
    run = run_of(Place(3, 0, [(1, 1.0), (2, 2.0), (3, 2.0)]), [])
    Validate(every_steps=1, patience=2).begin(run)
    assert run.last_step == 3


def test_without_validation_samples_nothing_is_measured() -> None:
    run = run_of(Place(), [], last_step=1)
    run.inputs.held_out_plan.packs = []
    made = step(run, 1)
    Validate(every_steps=1, patience=1).after_step(run, made)
    assert not made.stop
    assert run.place.validation == []


@pytest.mark.parametrize("readable", [True, False])
def test_unreadable_images_are_said_and_make_no_loss_of_nothing(
    readable: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(Place(), [0.5], last_step=1)
    run.supervised, run.unreadable = float(readable), ["a: gone", "b: broken"]
    Validate(every_steps=1, patience=1).after_step(run, step(run, 1))
    said = capsys.readouterr().err
    assert "validation sample left out: a: gone, and 1 more" in said
    assert "2 of 9 validation samples have an image that is missing or broken" in said
    assert ("the loss is of the others after step 1" in said) == readable
    assert ("there is no validation loss after step 1" in said) == (not readable)
    assert run.place.validation == ([(1, 0.5)] if readable else [])
    assert run.heard.losses == ([0.5] if readable else [])
