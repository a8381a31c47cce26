"""What a run says of itself: at its start, in `sessions.jsonl`, and in the `gmai.json` of its model."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gmai_cli.console import say, table
from gmai_formats.files import installed_versions
from gmai_formats.state import append_line, read_lines, rewrite_lines
from gmai_formats.weights import read_record
from torch import nn

from gmai_model.stages import STAGES
from gmai_model.training import parts
from gmai_model.training.callbacks.metrics import read_metrics
from gmai_model.training.config import TrainConfig
from gmai_model.training.distributed import Launch
from gmai_model.training.identity import device_name
from gmai_model.training.inputs import Inputs
from gmai_model.training.place import Place

CURVE_POINTS = 200
"""Points of the loss curve that the checkpoint carries."""
_SESSION_KEYS = ("started", "from_step", "processes", "launcher", "device", "micro_batch_size", "accumulation")


def announce(
    config: TrainConfig, inputs: Inputs, llava: nn.Module, beyond: list[str], *, launch: Launch, accumulation: int,
) -> None:  # fmt: skip
    """Print what is about to be trained, on what, and how it is divided."""
    stage = STAGES[config.stage]
    say(
        f"stage {stage.number} ({stage.name}) on {launch.world} process(es) of {device_name()}, started by "
        f"{launch.launcher}: {config.precision}, ZeRO-{config.zero_stage}"
        + (f", LoRA adapters of rank {config.lora_rank} in the {_adapted(config)}" if config.lora_rank else "")
        + (", the language model in 4 bits" if config.quantize != "none" else "")
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


def begin_session(
    config: TrainConfig, launch: Launch, place: Place, *, out: Path, accumulation: int, steps: int
) -> None:
    """Note that the run goes on here; damaged lines of `sessions.jsonl` are left out."""
    made = sum("learning_rate" in line for line in read_metrics(out / "metrics.jsonl"))
    if place.steps:
        say(f"resumed from step-{place.steps:08d} of {steps} steps")
    elif made:
        say(f"{made} steps were made before, and no whole checkpoint of them is left: the run begins anew")
    path = out / "sessions.jsonl"
    sessions, damaged = read_lines(path, needs=_SESSION_KEYS)
    if damaged:
        say(f"{path}: {damaged} damaged lines are left out")
        rewrite_lines(path, sessions)
    versions = installed_versions()
    if sessions and place.steps and (changed := _changed(sessions[-1].get("versions", {}), versions)):
        say(f"other versions than in the last session, whose arithmetic may differ: {changed}")
    values = (
        time.strftime("%Y-%m-%d %H:%M:%S"), place.steps, launch.world, launch.launcher, device_name(),
        config.micro_batch_size, accumulation,
    )  # fmt: skip
    append_line(path, {**dict(zip(_SESSION_KEYS, values, strict=True)), "versions": versions})


def name_lost_lines(out: Path) -> None:
    """Say what the records of a finished run have lost: the model does not need them, its report and curves do."""
    stage: dict[str, Any] = read_record(out / "model").get("stages", [{}])[-1]
    asked = stage.get("settings", {}).get("answers", 0) and stage.get("validation_samples", 0)
    validated = {step for step, _ in stage.get("validation_curve", [])}
    made, damaged = read_lines(out / "metrics.jsonl", needs=["step"])
    kept = len({line["step"] for line in made if "learning_rate" in line})
    kept += len(validated & {line["step"] for line in made if "validation_loss" in line})
    found = [("metrics.jsonl", damaged, kept, stage.get("steps_trained", 0) + len(validated), "steps and validations")]
    begun, damaged = read_lines(out / "sessions.jsonl", needs=_SESSION_KEYS)
    found.append(("sessions.jsonl", damaged, len(begun), len(stage.get("sessions", [])), "sessions"))
    if asked:
        answers, damaged = read_lines(out / "answers.jsonl", needs=["step", "answer"])
        kept = len(validated & {line["step"] for line in answers})
        found.append(("answers.jsonl", damaged, kept, len(validated), "validations"))
    for name, damaged, kept, due, what in found:
        if damaged or kept < due:
            say(f"{out / name}: {damaged} damaged lines; {kept} of {due} {what} are in it. The model is whole without")


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name} {before.get(name, 'none')} ▶ {now.get(name, 'none')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    )


def history_of(config: TrainConfig, inputs: Inputs, place: Place, out: Path, *, exported: int) -> dict[str, Any]:
    """Return what `gmai.json` says about this stage: enough for a model card.

    Args:
        config: The settings.
        inputs: The samples.
        place: At the end of the run.
        out: The run's folder.
        exported: Steps in the exported weights.
    """
    steps = [line for line in read_metrics(out / "metrics.jsonl") if "loss" in line]
    every = max(len(steps) // CURVE_POINTS, 1)
    trained = inputs.plan.samples(exported)
    return {
        "stage": config.stage,
        "name": STAGES[config.stage].name,
        "trainable": sorted(config.trainable),
        "lora": {
            "rank": config.lora_rank, "alpha": config.lora_alpha, "merged": True, "parts": sorted(config.lora_parts),
        } if config.lora_rank else None,
        "quantize": config.quantize,
        "steps": exported,
        "steps_trained": place.steps,
        "steps_planned": inputs.plan.steps,
        "samples": len(trained),
        "tokens": int(inputs.lengths.tokens[trained].sum(dtype=np.int64)),
        "unreadable": place.unreadable,
        "validation_loss": next((loss for step, loss in place.validation if step == exported), place.validation_loss),
        "validation_samples": int((inputs.held_out_lengths.tokens > 0).sum()),
        "loss_curve": [[line["step"], round(line["loss"], 4)] for line in steps[::-1][::every][::-1]],
        "benchmark": next((score for step, score in place.benchmark if step == exported), None),
        "benchmark_curve": [list(point) for point in place.benchmark],
        "validation_curve": [list(point) for point in place.validation],
        "mixture": [vars(share) for share in inputs.shares],
        "settings": config.model_dump(mode="json"),
        "sessions": read_lines(out / "sessions.jsonl")[0],
    }  # fmt: skip


def _adapted(config: TrainConfig) -> str:
    return " and the ".join(part.replace("_", " ") for part in sorted(config.lora_parts))
