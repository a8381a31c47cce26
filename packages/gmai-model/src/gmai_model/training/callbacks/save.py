"""When a checkpoint is written: every so many steps, at the best measurement, at the end, and at a signal."""

from gmai_model.training import checkpoints
from gmai_model.training.callbacks.callback import Callback, Run, Step


class Save(Callback):
    """Writes checkpoints.

    Args:
        every_steps: Steps between two of them.
        keep: How many of the newest stay.
        best: Whether the best one is written and stays, too.
        select_by: What the best one is by, see `Place.best`.
    """

    def __init__(self, *, every_steps: int, keep: int, best: bool, select_by: str = "validation_loss") -> None:
        self._every_steps, self._keep, self._best, self._by = every_steps, keep, best, select_by

    def after_step(self, run: Run, step: Step) -> None:
        """Save where that is due.

        Raises:
            StopAsked: After a signal, once every rank has saved.
            UserError: A rank could not write.
        """
        best = run.place.best(self._by) if self._best else None
        # The end is a checkpoint too: a kill during the export then repeats no step.
        is_due = (
            step.stop or step.number % self._every_steps == 0 or step.number >= run.last_step or best == step.number
        )
        if is_due:
            run.doing("writing a checkpoint after")
            checkpoints.save(
                run.engine, run.out / "checkpoints", place=run.place, samples=run.inputs.digest, keep=self._keep,
                keep_step=best,
            )  # fmt: skip
        if step.stop:
            raise run.stopped(step.totals)
