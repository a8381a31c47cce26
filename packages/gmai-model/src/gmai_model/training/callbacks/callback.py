"""A behaviour beside the steps: what it is called for, and how a lab adds its own.

A package adds one with an entry point of the group `gmai.training_callbacks`, whose name the setting `callbacks` lists:

    [project.entry-points."gmai.training_callbacks"]
    slack = "our_package.slack:Slack"

The object is called without arguments and returns a `Callback`. It comes after what gmai measures in a step and before
the step's line and checkpoint are written, on every rank.
"""

import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from gmai_cli.exit_codes import EXIT_INTERRUPTED, EXIT_REQUEUE
from gmai_formats.errors import UserError, did_you_mean

from gmai_model.batching.collate import Row
from gmai_model.batching.plan import Plan
from gmai_model.batching.samples import SampleSource
from gmai_model.training.failures import AGAIN
from gmai_model.training.inputs import Inputs
from gmai_model.training.loader import MicroBatches
from gmai_model.training.place import Place
from gmai_model.training.signals import StopAsked, StopRequest

GROUP = "gmai.training_callbacks"


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
class Step:
    """One optimiser step that is done; the same on every rank but for `values`."""

    number: int
    """Number of the step, counted from 1."""
    packs: list[np.ndarray]
    """Sample numbers of each pack, of all ranks."""
    learning_rate: float
    totals: Totals
    """Sums over all ranks."""
    gradient_norm: float
    """Before clipping."""
    seconds: float
    stop: bool
    """Whether a signal asked any rank to stop; the run ends after this step."""
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    """What callbacks measured: the line of `metrics.jsonl`."""


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
    callbacks: "Sequence[Callback]"
    validation_totals: Totals | None = None
    """Sums of the last validation in this session."""

    @property
    def is_main(self) -> bool:
        """Whether this rank writes and speaks for all."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """Where this rank computes."""
        return self.engine.device

    def notify(self, call: "Callable[[Callback], None]") -> None:
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


class Callback:
    """Does nothing yet: override what the behaviour needs.

    Every rank calls every method at the same moment, in the order of the callbacks, so that a method may use
    collectives, and must use them on every rank if on one. An exception ends the run on all ranks.
    """

    def begin(self, run: Run) -> None:
        """Called before the first step of this session."""

    def doing(self, run: Run, what: str) -> None:
        """Called when a rank begins to wait for data, to compute, to save, to validate: never slow, no collectives."""

    def after_step(self, run: Run, step: Step) -> None:
        """Called after each optimiser step; `run.place` counts it already."""

    def after_validation(self, run: Run, loss: float) -> None:
        """Called when the validation loss has been measured; the engine computes without dropout or gradients."""

    def after_benchmark(self, run: Run, score: float) -> None:
        """Called when the benchmark has been asked; `score` is the mean accuracy."""

    def end(self, run: Run) -> None:
        """Called after the last step."""

    def note(self) -> str:
        """Return what the progress bar shows of the last step."""
        return ""


def load_callbacks(names: Iterable[str]) -> list[Callback]:
    """Return the callbacks of other packages that the settings name.

    Raises:
        UserError: No installed package has one of that name, or it cannot be made.
    """
    known = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    found: list[Callback] = []
    for name in names:
        if name not in known:
            raise UserError(
                f"callbacks: no installed package has an entry point {name!r} of the group {GROUP}."
                f"{did_you_mean(name, known)}"
            )
        try:
            made = known[name].load()()
        except Exception as error:  # code of others: whatever it raises is the user's to mend
            raise UserError(f"callbacks: {name} ({known[name].value}): {type(error).__name__}: {error}") from error
        if not isinstance(made, Callback):
            raise UserError(
                f"callbacks: {name} ({known[name].value}) makes a {type(made).__name__}. It must return a "
                f"gmai_model.training.callbacks.callback.Callback."
            )
        found.append(made)
    return found
