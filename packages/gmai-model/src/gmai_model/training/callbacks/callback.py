"""A behaviour beside the steps: what it is called for, and how a lab adds its own.

A package adds one with an entry point of the group `gmai.training_callbacks`, whose name the setting `callbacks` lists:

    [project.entry-points."gmai.training_callbacks"]
    slack = "our_package.slack:Slack"

The object is called without arguments and returns a `Callback`. It comes after what gmai measures in a step and before
the step's line and checkpoint are written, on every rank.
"""

import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from gmai_formats.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from gmai_model.training.loop import Run, Totals

GROUP = "gmai.training_callbacks"


@dataclass
class Step:
    """One optimiser step that is done; the same on every rank but for `values`."""

    number: int
    """From 1."""
    packs: list[np.ndarray]
    """Sample numbers of each pack, of all ranks."""
    learning_rate: float
    totals: "Totals"
    """Sums over all ranks."""
    gradient_norm: float
    """Before clipping."""
    seconds: float
    stop: bool
    """Whether a signal asked any rank to stop; the run ends after this step."""
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    """What callbacks measured: the line of `metrics.jsonl`."""


class Callback:
    """Does nothing yet: override what the behaviour needs.

    Every rank calls every method at the same moment, in the order of the callbacks, so that a method may use
    collectives, and must use them on every rank if on one. An exception ends the run on all ranks.
    """

    def begin(self, run: "Run") -> None:
        """Called before the first step of this session."""

    def doing(self, run: "Run", what: str) -> None:
        """Called when a rank begins to wait for data, to compute, to save, to validate: never slow, no collectives."""

    def after_step(self, run: "Run", step: Step) -> None:
        """Called after each optimiser step; `run.place` counts it already."""

    def after_validation(self, run: "Run", loss: float) -> None:
        """Called when the validation loss has been measured; the engine computes without dropout or gradients."""

    def end(self, run: "Run") -> None:
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
