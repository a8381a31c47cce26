"""The validation loss: every so many steps and at the end, always on the same samples, and what follows from it."""

import torch
from gmai_cli.console import say

from gmai_model.training.callbacks.callback import Callback, Run, Step
from gmai_model.training.loader import iterate


class Validate(Callback):
    """Measures the mean loss over the validation samples, if there are any.

    Args:
        every_steps: Steps between two measurements; none measures at the end alone.
        patience: Measurements without a lower loss after which the run ends; none never ends it.
    """

    def __init__(self, *, every_steps: int | None, patience: int | None) -> None:
        self._every_steps, self._patience = every_steps, patience

    def begin(self, run: Run) -> None:
        """Measure what a kill or a signal has left out, and end a run whose patience was at its end."""
        if run.place.steps and self._is_due(run) and not run.place.validated:
            self._measure(run)
        self._end_if_idle(run)

    def after_step(self, run: Run, step: Step) -> None:
        """Measure where that is due; a signal puts it off to the next session."""
        if not step.stop and self._is_due(run):
            step.stop = not self._measure(run)
            self._end_if_idle(run)

    def _is_due(self, run: Run) -> bool:
        at_end = run.place.steps >= run.last_step
        return at_end or (self._every_steps is not None and run.place.steps % self._every_steps == 0)

    @torch.no_grad()
    def _measure(self, run: Run) -> bool:
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

    def _end_if_idle(self, run: Run) -> None:
        idle = run.place.validations_without_gain()
        if self._patience is not None and idle >= self._patience and run.place.steps < run.last_step:
            run.last_step = run.place.steps
            if run.is_main:
                say(
                    f"ending after step {run.place.steps}: the validation loss has not fallen in {idle} measurements "
                    f"(patience {self._patience}); the best one was after step {run.place.best_step}"
                )
