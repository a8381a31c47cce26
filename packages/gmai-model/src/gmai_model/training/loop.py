"""The steps of a stage on one rank: rows ▶ loss ▶ optimiser. What happens beside them is in `callbacks/`."""

import time
from collections.abc import Callable, Iterator
from signal import SIGINT

import numpy as np
from gmai_cli.console import progress, say

from gmai_model.batching.collate import Row
from gmai_model.training.callbacks.callback import Run, Step


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
                loss = f"loss {step.totals.mean_loss:.3f}" if step.totals.supervised else "nothing to learn from"
                first = f"{loss}, lr {step.learning_rate:.1e}"
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
