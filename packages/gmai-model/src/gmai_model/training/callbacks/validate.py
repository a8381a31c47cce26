"""The validation loss: every so many steps and at the end, always on the same samples, and what follows from it."""

from collections.abc import Sequence

import torch
from gmai_cli.console import say

from gmai_model.training.callbacks.callback import Run, Totals
from gmai_model.training.callbacks.measurement import Measurement
from gmai_model.training.loader import iterate


class Validate(Measurement):
    """Measures the mean loss over the validation samples, if there are any.

    Args:
        every_steps: Steps between two measurements; none measures at the end alone.
        patience: Measurements without a lower loss after which the run ends; none never ends it.
    """

    def __init__(self, *, every_steps: int | None, patience: int | None) -> None:
        super().__init__(
            "validation_loss", "the validation loss has not fallen", every_steps=every_steps, patience=patience
        )

    @torch.no_grad()
    def measure(self, run: Run) -> bool:
        """Measure, and let the callbacks know; returns whether it was done, not broken off by a signal."""
        plan = run.inputs.held_out_plan
        if not plan.packs:
            return True
        run.engine.eval()
        totals = run.totals()
        done = True
        for row in iterate(run.rows(plan, run.inputs.held_out), start=0, workers=0):
            run.doing("measuring the validation loss after")
            on_device = row.to(run.device)
            loss, of_targets = run.engine(on_device)
            totals.add(loss, of_targets, on_device)
            if run.any_stop():
                done = False
                break
        if done:
            names = totals.names
            totals.reduce()
            _say_unreadable(run, totals, names, of=len(plan.packs.order))
        if done and totals.supervised:
            run.place.validation.append((run.place.steps, totals.mean_loss))
            if run.is_main:
                say(f"validation loss {totals.mean_loss:.4f} after step {run.place.steps}")
            run.validation_totals = totals
            run.notify(lambda callback: callback.after_validation(run, totals.mean_loss))
        run.engine.train()
        return done


def _say_unreadable(run: Run, totals: Totals, names: Sequence[str], *, of: int) -> None:
    """Name what the loss leaves out: it is one of fewer samples than another measurement's, or none at all."""
    if names:
        more = f", and {len(names) - 1} more" if len(names) > 1 else ""
        say(f"unreadable image, validation sample left out: {names[0]}{more}")
    if run.is_main and totals.unreadable:
        what = "the loss is of the others" if totals.supervised else "there is no validation loss"
        say(
            f"{totals.unreadable:.0f} of {of} validation samples have an image that is missing or broken: {what} after "
            f"step {run.place.steps}"
        )
