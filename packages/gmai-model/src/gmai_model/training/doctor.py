"""`gmai doctor --train`: whether this machine can train, in seconds and without a model or data."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import torch
from gmai_cli.console import table
from gmai_formats.errors import UserError

from gmai_model.training import preflight
from gmai_model.training.distributed import Launch, choose_device

_ROW = 4 * 4096 // 576 * 3 * 4 * 336**2
"""Bytes of a row of the 8 B model at most: 4 packs of 4,096 tokens full of images."""
_GIB = 2**30


def doctor() -> bool:
    """Print what was found, one line each with its remedy, and return whether all of it is good."""
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("libraries", _versions), ("device", _device), ("shared memory", _shared), ("memory", _memory),
        ("disk", _disk), ("name", _ports),
    )  # fmt: skip
    rows: list[tuple[str, str, str]] = []
    for name, look in checks:
        try:
            rows.append((name, "ok", look()))
        except UserError as error:
            rows.append((name, "CHECK", str(error)))
    table(("training", "", "found"), rows)
    return all(state == "ok" for _, state, _ in rows)


def _versions() -> str:
    preflight.check_versions()
    return f"torch {torch.__version__} and the others are new enough"


def _device() -> str:
    launch = Launch(0, 1, int(os.environ.get("SLURM_LOCALID", "0")), "none")
    if not choose_device(launch, device="auto", precision="bf16"):
        return "no GPU was given: training would use the CPU, which is for trying things out"
    major, minor = torch.cuda.get_device_capability()
    return f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}, bf16, CUDA {torch.version.cuda}"


def _shared() -> str:
    free = preflight.shared_free()
    workers, ahead = preflight.loader_room(2, _ROW, free, local=max(torch.cuda.device_count(), 1))
    if workers < 2:
        raise UserError(
            f"{preflight.SHARED_MEMORY} has {free / 2**20:,.0f} MiB free, which is room for {workers or 'no'} of 2 "
            f"loader processes of each device (rows of up to {_ROW / 2**20:.0f} MiB). Give a container more "
            f"(docker --shm-size=8g or --ipc=host)."
        )
    return f"{free / _GIB:,.1f} GiB free: 2 loader processes of each device keep {ahead} rows ready"


def _memory() -> str:
    return f"{preflight.free_bytes() / _GIB:,.1f} GiB free; `gmai train --dry-run` says what a stage needs"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free
    return f"{free / _GIB:,.1f} GiB free here; a checkpoint takes 12 bytes for each parameter that trains"


def _ports() -> str:
    name = socket.gethostname()
    try:
        return f"{name} resolves to {socket.gethostbyname(name)}"
    except OSError as error:
        raise UserError(
            f"this machine's name, {name}, does not resolve ({error.strerror}). Other machines meet rank 0 by it. Add "
            f"it to DNS or /etc/hosts, or set MASTER_ADDR."
        ) from error
