"""The validation loss: every so many steps and at the end, always on the same samples, and what follows from it."""

import torch
from gmai_cli.console import say

from gmai_model.training.callbacks.callback import Run
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
            totals.reduce()
            run.place.validation.append((run.place.steps, totals.mean_loss))
            if run.is_main:
                say(f"validation loss {totals.mean_loss:.4f} after step {run.place.steps}")
            run.validation_totals = totals
            run.notify(lambda callback: callback.after_validation(run, totals.mean_loss))
        run.engine.train()
        return done
