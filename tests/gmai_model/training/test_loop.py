"""The steps alone: what the engine is given, when callbacks are called, what a signal makes of it."""

from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from gmai_model.batching.collate import Row, make_row
from gmai_model.batching.groups import groups_of
from gmai_model.batching.plan import make_plan
from gmai_model.batching.tokens import Encoded
from gmai_model.training.callbacks.callback import Callback, Run, Step, Totals
from gmai_model.training.loop import Loop
from gmai_model.training.place import Place
from gmai_model.training.signals import StopAsked


@pytest.fixture(autouse=True)
def one_rank(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


class Engine:
    """Counts what it is asked for; each target costs its group's number and one."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.optimizer = SimpleNamespace(param_groups=[{"lr": 0.0}])
        self.backwards: list[float] = []
        self.boundaries: list[bool] = []
        self.rates: list[float] = []

    def __call__(self, row: Row) -> tuple[torch.Tensor, torch.Tensor]:
        of_targets = row.target_groups.float() + 1
        return of_targets.sum(), of_targets

    def train(self) -> None: ...

    def set_gradient_accumulation_boundary(self, at: bool) -> None:
        self.boundaries.append(at)

    def backward(self, loss: torch.Tensor) -> None:
        self.backwards.append(float(loss))

    def step(self) -> None:
        self.rates.append(self.optimizer.param_groups[0]["lr"])

    def get_global_grad_norm(self) -> float:
        return 0.25


class Order(Callback):
    def __init__(self, name: str, calls: list[str]) -> None:
        self._name, self._calls = name, calls

    def begin(self, run: Run) -> None:
        self._calls.append(f"{self._name} begin")

    def after_step(self, run: Run, step: Step) -> None:
        self._calls.append(f"{self._name} step {step.number}")
        if step.stop:
            raise run.stopped(step.totals)

    def end(self, run: Run) -> None:
        self._calls.append(f"{self._name} end")


def rows(count: int) -> Iterator[Row]:
    learned = np.array([False, True, True, True])
    for number in range(count):
        yield make_row([Encoded(np.arange(4, dtype=np.int32), learned, 0)], None, image_size=4, unreadable=[],
                       groups=[number % 2])  # fmt: skip


def run_of(engine: Engine, calls: list[str], *, signal: Signals | None = None, done: int = 0) -> Run:
    lengths = SimpleNamespace(supervised=np.full(8, 3))
    plan = make_plan(np.full(8, 4), pack_tokens=4, packs_per_step=2, method="none", epochs=1, seed=0)
    inputs: Any = SimpleNamespace(plan=plan, lengths=lengths, groups=groups_of(["a"])[:2])
    stop: Any = SimpleNamespace(received=signal)
    return Run(
        engine, inputs, rank=0, world=1, micro_batch_size=1, accumulation=2, out=Path("run"), place=Place(done),
        last_step=3, stop=stop, callbacks=[Order("first", calls), Order("second", calls)],
    )  # fmt: skip


def test_callbacks_are_called_in_order_around_the_steps() -> None:
    engine, calls = Engine(), list[str]()
    Loop(run_of(engine, calls, done=1), rows(8), lambda step: 0.1 * step).run("stage")
    assert calls == [
        "first begin", "second begin", "first step 2", "second step 2", "first step 3", "second step 3", "first end",
        "second end",
    ]  # fmt: skip
    assert engine.boundaries == [False, True] * 2
    assert engine.rates == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_the_loss_of_a_row_is_divided_by_the_targets_of_the_whole_step() -> None:
    """DeepSpeed divides by the accumulation of 2, so that rows of 3 targets weigh 2 / 6."""
    engine = Engine()
    Loop(run_of(engine, []), rows(8), lambda step: 0.1).run("stage")
    assert engine.backwards == pytest.approx([3 * 2 / 6, 6 * 2 / 6] * 3)


@pytest.mark.parametrize(("signal", "code"), [(SIGTERM, 75), (SIGINT, 130)])
def test_a_signal_ends_after_the_step(signal: Signals, code: int) -> None:
    calls: list[str] = []
    with pytest.raises(StopAsked, match=rf"stopped by {signal.name} after step 1 of 3; the state is saved") as raised:
        Loop(run_of(Engine(), calls, signal=signal), rows(8), lambda step: 0.1).run("stage")
    assert raised.value.code == code
    assert calls[-1] == "first step 1"


def test_ctrl_c_on_one_rank_and_slurms_signal_on_another_is_slurms() -> None:
    run = run_of(Engine(), [])
    totals = Totals(1, torch.device("cpu"))
    totals.stop, totals.interrupted = 2.0, 1.0
    assert run.stopped(totals).code == 75
    assert "stopped by a signal on another rank" in str(run.stopped(totals))


def test_sums_are_kept_apart_by_group() -> None:
    engine = Engine()
    totals = Totals(2, torch.device("cpu"))
    for row in rows(3):
        totals.add(*engine(row), row)
    totals.reduce()
    assert totals.mean_by_group() == [(1.0, 6), (2.0, 3)]
    assert totals.mean_loss == pytest.approx(12 / 9)
    assert totals.tokens == 12
