"""READ THIS FIRST of the training: one stage from a checkpoint and a mixture to the next checkpoint.

settings ▶ processes ▶ samples ▶ plan ▶ model ▶ engine ▶ (resume) ▶ steps ▶ held-out loss ▶ checkpoint
"""

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from gmai_cli.console import progress, say, table
from gmai_cli.errors import UserError
from gmai_cli.files import write_json
from torch import nn
from transformers import LlavaForConditionalGeneration

from gmai_model.batching.collate import Row
from gmai_model.batching.plan import Plan
from gmai_model.batching.samples import SampleSource
from gmai_model.packed import PackedLlava
from gmai_model.stages import STAGES
from gmai_model.training import checkpoints, distributed, export, parts
from gmai_model.training.config import TrainConfig
from gmai_model.training.identity import claim, device_name
from gmai_model.training.inputs import Inputs
from gmai_model.training.loader import MicroBatches, iterate
from gmai_model.training.metrics import MetricsFile
from gmai_model.training.schedule import learning_rate
from gmai_model.training.signals import StopRequest


class StopAsked(Exception):  # noqa: N818 (an outcome, not an error)
    """A signal asked the run to stop; its state is saved and the same command goes on from there."""


def train(config: TrainConfig, *, model: Path, data: Path, out: Path) -> None:
    """Run one stage; the same command on a half-done `out` goes on where the last checkpoint stands.

    Writes `run.json`, `mixture.json`, `metrics.jsonl`, `checkpoints/` and, at the end, `model/`: a Hugging Face
    folder like the one it started from.

    Args:
        config: The resolved settings.
        model: A LLaVA checkpoint folder, for example from `gmai model init` or from the stage before.
        data: A `mix.yaml`, a folder of `train-*.parquet`, or a Parquet file.
        out: The run's folder.

    Raises:
        UserError: Unusable input, or `out` holds a run with other settings.
        StopAsked: After a signal, once every rank has saved.
    """
    launch = distributed.read_launch()
    is_main = launch.rank == 0
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    accumulation = _accumulation(config, launch.world)
    if is_main:
        claim(config, model=model, data=data, out=out, world=launch.world)
    if (out / "model" / "config.json").is_file():
        say(f"{out / 'model'} is complete; nothing to do")
        return
    accelerator = distributed.start(
        launch,
        distributed.deepspeed_config(
            zero_stage=config.zero_stage, precision=config.precision, micro_batch_size=config.micro_batch_size,
            accumulation=accumulation, max_grad_norm=config.max_grad_norm,
        ),
    )  # fmt: skip

    inputs = Inputs(config, model=model, data=data, out=out, is_main=is_main)
    llava = _load_model(model, config)
    beyond = parts.set_trainable(llava, config.trainable)
    if config.activation_checkpointing:
        llava.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    if is_main:
        write_json(out / "mixture.json", inputs.record())
        _announce(config, inputs, llava, beyond, launch=launch, accumulation=accumulation)

    packed = PackedLlava(llava)
    trainable = [parameter for parameter in packed.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        trainable, lr=config.learning_rate, betas=config.adam_betas, weight_decay=config.weight_decay
    )
    engine, _ = accelerator.prepare(packed, optimizer)

    run = _Run(config, inputs, engine, rank=launch.rank, world=launch.world, accumulation=accumulation, out=out)
    run.resume()
    run.steps()
    run.validate()
    trained = export.gather_trained(llava, precision=config.precision, zero_stage=config.zero_stage, keep=is_main)
    if is_main:
        export.assert_finite(trained)
        export.export(model, out / "model", trained, history=run.history())
        say(f"wrote {out / 'model'}")
    run.metrics_close()
    dist.barrier()
    dist.destroy_process_group()


def _accumulation(config: TrainConfig, world: int) -> int:
    at_once = world * config.micro_batch_size
    if config.global_batch_size % at_once:
        raise UserError(
            f"global_batch_size {config.global_batch_size} is no multiple of {world} processes × micro_batch_size "
            f"{config.micro_batch_size} = {at_once}. Every process must compute equally many packs per step. "
            f"Set micro_batch_size to a divisor of {config.global_batch_size / world:g}."
        )
    return config.global_batch_size // at_once


def _load_model(model: Path, config: TrainConfig) -> LlavaForConditionalGeneration:
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    llava = LlavaForConditionalGeneration.from_pretrained(
        model, dtype=dtype, local_files_only=True, use_safetensors=True, attn_implementation="sdpa"
    )
    llava.train()
    return llava


