"""Ends a run that can lead to nothing: a loss that is no number, or too many samples whose image cannot be read."""

import math

import numpy as np
from gmai_formats.files import write_json

from gmai_model.training.callbacks.callback import Callback, Run, Step
from gmai_model.training.distributed import end_together
from gmai_model.training.failures import AGAIN


class Guard(Callback):
    """Checks each step before anything of it is written.

    Args:
        max_bad_fraction: Share of samples with an unreadable image that is allowed.
    """

    def __init__(self, max_bad_fraction: float) -> None:
        self._max_bad_fraction = max_bad_fraction

    def after_step(self, run: Run, step: Step) -> None:
        """End the run on every rank.

        Raises:
            UserError: Says what was found, and lists the samples in `not_finite.json`.
        """
        if not (math.isfinite(step.totals.mean_loss) and math.isfinite(step.gradient_norm)):
            self._not_finite(run, step)
        unreadable, samples = run.place.unreadable, len(run.inputs.source)
        if unreadable > self._max_bad_fraction * samples:
            end_together(
                f"{unreadable} of {samples} samples have an image that is missing or broken, more than "
                f"--max-bad-fraction {self._max_bad_fraction:g} allows. Their ids and reasons are above. Put missing "
                f"files back, build damaged samples again, or allow more of them. {AGAIN}"
            )

    def _not_finite(self, run: Run, step: Step) -> None:
        loss, numbers = step.totals.mean_loss, np.concatenate(step.packs)
        listed = run.out / "not_finite.json"
        if run.is_main:
            ids = [run.inputs.source[int(number)].id for number in numbers]
            found = {"step": step.number, "loss": str(loss), "gradient_norm": str(step.gradient_norm)}
            write_json(listed, {**found, "samples": ids})
        end_together(
            f"step {step.number}: the loss is {loss} and the gradient's norm {step.gradient_norm}. Training stops "
            f"before these weights are saved; the {len(numbers)} samples of the step are listed in {listed}. Lower the "
            f"learning rate in a new --out, or take the samples out."
        )
