"""READ THIS FIRST of the training: one stage from a checkpoint and a mixture to the next checkpoint.

settings ▶ processes ▶ lock ▶ samples ▶ plan ▶ model ▶ engine ▶ (resume) ▶ steps (`loop`) ▶ validation loss ▶ checkpoint
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from gmai_cli.console import say, table
from gmai_cli.run_lock import RunLock
from gmai_formats.errors import UserError
from gmai_formats.files import installed_versions, write_json
from torch import nn
from transformers import LlavaForConditionalGeneration

from gmai_model.packed import PackedLlava
from gmai_model.stages import STAGES
from gmai_model.training import checkpoints, distributed, export, lora, parts, speed
from gmai_model.training.answers import Answers
from gmai_model.training.config import TrainConfig
from gmai_model.training.failures import explained
from gmai_model.training.identity import check_inputs, claim, device_name
from gmai_model.training.inputs import Inputs
from gmai_model.training.loop import Loop, Place, last_step
from gmai_model.training.metrics import MetricsFile, read_metrics
from gmai_model.training.report import write_report
from gmai_model.training.signals import StopAsked, StopRequest
from gmai_model.training.trackers import open_trackers
from gmai_model.training.watchdog import Watchdog

CURVE_POINTS = 200
"""Points of the loss curve that the checkpoint carries."""


def train(config: TrainConfig, stop: StopRequest, *, model: Path, data: Path, out: Path) -> None:
    """Run one stage; the same command on a half-done `out` goes on where the last checkpoint stands.

    The number of processes may be another one each time. Writes `run.json`, `sessions.jsonl`, `mixture.json`,
    `metrics.jsonl`, `answers.jsonl`, `checkpoints/` and, at the end, `report.html` and `model/`: a Hugging Face folder
    like the one it started from.

    Args:
        config: The resolved settings.
        stop: Listens to the signals that ask for an end; made early, since starting takes a while.
        model: A LLaVA checkpoint folder, for example from `gmai model init` or from the stage before.
        data: A `mix.yaml`, a folder of `train-*.parquet`, or a Parquet file.
        out: The run's folder.

    Raises:
        UserError: Unusable input, `out` holds a run with other settings or is being worked on, or what the run needs
            is gone: room on the disk, another rank, a finite loss.
        StopAsked: After a signal, once every rank has saved.
    """
    check_inputs(model, data)
    launch = distributed.read_launch()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    accumulation = _accumulation(config, launch.world)
    accelerator = distributed.start(
        launch,
        distributed.deepspeed_config(
            zero_stage=config.zero_stage, precision=config.precision, micro_batch_size=config.micro_batch_size,
            accumulation=accumulation, max_grad_norm=config.max_grad_norm, offload=config.offload,
        ),
    )  # fmt: skip
    lock = RunLock(out)

    def begin() -> bool:
        lock.acquire()
        claim(config, model=model, data=data, out=out, world=launch.world)
        return (out / "model" / "config.json").is_file()

    try:
        with explained(out):
            if distributed.on_main(begin):
                if launch.rank == 0:
                    say(f"{out / 'model'} is complete; nothing to do")
            else:
                _train(config, launch, accelerator, accumulation, lock, stop, model=model, data=data, out=out)
            dist.barrier()
    except (StopAsked, UserError, SystemExit) as end:
        # The threads of gloo may abort a process that ends while they run, and the exit code is lost. NCCL may wait for
        # ranks that have not come to this end; after a stop all have.
        if isinstance(end, StopAsked) or dist.get_backend() == "gloo":
            dist.destroy_process_group()
        raise
    finally:
        lock.release()
    dist.destroy_process_group()


def _train(
    config: TrainConfig, launch: distributed.Launch, accelerator: Any, accumulation: int, lock: RunLock,
    stop: StopRequest, *, model: Path, data: Path, out: Path,
) -> None:  # fmt: skip
    is_main = launch.rank == 0
    latest = checkpoints.find_latest(out / "checkpoints")
    inputs = Inputs(config, model=model, data=data, out=out, is_main=is_main)
    llava = _load_model(model, config)
    beyond = parts.set_trainable(llava, config.trainable)
    trains = config.trainable - {"language_model"} if config.lora_rank else config.trainable
    meter = speed.of_model(
        llava, trainable=trains, pack_tokens=config.pack_tokens, device_name=device_name(), world=launch.world
    )
    if config.lora_rank:
        lora.add_adapters(llava, rank=config.lora_rank, alpha=config.lora_alpha, seed=config.seed)
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
    place, engine = Place(), None
    if latest is None:
        engine, _ = accelerator.prepare(packed, optimizer)
    else:
        place = Place(latest.step, latest.unreadable)
        with checkpoints.readable(latest, zero_stage=config.zero_stage) as folder:
            # Whether a universal checkpoint is to be loaded must be known when the engine is made.
            universal = latest.world != launch.world
            accelerator.state.deepspeed_plugin.deepspeed_config["checkpoint"] = {"load_universal": universal}
            engine, _ = accelerator.prepare(packed, optimizer)
            checkpoints.load(engine, folder)
    metrics = None
    if is_main:
        metrics = _begin_session(config, launch, inputs, place, out=out, accumulation=accumulation)

    answers = Answers(inputs, count=config.answers, seed=config.seed, max_tokens=config.answer_tokens,
                      path=out / "answers.jsonl")  # fmt: skip
    watchdog = Watchdog(
        distributed.meeting_store(), rank=launch.rank, world=launch.world,
        timeout_s=config.stall_timeout_s, on_exit=lock.release,
    )  # fmt: skip
    with watchdog:
        loop = Loop(config, inputs, engine, rank=launch.rank, world=launch.world, accumulation=accumulation, out=out,
                    metrics=metrics, answers=answers, speed=meter, watchdog=watchdog, stop=stop,
                    place=place)  # fmt: skip
        loop.run()
        loop.validate()
    trained = export.gather_trained(llava, precision=config.precision, zero_stage=config.zero_stage, keep=is_main)
    if is_main and metrics is not None:
        metrics.close()
        export.assert_finite(trained)
        history = _history(config, inputs, place, out)
        write_report(out, history, images={question.id: question.encoded_images for question in answers.questions})
        export.export(model, out / "model", lora.merged(trained, config.lora_alpha), history=history)
        say(f"wrote {out / 'model'}; the report is {out / 'report.html'}")


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
    if not any(model.glob("*.safetensors")):
        distributed.end_together(
            f"{model}: no *.safetensors. Pickled weights can run code when they are opened, so they never are. Give a "
            f"checkpoint that `gmai model init` or `gmai train` wrote."
        )
    loaded: Any = LlavaForConditionalGeneration.from_pretrained(
        model, dtype=dtype, local_files_only=True, use_safetensors=True, attn_implementation="sdpa",
        output_loading_info=True,
    )  # fmt: skip
    llava, missing = loaded[0], sorted(loaded[1]["missing_keys"])
    if missing:
        distributed.end_together(
            f"{model}: {len(missing)} tensors are missing, {missing[0]} first. Every tensor must come from the "
            f"checkpoint, as others would start at random. `gmai model check {model}` says more."
        )
    llava.train()
    return llava


def _begin_session(
    config: TrainConfig, launch: distributed.Launch, inputs: Inputs, place: Place, *, out: Path, accumulation: int
) -> MetricsFile:
    """Note that the run goes on here, and open its metrics."""
    steps = last_step(config, inputs.plan)
    if place.steps:
        say(f"resumed from step-{place.steps:08d} of {steps} steps")
    session = {
        "started": time.strftime("%Y-%m-%d %H:%M:%S"), "from_step": place.steps, "processes": launch.world,
        "launcher": launch.launcher, "device": device_name(), "micro_batch_size": config.micro_batch_size,
        "accumulation": accumulation, "versions": installed_versions(),
    }  # fmt: skip
    with (out / "sessions.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(session) + "\n")
    trackers = open_trackers(config.trackers, out, config=json.loads(config.model_dump_json()), steps_done=place.steps)
    return MetricsFile(
        out / "metrics.jsonl", steps_done=place.steps, at_the_end=place.steps == steps, trackers=trackers
    )


def _announce(
    config: TrainConfig, inputs: Inputs, llava: nn.Module, beyond: list[str], *, launch: distributed.Launch,
    accumulation: int,
) -> None:  # fmt: skip
    stage = STAGES[config.stage]
    say(
        f"stage {stage.number} ({stage.name}) on {launch.world} process(es) of {device_name()}, started by "
        f"{launch.launcher}: {config.precision}, ZeRO-{config.zero_stage}"
        + (f", LoRA adapters of rank {config.lora_rank} in the language model" if config.lora_rank else "")
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
    inputs.announce()
    plan = inputs.plan
    say(
        f"{len(plan.packs)} packs of {config.pack_tokens} tokens, {plan.fill:.1%} full, in {plan.steps} steps of "
        f"{config.global_batch_size} = {launch.world} process(es) × {config.micro_batch_size} packs × {accumulation} "
        f"accumulated (Table 8 ran 32 × {stage.micro_batch_size} × {stage.gradient_accumulation_steps})"
    )


def _history(config: TrainConfig, inputs: Inputs, place: Place, out: Path) -> dict[str, Any]:
    """Return what `gmai.json` says about this stage: enough for a model card."""
    lines = read_metrics(out / "metrics.jsonl")
    steps = [line for line in lines if "loss" in line]
    every = max(len(steps) // CURVE_POINTS, 1)
    trained = inputs.plan.samples(place.steps)
    return {
        "stage": config.stage,
        "name": STAGES[config.stage].name,
        "trainable": sorted(config.trainable),
        "lora": {"rank": config.lora_rank, "alpha": config.lora_alpha, "merged": True} if config.lora_rank else None,
        "steps": place.steps,
        "steps_planned": inputs.plan.steps,
        "samples": len(trained),
        "tokens": int(inputs.lengths.tokens[trained].sum(dtype=np.int64)),
        "unreadable": place.unreadable,
        "validation_loss": place.validation_loss,
        "loss_curve": [[line["step"], round(line["loss"], 4)] for line in steps[::-1][::every][::-1]],
        "validation_curve": [[line["step"], line["validation_loss"]] for line in lines if "validation_loss" in line],
        "mixture": [vars(share) for share in inputs.shares],
        "settings": json.loads(config.model_dump_json()),
        "sessions": [json.loads(line) for line in (out / "sessions.jsonl").read_text("utf-8").splitlines()],
    }
