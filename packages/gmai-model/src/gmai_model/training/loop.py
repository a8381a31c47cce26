"""The steps of a stage on one rank: rows ▶ loss ▶ optimiser ▶ metrics, checkpoints, validation loss and answers."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from gmai_cli.console import progress, say
from gmai_formats.files import write_json

from gmai_model.batching.collate import Row
from gmai_model.batching.plan import Plan
from gmai_model.batching.samples import SampleSource
from gmai_model.training import checkpoints
from gmai_model.training.answers import Answers
from gmai_model.training.config import TrainConfig
from gmai_model.training.distributed import end_together
from gmai_model.training.failures import AGAIN
from gmai_model.training.inputs import Inputs
from gmai_model.training.loader import MicroBatches, iterate
from gmai_model.training.metrics import MetricsFile
from gmai_model.training.schedule import learning_rate
from gmai_model.training.signals import StopAsked, StopRequest
from gmai_model.training.speed import Speed
from gmai_model.training.watchdog import Watchdog


class Totals:
    """Sums over the rows of a step, over all ranks once reduced."""

    _KEYS = ("loss", "tokens", "supervised", "images", "unreadable", "stop", "waited_s")

    def __init__(self) -> None:
        self.loss: Any = 0.0
        self.tokens = self.supervised = self.images = self.unreadable = self.stop = self.waited_s = 0.0
        self.names: list[str] = []

    def add(self, loss: torch.Tensor, row: Row) -> None:
        """Count a row; its loss stays on the device, so that nothing waits for it here."""
        self.loss = self.loss + loss.detach().double()
        self.tokens += row.input_ids.shape[1]
        self.supervised += len(row.targets)
        self.images += len(row.pixel_values) if row.has_images else 0
        self.unreadable += len(row.unreadable)
        self.names += row.unreadable

    def reduce(self, device: torch.device) -> None:
        """Sum over the ranks."""
        values = torch.tensor([float(getattr(self, key)) for key in self._KEYS], dtype=torch.float64, device=device)
        dist.all_reduce(values)
        for key, value in zip(self._KEYS, values.tolist(), strict=True):
            setattr(self, key, value)

    @property
    def mean_loss(self) -> float:
        """Loss per target."""
        return self.loss / max(self.supervised, 1)


@dataclass
class Place:
    """How far a run has come; what a checkpoint's mark holds."""

    steps: int = 0
    unreadable: int = 0
    validation_loss: float | None = field(default=None)


