"""The steps of a stage on one rank: rows ▶ loss ▶ optimiser. What happens beside them is in `callbacks/`."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from gmai_cli.console import progress, say
from gmai_cli.exit_codes import EXIT_INTERRUPTED, EXIT_REQUEUE

from gmai_model.batching.collate import Row
from gmai_model.batching.plan import Plan
from gmai_model.batching.samples import SampleSource
from gmai_model.training.callbacks.callback import Callback, Step
from gmai_model.training.failures import AGAIN
from gmai_model.training.inputs import Inputs
from gmai_model.training.loader import MicroBatches
from gmai_model.training.place import Place
from gmai_model.training.signals import StopAsked, StopRequest


class Totals:
    """Sums over the rows of a step or of a validation, over all ranks once reduced.

    Args:
        groups: Number of groups that losses are kept apart for, see `Inputs.groups`.
        device: Where the rows are.
    """

    _KEYS = ("loss", "tokens", "supervised", "images", "unreadable", "stop", "waited_s", "interrupted")

    def __init__(self, groups: int, device: torch.device) -> None:
        self.loss: Any = 0.0
        self.tokens = self.supervised = self.images = self.unreadable = self.waited_s = 0.0
        self.stop = self.interrupted = 0.0
        self.by_group = torch.zeros(2, groups, dtype=torch.float64, device=device)
        """Summed loss and number of targets of each group."""
        self.names: list[str] = []

    def add(self, loss: torch.Tensor, of_targets: torch.Tensor, row: Row) -> None:
        """Count a row; its losses stay on the device, so that nothing waits for them here."""
        self.loss = self.loss + loss.detach().double()
        self.by_group[0].index_add_(0, row.target_groups, of_targets.double())
        self.by_group[1].index_add_(0, row.target_groups, torch.ones_like(of_targets, dtype=torch.float64))
        self.tokens += row.input_ids.shape[1]
        self.supervised += len(row.targets)
        self.images += len(row.pixel_values) if row.has_images else 0
        self.unreadable += len(row.unreadable)
        self.names += row.unreadable

    def reduce(self) -> None:
        """Sum over the ranks."""
        own = [float(getattr(self, key)) for key in self._KEYS]
        values = torch.cat([torch.tensor(own, dtype=torch.float64, device=self.by_group.device), self.by_group.ravel()])
        dist.all_reduce(values)
        for key, value in zip(self._KEYS, values.tolist(), strict=False):
            setattr(self, key, value)
        self.by_group = values[len(self._KEYS) :].view_as(self.by_group)

    @property
    def mean_loss(self) -> float:
        """Loss per target."""
        return self.loss / max(self.supervised, 1)

    def mean_by_group(self) -> list[tuple[float, int]]:
        """Return (loss per target, number of targets) of each group."""
        return [(total / max(count, 1), int(count)) for total, count in self.by_group.T.tolist()]


@dataclass
class Run:
    """What the steps and the callbacks of one rank share."""

    engine: Any
    """DeepSpeed's engine around `PackedLlava`."""
    inputs: Inputs
    rank: int
    world: int
    micro_batch_size: int
    accumulation: int
    """Rows per rank and step."""
    out: Path
    place: Place
    """How far the weights in the engine have come."""
    last_step: int
    """Steps that the run takes; a callback may end it earlier, on every rank alike."""
    stop: StopRequest
    callbacks: Sequence[Callback]
    validation_totals: Totals | None = None
    """Of the last measurement of the validation loss in this session."""

    @property
    def is_main(self) -> bool:
        """Whether this rank writes and speaks for all."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """Where this rank computes."""
        return self.engine.device

    def notify(self, call: Callable[[Callback], None]) -> None:
        """Call every callback, in order."""
        for callback in self.callbacks:
            call(callback)

    def doing(self, what: str) -> None:
        """Tell the callbacks what this rank begins to do."""
        self.notify(lambda callback: callback.doing(self, what))

    def rows(self, plan: Plan, source: SampleSource) -> MicroBatches:
        """Return this rank's rows of a plan."""
        return MicroBatches(
            plan, self.inputs.collator(source), rank=self.rank, world=self.world,
            micro_batch_size=self.micro_batch_size, accumulation=self.accumulation,
        )  # fmt: skip

    def totals(self) -> Totals:
        """Return empty sums."""
        return Totals(len(self.inputs.groups), self.device)

    def any_stop(self) -> bool:
        """Return whether a signal has asked any rank to stop. Every rank must call this."""
        asked = torch.tensor(float(self.stop.received is not None), device=self.device)
        dist.all_reduce(asked)
        return bool(asked)

    def stopped(self, totals: Totals) -> StopAsked:
        """Return the end that a signal has asked for, once the state is saved."""
        who = self.stop.received.name if self.stop.received else "a signal on another rank"
        done = f"stopped by {who} after step {self.place.steps} of {self.last_step}; the state is saved. {AGAIN}"
        code = EXIT_INTERRUPTED if 0 < totals.stop == totals.interrupted else EXIT_REQUEUE
        return StopAsked(done if self.is_main else "", code=code)


