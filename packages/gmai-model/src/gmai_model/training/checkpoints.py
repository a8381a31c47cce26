"""Checkpoints to resume from: written aside, fsynced, marked complete, renamed, pruned."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from gmai_cli.console import say
from gmai_cli.files import fsync_directory, write_json

MARK = "complete.json"


@dataclass(frozen=True)
class Checkpoint:
    """One complete checkpoint."""

    folder: Path
    step: int
    """Optimiser steps done."""
    unreadable: int
    """Samples left out so far because an image did not decode."""


def find_latest(root: Path, *, shown: bool = True) -> Checkpoint | None:
    """Return the newest complete checkpoint; half-written ones are named (where `shown`) and passed over."""
    found: list[Checkpoint] = []
    for folder in sorted(root.glob("step-*")):
        try:
            mark: dict[str, Any] = json.loads((folder / MARK).read_text("utf-8"))
            sizes: dict[str, int] = mark["files"]
            whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
        except (OSError, ValueError, KeyError) as error:
            if shown:
                say(f"checkpoint {folder} is incomplete ({type(error).__name__}), passed over")
            continue
        if whole:
            found.append(Checkpoint(folder, mark["step"], mark["unreadable"]))
        elif shown:
            say(f"checkpoint {folder} has files of another size than it was written with, passed over")
    return max(found, key=lambda checkpoint: checkpoint.step, default=None)


def save(engine: Any, root: Path, *, step: int, unreadable: int, keep: int, is_main: bool) -> None:
    """Write a checkpoint. Every rank must call this; frozen weights are left out.

    Raises:
        OSError: The disk is full or the folder not writable; the last complete checkpoint stays.
    """
    final = root / f"step-{step:08d}"
    building = root / f".step-{step:08d}.building"
    if is_main:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
    dist.barrier()
    engine.save_checkpoint(str(building), tag="state", exclude_frozen_parameters=True, save_latest=False)
    dist.barrier()
    if is_main:
        sizes: dict[str, int] = {}
        for file in sorted(path for path in building.rglob("*") if path.is_file()):
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
            sizes[str(file.relative_to(building))] = file.stat().st_size
        write_json(building / MARK, {"step": step, "unreadable": unreadable, "files": sizes})
        if final.exists():
            shutil.rmtree(final)
        building.rename(final)
        fsync_directory(root)
        _prune(root, keep=keep)
    dist.barrier()


def _prune(root: Path, *, keep: int) -> None:
    for folder in sorted(root.glob("step-*"))[:-keep]:
        shutil.rmtree(folder)


def load(engine: Any, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's weights and optimiser states into the engine. Every rank must call this."""
    path, _ = engine.load_checkpoint(
        str(checkpoint.folder), tag="state", load_module_strict=False, load_lr_scheduler_states=False
    )
    if path is None:
        raise RuntimeError(f"DeepSpeed did not load {checkpoint.folder}")