def _announce(
    config: TrainConfig, inputs: Inputs, llava: nn.Module, beyond: list[str], *, launch: distributed.Launch,
    accumulation: int,
) -> None:  # fmt: skip
    stage = STAGES[config.stage]
    say(
        f"stage {stage.number} ({stage.name}) on {launch.world} process(es) of {device_name()}, started by "
        f"{launch.launcher}: {config.precision}, ZeRO-{config.zero_stage}"
    )
    rows = [
        (part, f"{total:,}", f"{train:,}" if train else "frozen")
        for part, (total, train) in parts.count_parameters(llava).items()
    ]
    table(("part", "parameters", "trainable"), rows, news=True)
    if beyond:
        say(
            f"{len(beyond)} tensors of the vision encoder stay frozen: they lie behind its feature layer, "
            f"where no gradient reaches them"
        )
    table(
        ("dataset", "samples", "ratio", "used"),
        [(share.name, share.available, share.ratio, share.used) for share in inputs.source.shares],
        news=True,
    )
    lengths, plan = inputs.lengths, inputs.plan
    for reason, count in lengths.rejected.most_common():
        say(f"left out {count} samples: {reason}")
    if lengths.cut:
        say(f"{lengths.cut} samples lost turns at their end to fit {config.pack_tokens} tokens")
    say(
        f"{len(plan.packs)} packs of {config.pack_tokens} tokens, {plan.fill:.1%} full, in {plan.steps} steps of "
        f"{config.global_batch_size} = {launch.world} process(es) × {config.micro_batch_size} packs × {accumulation} "
        f"accumulated (Table 8 ran 32 × {stage.micro_batch_size} × {stage.gradient_accumulation_steps})"
    )


@dataclass
class _Totals:
    """Sums over one step, over all ranks."""

    loss: float = 0.0
    tokens: float = 0.0
    supervised: float = 0.0
    images: float = 0.0
    unreadable: float = 0.0
    stop: float = 0.0
    names: list[str] = field(default_factory=list[str])

    def add(self, loss: torch.Tensor, row: Row) -> None:
        self.loss += float(loss.detach())
        self.tokens += row.input_ids.shape[1]
        self.supervised += len(row.targets)
        self.images += len(row.pixel_values) if row.has_images else 0
        self.unreadable += len(row.unreadable)
        self.names += row.unreadable

    def reduce(self, device: torch.device) -> None:
        keys = ("loss", "tokens", "supervised", "images", "unreadable", "stop")
        values = torch.tensor([getattr(self, key) for key in keys], dtype=torch.float64, device=device)
        dist.all_reduce(values)
        for key, value in zip(keys, values.tolist(), strict=True):
            setattr(self, key, value)


