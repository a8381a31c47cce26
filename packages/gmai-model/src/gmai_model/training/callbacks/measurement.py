"""What is measured every so many steps and at the end: when that is due, and when patience with it ends."""

from abc import abstractmethod

from gmai_cli.console import say

from gmai_model.training.callbacks.callback import Callback, Run, Step


class Measurement(Callback):
    """Measures one thing again and again, and ends a run whose patience is at its end.

    Args:
        by: What is measured, as `Place.points` calls it.
        no_gain: What is said of measurements without a better one, such as `the validation loss has not fallen`.
        every_steps: Steps between two measurements; none measures at the end alone.
        patience: Measurements without a better one after which the run ends; none never ends it.
    """

    def __init__(self, by: str, no_gain: str, *, every_steps: int | None, patience: int | None) -> None:
        self._by, self._no_gain, self._every_steps, self._patience = by, no_gain, every_steps, patience

    @abstractmethod
    def measure(self, run: Run) -> bool:
        """Measure, and let the callbacks know; returns whether it was done, not broken off by a signal."""

    def begin(self, run: Run) -> None:
        """Measure what a kill or a signal has left out, and end a run whose patience was at its end."""
        if run.place.steps and self._is_due(run) and not run.place.is_measured(self._by):
            self.measure(run)
        self._end_if_idle(run)

    def after_step(self, run: Run, step: Step) -> None:
        """Measure where that is due; after a signal, the run that goes on does."""
        if not step.stop and self._is_due(run):
            step.stop = not self.measure(run)
            self._end_if_idle(run)

    def _is_due(self, run: Run) -> bool:
        at_end = run.place.steps >= run.last_step
        return at_end or (self._every_steps is not None and run.place.steps % self._every_steps == 0)

    def _end_if_idle(self, run: Run) -> None:
        idle = run.place.without_gain(self._by)
        if self._patience is not None and idle >= self._patience and run.place.steps < run.last_step:
            run.last_step = run.place.steps
            if run.is_main:
                say(
                    f"ending after step {run.place.steps}: {self._no_gain} in {idle} measurements "
                    f"(patience {self._patience}); the best one was after step {run.place.best(self._by)}"
                )
