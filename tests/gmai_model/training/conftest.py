"""Runs of `gmai train` as a user starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
    "answers": 1,
}

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"}
IMPORTS = ("gmai_cli.main", "gmai_model.training.run", "deepspeed", "deepspeed.runtime.zero.muon.muon_optimizer",
           "transformers.models.clip.modeling_clip", "transformers.models.llama.modeling_llama",
           "transformers.models.llava.modeling_llava")  # fmt: skip


class Train:
    """Starts `gmai train` on the shared samples."""

    def __init__(self, data: Path, forked: Any) -> None:
        self._data, self._forked = data, forked

    def words(self, stage: int, model: Path, out: Path, **settings: object) -> list[str]:
        """Return what follows `gmai`."""
        flags = [f"--set={key}={value}" for key, value in {**SETTINGS, **settings}.items()]
        return ["train", f"--stage={stage}", f"--model={model}", f"--data={self._data}", f"--out={out}", *flags]

    def command(self, stage: int, model: Path, out: Path, **settings: object) -> list[str]:
        """Return the command that runs in a fresh process, for what a forked one cannot show."""
        return [sys.executable, "-m", "gmai_cli", *self.words(stage, model, out, **settings)]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **ENVIRONMENT}

    def on(self, data: Path) -> "Train":
        """Return what starts `gmai train` on other samples."""
        return Train(data, self._forked)

    def __call__(
        self, stage: int, model: Path, out: Path, ranks: int = 1, **settings: object
    ) -> "subprocess.CompletedProcess[str]":
        if ranks == 1:
            return self.run(self.words(stage, model, out, **settings))
        processes = self.ranks(stage, model, out, ranks, **settings)
        ended = [process.communicate(timeout=600) for process in processes]
        codes = [process.returncode for process in processes]
        out_and_err = ("".join(texts) for texts in zip(*ended, strict=True))
        return subprocess.CompletedProcess(["gmai", "train"], next((code for code in codes if code), 0), *out_and_err)

    def run(self, words: list[str], cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return self._forked.run(words, self.environment, cwd)

    def start(self, stage: int, model: Path, out: Path, **settings: object) -> Any:
        return self._forked.start(self.words(stage, model, out, **settings), self.environment)

    def ranks(self, stage: int, model: Path, out: Path, count: int, **settings: object) -> list[Any]:
        """Start the ranks one by one, as srun does, so that a test can hit a single one."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        return [
            self._forked.start(
                self.words(stage, model, out, **settings),
                {**self.environment, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
                 "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
            )
            for rank in range(count)
        ]  # fmt: skip

    def wait_for_steps(self, out: Path, steps: int, process: Any) -> None:
        """Wait until that many steps stand in the run's metrics; earlier sessions' count, so ask for more of them."""
        deadline = time.monotonic() + 600
        metrics = out / "metrics.jsonl"
        while time.monotonic() < deadline and process.poll() is None:
            if metrics.is_file() and metrics.read_text().count('"loss"') >= steps:
                return
            time.sleep(0.005)
        raise AssertionError(f"{out} never came to step {steps}")

    def and_stop(self, stage: int, model: Path, out: Path, *, after_steps: int, by: signal.Signals) -> int:
        """Start a run, send it a signal once `after_steps` steps are in its metrics, and return its exit code."""
        process = self.start(stage, model, out)
        metrics = out / "metrics.jsonl"
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and process.poll() is None:
            if metrics.is_file() and metrics.read_text().count('"loss"') >= after_steps:
                break
            time.sleep(0.005)
        process.send_signal(by)
        return process.wait(timeout=600)


@pytest.fixture(scope="session")
def train(samples: Path, forked_gmai: Any) -> Iterator[Train]:
    with forked_gmai.Server(IMPORTS, {**os.environ, **ENVIRONMENT}) as server:
        yield Train(samples, server)


@pytest.fixture(scope="session")
def stage1(train: Train, checkpoint: Path, made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """An undisturbed run of stage 1."""

    def make(out: Path) -> None:
        result = train(1, checkpoint, out)
        assert result.returncode == 0, result.stderr

    return made_once("stage1", make)
