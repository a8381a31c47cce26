"""Runs of `gmai train` as a user starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SETTINGS = {
    "global_batch_size": 2,
    "micro_batch_size": 1,
    "pack_tokens": 512,
    "precision": "fp32",
    "activation_checkpointing": "false",
    "loader_workers": 1,
    "save_every_steps": 2,
    "epochs": 2,
}


class Train:
    """Starts `gmai train` on the shared samples."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def command(self, stage: int, model: Path, out: Path, ranks: int = 1, **settings: object) -> list[str]:
        launcher = [sys.executable]
        if ranks > 1:
            launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
        flags = [f"--set={key}={value}" for key, value in {**SETTINGS, **settings}.items()]
        return [*launcher, "-m", "gmai_cli", "train", f"--stage={stage}", f"--model={model}", f"--data={self._data}",
                f"--out={out}", *flags]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}

    def __call__(
        self, stage: int, model: Path, out: Path, ranks: int = 1, **settings: object
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(stage, model, out, ranks, **settings),
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=600,
        )

    def ranks(
        self, stage: int, model: Path, out: Path, count: int, **settings: object
    ) -> "list[subprocess.Popen[str]]":
        """Start the ranks one by one, as srun does, so that a test can hit a single one."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        return [
            subprocess.Popen(
                self.command(stage, model, out, **settings),
                env={**self.environment, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
                     "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )
            for rank in range(count)
        ]  # fmt: skip

    def wait_for_steps(self, out: Path, steps: int, process: "subprocess.Popen[str]") -> None:
        """Wait until that many steps stand in the run's metrics; earlier sessions' count, so ask for more of them."""
        deadline = time.monotonic() + 240
        metrics = out / "metrics.jsonl"
        while time.monotonic() < deadline and process.poll() is None:
            if metrics.is_file() and metrics.read_text().count('"loss"') >= steps:
                return
            time.sleep(0.005)
        raise AssertionError(f"{out} never came to step {steps}")

    def and_stop(self, stage: int, model: Path, out: Path, *, after_steps: int, by: signal.Signals) -> int:
        """Start a run, send it a signal once `after_steps` steps are in its metrics, and return its exit code."""
        process = subprocess.Popen(
            self.command(stage, model, out), env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        metrics = out / "metrics.jsonl"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if metrics.is_file() and metrics.read_text().count('"loss"') >= after_steps:
                break
            time.sleep(0.005)
        process.send_signal(by)
        return process.wait(timeout=120)


@pytest.fixture(scope="session")
def train(samples: Path) -> Train:
    return Train(samples)


@pytest.fixture(scope="session")
def stage1(train: Train, checkpoint: Path, made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """An undisturbed run of stage 1."""

    def make(out: Path) -> None:
        result = train(1, checkpoint, out)
        assert result.returncode == 0, result.stderr

    return made_once("stage1", make)
