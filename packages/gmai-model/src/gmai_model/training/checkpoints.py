"""Checkpoints to resume from: written aside, fsynced, marked complete, renamed, pruned; read by any number of ranks."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.files import fsync_directory, write_json

from gmai_model.training.distributed import end_together, on_main

MARK = "complete.json"


@dataclass(frozen=True)
class Checkpoint:
    """One complete checkpoint."""

    folder: Path
    step: int
    """Optimiser steps done."""
    unreadable: int
    """Samples left out so far because an image did not decode."""
    world: int
    """Number of ranks that wrote it."""


def find_latest(root: Path) -> Checkpoint | None:
    """Return the newest complete checkpoint, as rank 0 sees it; half-written ones are named and passed over.

    Every rank must call this: on a network file system each may see another state.
    """
    return on_main(lambda: _newest(root))


def _newest(root: Path) -> Checkpoint | None:
    for unfinished in root.glob(".step-*"):
        shutil.rmtree(unfinished)
    found: list[Checkpoint] = []
    for folder in sorted(root.glob("step-*")):
        try:
            mark: dict[str, Any] = json.loads((folder / MARK).read_text("utf-8"))
            sizes: dict[str, int] = mark["files"]
            whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
            checkpoint = Checkpoint(folder, mark["step"], mark["unreadable"], mark["world"])
        except (OSError, ValueError, KeyError) as error:
            say(f"checkpoint {folder} is incomplete ({type(error).__name__}), passed over")
            continue
        if whole:
            found.append(checkpoint)
        else:
            say(f"checkpoint {folder} has files of another size than it was written with, passed over")
    return max(found, key=lambda checkpoint: checkpoint.step, default=None)


def save(engine: Any, root: Path, *, step: int, unreadable: int, keep: int) -> None:
    """Write a checkpoint. Every rank must call this; frozen weights are left out.

    Raises:
        UserError: A rank could not write, for example because the disk is full; the last complete checkpoint stays.
    """
    is_main = dist.get_rank() == 0
    final = root / f"step-{step:08d}"
    building = root / f".step-{step:08d}.building"
    problem = ""
    if is_main:
        problem = _attempt(lambda: _begin(building))
    _agree(problem, step=step, building=building)
    with _remembering_writer(engine) as writer:
        engine.save_checkpoint(str(building), tag="state", exclude_frozen_parameters=True, save_latest=False)
    _agree(writer.problem, step=step, building=building)
    if is_main:
        problem = _attempt(lambda: _finish(building, final, step=step, unreadable=unreadable))
        if not problem:
            _prune(root, keep=keep)
    _agree(problem, step=step, building=building)


def _begin(building: Path) -> None:
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)


def _finish(building: Path, final: Path, *, step: int, unreadable: int) -> None:
    files = sorted(path for path in building.rglob("*") if path.is_file())
    sizes = {str(file.relative_to(building)): file.stat().st_size for file in files}
    world = dist.get_world_size()
    write_json(building / MARK, {"step": step, "unreadable": unreadable, "world": world, "files": sizes})
    for folder in {file.parent for file in files}:
        fsync_directory(folder)
    if final.exists():
        shutil.rmtree(final)
    building.rename(final)
    fsync_directory(final.parent)


class _RememberingWriter:
    """Writes DeepSpeed's files durably, and remembers a failure instead of raising it amid collectives."""

    def __init__(self, engine: Any) -> None:
        self._inner = engine.checkpoint_engine
        self.problem = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def save(self, state_dict: Any, path: str) -> None:  # called by these names
        def write() -> None:
            self._inner.save(state_dict, path)
            # Each rank makes its own file durable: on a network file system no other can.
            with Path(path).open("rb") as file:
                os.fsync(file.fileno())

        self.problem = self.problem or _attempt(write)


@contextmanager
def _remembering_writer(engine: Any) -> Generator[_RememberingWriter]:
    writer = _RememberingWriter(engine)
    inner, engine.checkpoint_engine = engine.checkpoint_engine, writer
    try:
        yield writer
    finally:
        engine.checkpoint_engine = inner


def _attempt(write: Any) -> str:
    """Return what went wrong, or nothing. torch reports a full disk as a RuntimeError of its own."""
    try:
        write()
    except (OSError, RuntimeError) as error:
        return str(error).splitlines()[0]
    return ""


def _agree(problem: str, *, step: int, building: Path) -> None:
    """Raise on every rank when one has a problem, so that none waits for it."""
    problems: list[str] = [""] * dist.get_world_size()
    dist.all_gather_object(problems, problem)
    failed = next((rank for rank, text in enumerate(problems) if text), None)
    if failed is None:
        return
    if dist.get_rank() == 0:
        shutil.rmtree(building, ignore_errors=True)
    root = building.parent
    free_gib = shutil.disk_usage(root).free / 2**30 if root.is_dir() else 0
    last = max((folder.name for folder in root.glob("step-*")), default="none yet")
    end_together(
        f"step {step}: rank {failed} could not write the checkpoint in {root}: {problems[failed]} ({free_gib:.2f} GiB "
        f"free there). The last complete checkpoint is {last}. Make room (keep_checkpoints keeps fewer) and run the "
        f"same command: it goes on from there."
    )


def _prune(root: Path, *, keep: int) -> None:
    for folder in sorted(root.glob("step-*"))[:-keep]:
        shutil.rmtree(folder)


@contextmanager
def readable(checkpoint: Checkpoint, *, zero_stage: int) -> Generator[Path]:
    """Yield the folder to load from. Every rank must call this.

    Of a checkpoint that another number of ranks wrote, rank 0 makes a DeepSpeed universal checkpoint, which lasts as
    long as the block.

    Raises:
        UserError: The conversion failed.
    """
    if checkpoint.world == dist.get_world_size():
        yield checkpoint.folder
        return
    universal = checkpoint.folder.with_name(f".{checkpoint.folder.name}.universal")
    on_main(lambda: _convert(checkpoint, universal, zero_stage=zero_stage))
    try:
        yield universal
    finally:
        dist.barrier()
        if dist.get_rank() == 0:
            shutil.rmtree(universal, ignore_errors=True)


def _convert(checkpoint: Checkpoint, universal: Path, *, zero_stage: int) -> None:
    world = dist.get_world_size()
    say(f"{checkpoint.folder.name} was written by {checkpoint.world} process(es), now there are {world}: converting it")
    # A process of its own, without our ranks' variables; it reads what DeepSpeed wrote, file by file.
    environment = {k: v for k, v in os.environ.items() if k not in {"RANK", "WORLD_SIZE", "LOCAL_RANK"}}
    command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--input_folder",
               str(checkpoint.folder / "state"), "--output_folder", str(universal / "state")]  # fmt: skip
    if zero_stage == 2:
        command.append("--inject_missing_state")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(universal, ignore_errors=True)
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"{checkpoint.folder}: written by {checkpoint.world} processes, and converting it for {world} failed: "
            f"{reason}. Make room if the disk is full, or go on with {checkpoint.world} processes."
        )


def load(engine: Any, folder: Path) -> None:
    """Put weights and optimiser states into the engine. Every rank must call this."""
    path, _ = engine.load_checkpoint(str(folder), tag="state", load_module_strict=False, load_lr_scheduler_states=False)
    if path is None:
        raise RuntimeError(f"DeepSpeed did not load {folder}")