class Loop:
    """Trains from the step that a checkpoint left until the last one.

    Args:
        run: What is shared with the callbacks.
        rows: This rank's rows, from the first one of the next step on.
        rate: Step, from 0 ▶ its learning rate.
    """

    def __init__(self, run: Run, rows: Iterator[Row], rate: Callable[[int], float]) -> None:
        self._run, self._rows, self._rate = run, rows, rate

    def run(self, title: str) -> None:
        """Train until the last step.

        Raises:
            StopAsked: After a signal, once every rank has saved.
            UserError: What a callback found: a loss that is no number, too many unreadable images, a full disk.
        """
        run = self._run
        run.engine.train()
        run.notify(lambda callback: callback.begin(run))
        with progress(title, run.last_step - run.place.steps, unit="steps", shown=run.is_main) as bar:
            while run.place.steps < run.last_step:
                step = self._step()
                run.notify(lambda callback, step=step: callback.after_step(run, step))
                notes = [callback.note() for callback in run.callbacks]
                first = f"loss {step.totals.mean_loss:.3f}, lr {step.learning_rate:.1e}"
                bar.advance(note=", ".join([first, *filter(None, notes)]))
        run.notify(lambda callback: callback.end(run))

    def _step(self) -> Step:
        run, started = self._run, time.monotonic()
        rate = self._rate(run.place.steps)
        for group in run.engine.optimizer.param_groups:
            group["lr"] = rate
        packs = run.inputs.plan.step(run.place.steps)
        targets = int(run.inputs.lengths.supervised[np.concatenate(packs)].sum())
        # DeepSpeed divides by the accumulation and averages over the ranks; the loss is a mean over all targets of
        # the step, whichever rank and micro-step they fall on.
        scale = run.world * run.accumulation / max(targets, 1)
        totals = run.totals()
        for micro_step in range(run.accumulation):
            before = time.monotonic()
            run.doing("waiting for its data")
            row = next(self._rows).to(run.device)
            totals.waited_s += time.monotonic() - before
            run.doing("computing")
            loss, of_targets = run.engine(row)
            totals.add(loss, of_targets, row)
            run.engine.set_gradient_accumulation_boundary(micro_step == run.accumulation - 1)
            run.engine.backward(loss * scale)
            run.engine.step()
        totals.stop = float(run.stop.received is not None)
        totals.interrupted = float(run.stop.received == SIGINT)
        for name in totals.names:
            say(f"unreadable image, sample left out: {name}")
        totals.reduce()
        run.place.steps += 1
        run.place.unreadable += round(totals.unreadable)
        return Step(
            run.place.steps, packs, rate, totals, float(run.engine.get_global_grad_norm()),
            time.monotonic() - started, stop=totals.stop > 0,
        )  # fmt: skip
