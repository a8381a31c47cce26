from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_model.training import checkpoints
from gmai_model.training.callbacks.callback import Step
from gmai_model.training.callbacks.save import Save
from gmai_model.training.place import Place
from gmai_model.training.signals import StopAsked


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int | None]]:
    calls: list[tuple[int, int, int | None]] = []

    def save(engine: Any, root: Path, *, place: Place, samples: str, keep: int, keep_step: int | None) -> None:
        assert samples == "s"
        calls.append((place.steps, keep, keep_step))

    monkeypatch.setattr(checkpoints, "save", save)
    return calls


def after(save: Save, place: Place, *, last_step: int = 10, stop: bool = False) -> None:
    run: Any = SimpleNamespace(
        engine=None, out=Path("run"), place=place, last_step=last_step, doing=lambda what: None,
        stopped=lambda totals: StopAsked("stopped"), inputs=SimpleNamespace(digest="s"),
    )  # fmt: skip
    totals: Any = None
    save.after_step(run, Step(place.steps, [], 0.1, totals, 1.0, 1.0, stop=stop))


def test_every_so_many_steps_and_at_the_end(saved: list[Any]) -> None:
    save = Save(every_steps=4, keep=2, best=False)
    for step in range(1, 11):
        after(save, Place(step, 0, [(3, 0.1)]))
    assert saved == [(4, 2, None), (8, 2, None), (10, 2, None)]


def test_the_best_one_is_saved_when_it_is_measured_and_stays(saved: list[Any]) -> None:
    save = Save(every_steps=100, keep=1, best=True)
    after(save, Place(2, 0, [(2, 1.0)]))
    after(save, Place(3, 0, [(2, 1.0)]))
    after(save, Place(4, 0, [(2, 1.0), (4, 2.0)]))
    after(save, Place(6, 0, [(2, 1.0), (4, 2.0), (6, 0.5)]))
    assert saved == [(2, 1, 2), (6, 1, 6)]


def test_a_signal_saves_at_any_step_and_ends(saved: list[Any]) -> None:
    with pytest.raises(StopAsked):
        after(Save(every_steps=100, keep=1, best=False), Place(3), stop=True)
    assert saved == [(3, 1, None)]
