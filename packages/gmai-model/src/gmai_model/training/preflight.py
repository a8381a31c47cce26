"""What would end a run hours from now, looked for in seconds, before the model is loaded."""

import importlib.metadata
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.pictures.problems import PictureError
from transformers import LlavaForConditionalGeneration

from gmai_model.batching.collate import decode_image
from gmai_model.batching.pixels import Pixels
from gmai_model.training import estimate
from gmai_model.training.config import TrainConfig
from gmai_model.training.distributed import computes_on_gpu, end_together
from gmai_model.training.inputs import Inputs

AHEAD = 4
"""Rows that a worker keeps ready where there is room for them."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (where Linux keeps what processes share)
IMAGES_TRIED = 3
"""Images of each source that are decoded before the start."""
_GIB = 2**30


def check_versions(installed: dict[str, str] | None = None) -> None:
    """Refuse libraries older than this package's own lower bounds, which an installer may have been told to ignore.

    Args:
        installed: Library ▶ version; what is installed by default.

    Raises:
        UserError: Names the library, its version and the bound.
    """
    for requirement in importlib.metadata.requires("gmai-model") or []:
        found = re.match(r"(torch|deepspeed|accelerate|transformers)>=([\d.]+)$", requirement.replace(" ", ""))
        if found is None:
            continue
        name, least = found[1], found[2]
        version = installed.get(name, least) if installed is not None else importlib.metadata.version(name)
        if _numbers(version) < _numbers(least):
            raise UserError(
                f"{name} {version} is installed; training needs {least} or newer. Run `pip install '{name}>={least}'`."
            )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]


@dataclass(frozen=True)
class Need:
    """What a run takes, in bytes."""

    row: float
    """One row of the loader in shared memory, at most."""
    states: float
    """Weights, gradients and optimiser states of one process."""
    activations: float
    """Estimated memory of the activations of one process."""
    checkpoint: float
    """Size of one checkpoint on disk."""
    model: float
    """The exported model, on disk."""


def needs(
    config: TrainConfig, inputs: Inputs, llava: LlavaForConditionalGeneration, model: Path, *, world: int
) -> Need:
    """Return what a run needs, from the model's shapes and the plan."""
    counts = estimate.trained_parameters(llava, config).values()
    total, trainable = (sum(pair[i] for pair in counts) for i in (0, 1))
    tokens = config.micro_batch_size * config.pack_tokens
    images = max(tokens // inputs.tokens_per_image, 1)
    of_pixel = 4 if Pixels(inputs.processor.image_processor, size=inputs.image_size).table is None else 1
    shares = inputs.shares
    room = config.pack_tokens / max(sum(share.tokens for share in shares), 1)
    memory = estimate.memory(
        config, zero_stage=config.zero_stage, world=world, parameters=total, trainable=trainable,
        activations=estimate.activation_bytes(
            llava, config, supervised=room * sum(share.supervised_tokens for share in shares),
            images=room * sum(share.images for share in shares),
        ),
        quantized=estimate.quantized_parameters(llava, config), on_gpu=computes_on_gpu(),
    )  # fmt: skip
    return Need(
        row=images * 3 * of_pixel * inputs.image_size**2 + 3 * 8 * tokens,
        states=memory.total - memory.activations,
        activations=memory.activations,
        checkpoint=12.0 * trainable,
        model=sum(file.stat().st_size for file in model.glob("*.safetensors")),
    )


def check(
    config: TrainConfig, inputs: Inputs, llava: LlavaForConditionalGeneration, *, model: Path, out: Path, world: int,
    is_main: bool,
) -> tuple[int, int]:  # fmt: skip
    """Refuse what cannot end well. Every rank must call this.

    Args:
        config: The resolved settings.
        inputs: The samples.
        llava: The model's shapes, without memory.
        model: Its folder.
        out: The run's folder.
        world: Number of ranks.
        is_main: Whether this rank speaks for all.

    Returns:
        Loader processes that `/dev/shm` has room for, and the rows that each of them may keep ready.

    Raises:
        UserError: Says what is missing, and what to do.
    """
    need = needs(config, inputs, llava, model, world=world)
    local = int(os.environ.get("LOCAL_WORLD_SIZE") or "1")
    problem = (
        memory_problem(need, config, free_bytes(), local=1 if computes_on_gpu() else local)
        or disk_problem(need, out, keep=config.keep_checkpoints)
        or image_problem(inputs)
        or validation_problem(config, inputs)
    )
    if problem:
        end_together(problem)
    workers, ahead = loader_room(config.loader_workers, need.row, shared_free(), local=local)
    if is_main and workers < config.loader_workers:
        say(
            f"{SHARED_MEMORY} has {shared_free() / 2**20:,.0f} MiB free and a row takes up to "
            f"{need.row / 2**20:,.1f} MiB: {workers or 'no'} loader processes instead of {config.loader_workers}. More "
            f"room (docker --shm-size, --ipc=host) or a smaller micro_batch_size or pack_tokens gives more of them"
        )
    return workers, ahead


def shared_free() -> float:
    """Return the free bytes of the memory that processes share; without a limit where there is no such folder."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return float("inf")


def loader_room(workers: int, row: float, free: float, *, local: int) -> tuple[int, int]:
    """Return how many loader processes, and rows ahead for each, fit into shared memory.

    A worker that finds it full never sends its row, and the run would wait for it until the watchdog ends it.

    Args:
        workers: Wanted by this process.
        row: Bytes of a row at most.
        free: Bytes free in shared memory.
        local: Processes of this run on the machine, which share it.
    """
    for count in range(workers, 0, -1):
        for ahead in (AHEAD, 2, 1):
            # Beside what waits, each worker makes one row and the main process holds one.
            if count * (ahead + 1) * row + row <= 0.9 * free / local:
                return count, ahead
    return 0, AHEAD


def free_bytes() -> float:
    """Return the free memory of this process's device."""
    if computes_on_gpu():
        return float(torch.cuda.mem_get_info()[0])
    try:
        text = Path("/proc/meminfo").read_text("utf-8")
        free = float(re.search(r"MemAvailable:\s+(\d+)", text)[1]) * 1024  # pyright: ignore[reportOptionalSubscript]
        group = Path("/sys/fs/cgroup")
        limit, used = (group / name for name in ("memory.max", "memory.current"))
        if limit.is_file() and (text := limit.read_text("utf-8").strip()).isdigit():
            free = min(free, float(text) - float(used.read_text("utf-8")))
    except (OSError, TypeError):
        return float("inf")
    return free


def memory_problem(need: Need, config: TrainConfig, free: float, *, local: int) -> str:
    """Return why the memory cannot do; an estimate that only the activations exceed is told, not refused."""
    remedies = (
        "More processes, zero_stage=3, offload=optimizer, LoRA (lora_rank) or 4 bits (quantize=nf4) need less of it"
    )
    if local * need.states > free:
        return (
            f"weights, gradients and optimiser states take {local * need.states / _GIB:.1f} GiB here, and "
            f"{free / _GIB:.1f} GiB are free. {remedies}; `--dry-run` shows the table."
        )
    if local * (need.states + need.activations) > free:
        say(
            f"the estimate of {local * (need.states + need.activations) / _GIB:.1f} GiB exceeds the {free / _GIB:.1f} "
            f"GiB that are free: with micro_batch_size {config.micro_batch_size} the memory may not do. {remedies}"
        )
    return ""


def disk_problem(need: Need, out: Path, *, keep: int) -> str:
    """Return why the disk cannot do: beside those that are kept, one checkpoint is being written, and the model."""
    there = sum(file.stat().st_size for file in (out / "checkpoints").glob("*/*") if file.is_file())
    needed = need.checkpoint * (keep + 1) + need.model - there
    free = shutil.disk_usage(out).free
    if needed <= free:
        return ""
    return (
        f"{out}: {keep + 1} checkpoints of {need.checkpoint / _GIB:.2f} GiB and the model of {need.model / _GIB:.2f} "
        f"GiB need {needed / _GIB:.2f} GiB more, and {free / _GIB:.2f} GiB are free. Make room, choose another --out, "
        f"or set keep_checkpoints lower."
    )


def validation_problem(config: TrainConfig, inputs: Inputs) -> str:
    """Return what asks for a validation loss where there are no samples that it could be of."""
    asking = [name for name, asks in (("export=best", config.export == "best"), ("patience", config.patience)) if asks]
    if config.select_by != "validation_loss" or not asking or inputs.can_validate:
        return ""
    return (
        f"{' and '.join(asking)} {'go' if len(asking) > 1 else 'goes'} by the validation loss, and the mixture has no "
        f"validation sample that can be used. Give a dataset validation-*.parquet or another file of that split, set "
        f"select_by=benchmark, or leave {'them' if len(asking) > 1 else 'it'} out."
    )


def image_problem(inputs: Inputs, *, copied: bool = True) -> str:
    """Return why a source's images cannot be read, where all of the few that are tried fail.

    Args:
        inputs: The samples.
        copied: Whether the images of Parquet files have been found, so that they can be tried.
    """
    for table, source in enumerate(inputs.source.tables):
        if source.source.is_parquet and not copied:
            continue
        failed: list[str] = []
        tried = 0
        for number, images in _with_images(inputs, table):
            tried += 1
            for image in images:
                try:
                    decode_image(image.read())
                except (OSError, PictureError) as error:
                    file, row = inputs.source.origin(number)
                    failed.append(f"{file} row {row}: {type(error).__name__}: {error}")
                    break
        if tried and len(failed) == tried:
            return (
                f"{source.source.name}: none of the {tried} images tried can be read, the first one being of "
                f"{failed[0]}. Image paths are relative to {source.source.folders[0]}. Correct the paths, put the "
                f"files there, or leave the dataset out."
            )
    return ""


def _with_images(inputs: Inputs, table: int) -> Iterable[tuple[int, list[Any]]]:
    """Yield a few samples of a table that have images, spread over it; looks at a bounded number of rows."""
    usable = np.flatnonzero((inputs.source.dataset == table) & (inputs.lengths.tokens > 0))
    found = 0
    for number in usable[np.linspace(0, len(usable) - 1, min(len(usable), 8 * IMAGES_TRIED)).astype(np.int64)]:
        sample = inputs.source[int(number)]
        if sample.images and found < IMAGES_TRIED:
            found += 1
            yield int(number), sample.images