class _Run:
    """The steps of a stage on this rank."""

    def __init__(
        self, config: TrainConfig, inputs: Inputs, engine: Any, *, rank: int, world: int, accumulation: int, out: Path
    ) -> None:
        self._config, self._inputs, self._engine = config, inputs, engine
        self._rank, self._world, self._accumulation = rank, world, accumulation
        self._out = out
        self._device: torch.device = engine.device
        self._done = 0
        self._unreadable = 0
        self._held_out_loss: float | None = None
        self._stop = StopRequest()
        self._metrics: MetricsFile | None = None
        steps = inputs.plan.steps
        self._last_step = min(steps, config.max_steps) if config.max_steps else steps

    @property
    def _is_main(self) -> bool:
        return self._rank == 0

    def resume(self) -> None:
        """Load the newest complete checkpoint, if there is one."""
        latest = checkpoints.find_latest(self._out / "checkpoints", shown=self._is_main)
        if latest is not None:
            checkpoints.load(self._engine, latest)
            self._done, self._unreadable = latest.step, latest.unreadable
            if self._is_main:
                say(f"resumed from {latest.folder.name} of {self._last_step} steps")
        if self._is_main:
            self._metrics = MetricsFile(
                self._out / "metrics.jsonl", steps_done=self._done, at_the_end=self._done == self._last_step
            )

    def steps(self) -> None:
        """Train until the last step."""
        rows = iterate(self._rows(self._inputs.plan, self._inputs.source), start=self._done * self._accumulation,
                       workers=self._config.loader_workers)  # fmt: skip
        self._engine.train()
        left = self._last_step - self._done
        with progress(f"stage {self._config.stage}", left, unit="steps", shown=self._is_main) as bar:
            while self._done < self._last_step:
                note = self._step(rows)
                bar.advance(note=note)

    def _rows(self, plan: Plan, source: SampleSource) -> MicroBatches:
        return MicroBatches(
            plan, self._inputs.collator(source), rank=self._rank, world=self._world,
            micro_batch_size=self._config.micro_batch_size, accumulation=self._accumulation,
        )  # fmt: skip

    def _step(self, rows: Iterator[Row]) -> str:
        started = time.monotonic()
        config = self._config
        rate = learning_rate(
            self._done, steps=self._last_step, peak=config.learning_rate, warmup_ratio=config.warmup_ratio
        )
        for group in self._engine.optimizer.param_groups:
            group["lr"] = rate
        totals = _Totals()
        numbers = np.concatenate(self._inputs.plan.step(self._done))
        targets = int(self._inputs.lengths.supervised[numbers].sum())
        # DeepSpeed divides by the accumulation and averages over the ranks; the loss is a mean over all targets of
        # the step, whichever rank and micro-step they fall on.
        scale = self._world * self._accumulation / max(targets, 1)
        waited_s = 0.0
        for micro_step in range(self._accumulation):
            before = time.monotonic()
            row = next(rows).to(self._device)
            waited_s += time.monotonic() - before
            loss = self._engine(row)
            totals.add(loss, row)
            self._engine.set_gradient_accumulation_boundary(micro_step == self._accumulation - 1)
            self._engine.backward(loss * scale)
            self._engine.step()
        totals.stop = float(self._stop.received is not None)
        for name in totals.names:
            say(f"[rank {self._rank}] unreadable image, sample left out: {name}")
        totals.reduce(self._device)
        return self._after_step(
            totals, rate=rate, numbers=numbers, seconds=time.monotonic() - started, waited_s=waited_s
        )

    def _after_step(self, totals: _Totals, *, rate: float, numbers: np.ndarray, seconds: float, waited_s: float) -> str:
        mean_loss = totals.loss / max(totals.supervised, 1)
        if not math.isfinite(mean_loss):
            ids = [self._inputs.source[int(number)].id for number in numbers]
            write_json(self._out / "not_finite.json", {"step": self._done + 1, "samples": ids})
            raise UserError(
                f"step {self._done + 1}: the loss is {mean_loss}. Training stops before the weights are saved; the "
                f"{len(ids)} samples of the step are listed in {self._out / 'not_finite.json'}. "
                f"Lower the learning rate, or take the samples out."
            )
        self._done += 1
        self._unreadable += round(totals.unreadable)
        self._check_unreadable()
        if self._metrics is not None:
            self._metrics.write(
                {
                    "step": self._done,
                    "loss": mean_loss,
                    "learning_rate": rate,
                    "gradient_norm": float(self._engine.get_global_grad_norm()),
                    "tokens": round(totals.tokens),
                    "supervised_tokens": round(totals.supervised),
                    "images": round(totals.images),
                    "unreadable": self._unreadable,
                    "seconds": round(seconds, 4),
                    "data_wait_seconds": round(waited_s, 4),
                }
            )
        self._save_if_due(stop=totals.stop > 0)
        every = self._config.validate_every_steps
        if every and self._done % every == 0 and self._done < self._last_step:
            self.validate()
        return f"loss {mean_loss:.3f}, lr {rate:.1e}, {totals.tokens / seconds:.0f} tokens/s"

    def _save_if_due(self, *, stop: bool) -> None:
        # The end is a checkpoint too: a kill during the export then repeats no step.
        if stop or self._done % self._config.save_every_steps == 0 or self._done == self._last_step:
            checkpoints.save(
                self._engine, self._out / "checkpoints", step=self._done, unreadable=self._unreadable,
                keep=self._config.keep_checkpoints, is_main=self._is_main,
            )  # fmt: skip
        if stop:
            raise StopAsked(
                f"stopped by {self._stop.received or 'a signal on another rank'} after step {self._done} of "
                f"{self._last_step}; the state is saved. The same command goes on from here."
            )

    def _check_unreadable(self) -> None:
        allowed = self._config.max_bad_fraction * len(self._inputs.source)
        if self._unreadable > allowed:
            raise UserError(
                f"{self._unreadable} of {len(self._inputs.source)} samples have an image that does not decode, more "
                f"than max_bad_fraction {self._config.max_bad_fraction:g} allows. Their ids are above. Build the "
                f"samples again, or raise max_bad_fraction."
            )

    @torch.no_grad()
    def validate(self) -> None:
        """Measure the mean held-out loss over all validation samples, if there are any."""
        plan = self._inputs.held_out_plan
        if not plan.packs:
            return
        self._engine.eval()
        totals = _Totals()
        for row in iterate(self._rows(plan, self._inputs.held_out), start=0, workers=0):
            on_device = row.to(self._device)
            totals.add(self._engine(on_device), on_device)
        totals.reduce(self._device)
        self._engine.train()
        self._held_out_loss = totals.loss / max(totals.supervised, 1)
        if self._metrics is not None:
            self._metrics.write({"step": self._done, "held_out_loss": self._held_out_loss})
            say(f"held-out loss {self._held_out_loss:.4f} after step {self._done}")

    def history(self) -> dict[str, Any]:
        """Return what `gmai.json` says about this stage."""
        return {
            "stage": self._config.stage,
            "name": STAGES[self._config.stage].name,
            "trainable": sorted(self._config.trainable),
            "steps": self._done,
            "samples": len(self._inputs.source),
            "tokens": self._inputs.plan.total_tokens,
            "unreadable": self._unreadable,
            "held_out_loss": self._held_out_loss,
            "mixture": [vars(share) for share in self._inputs.source.shares],
            "settings": json.loads(self._config.model_dump_json()),
        }

    def metrics_close(self) -> None:
        """Close the metrics file."""
        if self._metrics is not None:
            self._metrics.close()