class Loop:
    """Trains from the step that a checkpoint left until the last one.

    Args:
        config: The resolved settings.
        inputs: Samples and plans.
        engine: DeepSpeed's engine around `PackedLlava`.
        rank: Of this process.
        world: Number of ranks.
        accumulation: Rows per rank and step.
        out: The run's folder.
        metrics: Where rank 0 writes; none elsewhere.
        answers: The questions asked beside each validation loss.
        speed: What the numbers of a step mean for this model and device.
        watchdog: Told what this rank does.
        stop: Whether a signal asked this process to stop, also before the first step.
        place: How far the weights in the engine have come.
    """

    def __init__(
        self, config: TrainConfig, inputs: Inputs, engine: Any, *, rank: int, world: int, accumulation: int, out: Path,
        metrics: MetricsFile | None, answers: Answers, speed: Speed, watchdog: Watchdog, stop: StopRequest,
        place: Place,
    ) -> None:  # fmt: skip
        self._config, self._inputs, self._engine = config, inputs, engine
        self._rank, self._world, self._accumulation = rank, world, accumulation
        self._out, self._metrics, self._answers = out, metrics, answers
        self._speed, self._watchdog = speed, watchdog
        self.place = place
        self._device: torch.device = engine.device
        self._stop = stop
        self._last_step = last_step(config, inputs.plan)

    @property
    def _is_main(self) -> bool:
        return self._rank == 0

    def run(self) -> None:
        """Train until the last step.

        Raises:
            StopAsked: After a signal, once every rank has saved.
            UserError: The loss is no number, too many images are unreadable, or a checkpoint could not be written.
        """
        rows = iterate(self._rows(self._inputs.plan, self._inputs.source),
                       start=self.place.steps * self._accumulation, workers=self._config.loader_workers)  # fmt: skip
        self._engine.train()
        left = self._last_step - self.place.steps
        with progress(f"stage {self._config.stage}", left, unit="steps", shown=self._is_main) as bar:
            while self.place.steps < self._last_step:
                bar.advance(note=self._step(rows))

    def _rows(self, plan: Plan, source: SampleSource) -> MicroBatches:
        return MicroBatches(
            plan, self._inputs.collator(source), rank=self._rank, world=self._world,
            micro_batch_size=self._config.micro_batch_size, accumulation=self._accumulation,
        )  # fmt: skip

    def _step(self, rows: Iterator[Row]) -> str:
        started = time.monotonic()
        config = self._config
        rate = learning_rate(
            self.place.steps, steps=self._last_step, peak=config.learning_rate, warmup_ratio=config.warmup_ratio
        )
        for group in self._engine.optimizer.param_groups:
            group["lr"] = rate
        totals = Totals()
        packs = self._inputs.plan.step(self.place.steps)
        numbers = np.concatenate(packs)
        targets = int(self._inputs.lengths.supervised[numbers].sum())
        # DeepSpeed divides by the accumulation and averages over the ranks; the loss is a mean over all targets of
        # the step, whichever rank and micro-step they fall on.
        scale = self._world * self._accumulation / max(targets, 1)
        for micro_step in range(self._accumulation):
            before = time.monotonic()
            self._watchdog.at(self.place.steps, "waiting for its data")
            row = next(rows).to(self._device)
            totals.waited_s += time.monotonic() - before
            self._watchdog.at(self.place.steps, "computing")
            loss = self._engine(row)
            totals.add(loss, row)
            self._engine.set_gradient_accumulation_boundary(micro_step == self._accumulation - 1)
            self._engine.backward(loss * scale)
            self._engine.step()
        totals.stop = float(self._stop.received is not None)
        for name in totals.names:
            say(f"unreadable image, sample left out: {name}")
        totals.reduce(self._device)
        gradient_norm = float(self._engine.get_global_grad_norm())
        self._assert_finite(totals.mean_loss, gradient_norm, numbers)
        self.place.steps += 1
        self.place.unreadable += round(totals.unreadable)
        self._check_unreadable()
        seconds = time.monotonic() - started
        measured = self._speed.of_step(
            tokens=totals.tokens, supervised=totals.supervised, images=totals.images, packs=len(packs),
            seconds=seconds, waited_s=totals.waited_s / self._world,
        )  # fmt: skip
        if self._metrics is not None:
            self._metrics.write(
                {
                    "step": self.place.steps, "loss": totals.mean_loss, "learning_rate": rate,
                    "gradient_norm": gradient_norm, "tokens": round(totals.tokens),
                    "supervised_tokens": round(totals.supervised), "images": round(totals.images),
                    "unreadable": self.place.unreadable, "seconds": round(seconds, 4),
                    "data_wait_seconds": round(totals.waited_s / self._world, 4), **measured,
                }
            )  # fmt: skip
        self._save_if_due(stop=totals.stop > 0)
        every = config.validate_every_steps
        if every and self.place.steps % every == 0 and self.place.steps < self._last_step:
            self.validate()
        return f"loss {totals.mean_loss:.3f}, lr {rate:.1e}, {self._speed.note(measured)}"

    def _assert_finite(self, loss: float, gradient_norm: float, numbers: np.ndarray) -> None:
        if math.isfinite(loss) and math.isfinite(gradient_norm):
            return
        listed = self._out / "not_finite.json"
        if self._is_main:
            ids = [self._inputs.source[int(number)].id for number in numbers]
            found = {"step": self.place.steps + 1, "loss": str(loss), "gradient_norm": str(gradient_norm)}
            write_json(listed, {**found, "samples": ids})
        end_together(
            f"step {self.place.steps + 1}: the loss is {loss} and the gradient's norm {gradient_norm}. Training stops "
            f"before these weights are saved; the {len(numbers)} samples of the step are listed in {listed}. Lower the "
            f"learning rate in a new --out, or take the samples out."
        )

    def _save_if_due(self, *, stop: bool) -> None:
        done = self.place.steps
        # The end is a checkpoint too: a kill during the export then repeats no step.
        if stop or done % self._config.save_every_steps == 0 or done == self._last_step:
            self._watchdog.at(done, "writing a checkpoint after")
            checkpoints.save(self._engine, self._out / "checkpoints", step=done, unreadable=self.place.unreadable,
                             keep=self._config.keep_checkpoints)  # fmt: skip
        if stop:
            who = self._stop.received or "a signal on another rank"
            said = f"stopped by {who} after step {done} of {self._last_step}; the state is saved. {AGAIN}"
            raise StopAsked(said if self._is_main else "")

    def _check_unreadable(self) -> None:
        unreadable, samples = self.place.unreadable, len(self._inputs.source)
        if unreadable > self._config.max_bad_fraction * samples:
            end_together(
                f"{unreadable} of {samples} samples have an image that does not decode, more than --max-bad-fraction "
                f"{self._config.max_bad_fraction:g} allows. Their ids are above. Build the samples again, or allow "
                f"more of them. {AGAIN}"
            )

    @torch.no_grad()
    def validate(self) -> None:
        """Measure the mean validation loss over all validation samples, if there are any, and ask the questions."""
        plan = self._inputs.held_out_plan
        if not plan.packs:
            return
        self._engine.eval()
        totals = Totals()
        for row in iterate(self._rows(plan, self._inputs.held_out), start=0, workers=0):
            self._watchdog.at(self.place.steps, "measuring the validation loss after")
            on_device = row.to(self._device)
            totals.add(self._engine(on_device), on_device)
        totals.reduce(self._device)
        self._watchdog.at(self.place.steps, "answering held-out questions after")
        self._answers.ask(self._engine, step=self.place.steps, write=self._is_main)
        self._engine.train()
        self.place.validation_loss = totals.mean_loss
        if self._metrics is not None:
            self._metrics.write({"step": self.place.steps, "validation_loss": totals.mean_loss})
            say(f"validation loss {totals.mean_loss:.4f} after step {self.place.steps}")


def last_step(config: TrainConfig, plan: Plan) -> int:
    """Return the number of steps that a run takes."""
    return min(plan.steps, config.max_steps) if config.max_steps else plan.steps
