"""A benchmark of `gmai bench` every so many steps and at the end, and what follows from its score.

The two packages meet in files: the model as it then is goes to `OUT/benchmark/model`, `gmai bench` runs on it as a
command of its own, and its `report.json` is read.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gmai_cli.console import say
from gmai_cli.processes import ending_with_this
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.json_text import read_json_object

from gmai_model.training import distributed, export, lora
from gmai_model.training.callbacks.callback import Run
from gmai_model.training.callbacks.measurement import Measurement
from gmai_model.training.config import TrainConfig

_OF_THE_RUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def require_bench() -> None:
    """Refuse a benchmark where nothing is installed that could ask it.

    Raises:
        UserError: Names the package.
    """
    names = {entry.name for entry in importlib.metadata.entry_points(group="gmai.commands")}
    if "bench" not in names:
        raise UserError(f"benchmark asks questions with `gmai bench`. Install it with `{pip_install('gmai-bench')}`.")


class Benchmark(Measurement):
    """Asks the benchmarks, writes the score into the run's place, and ends a run whose patience is at its end.

    Args:
        config: With `benchmark`.
        model: The checkpoint that the run started from.
    """

    def __init__(self, config: TrainConfig, model: Path) -> None:
        patience = config.patience if config.select_by == "benchmark" else None
        super().__init__(
            "benchmark", "the benchmark has not risen", every_steps=config.benchmark_every_steps, patience=patience
        )
        self._config, self._model = config, model

    def measure(self, run: Run) -> bool:
        """Ask the benchmarks, and let the callbacks know the score."""
        run.doing("asking the benchmark after")
        config = self._config
        trained = export.gather_trained(
            run.engine.module.llava, precision=config.precision, zero_stage=config.zero_stage, keep=run.is_main
        )
        folder = run.out / "benchmark"

        def ask() -> float:
            weights = lora.merged(trained, config.lora_alpha)
            export.export(self._model, folder / "model", weights, history={"stage": config.stage, "unfinished": True})
            try:
                return ask_bench(folder / "model", folder / f"step-{run.place.steps:08d}", config)
            finally:
                shutil.rmtree(folder / "model")

        score = distributed.on_main(ask)
        run.place.benchmark.append((run.place.steps, score))
        if run.is_main:
            say(f"benchmark {score:.1%} after step {run.place.steps}")
        run.notify(lambda callback: callback.after_benchmark(run, score))
        return True


def ask_bench(model: Path, out: Path, config: TrainConfig) -> float:
    """Return the mean accuracy of the benchmarks that `gmai bench` reports.

    Raises:
        UserError: It ended with an error, or reports no accuracy.
    """
    command = [sys.executable, "-m", "gmai_cli", "bench", "--model", str(model), "--benchmarks", str(config.benchmark),
               "--out", str(out), *config.benchmark_options]  # fmt: skip
    environment = {
        name: value for name, value in os.environ.items()
        if name not in _OF_THE_RUN and not name.startswith("SLURM_")
    }  # fmt: skip
    if config.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="replace", check=False,
        preexec_fn=ending_with_this(),
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(
            f"gmai bench ended with code {done.returncode}: {lines[-1] if lines else 'it said nothing'}\nThe last "
            "checkpoint stands. Correct `benchmark` or `benchmark_options`, or set benchmark=null; the same command "
            "goes on."
        )
    report = read_json_object(out / "report.json", remedy="Remove the folder; the same command asks again.")
    return mean_accuracy(report.get("benchmarks"), out)


def mean_accuracy(benchmarks: object, out: Path) -> float:
    """Return the mean over the benchmarks of a report.

    Raises:
        UserError: One of them has no accuracy, or there is none.
    """
    entries: Sequence[dict[str, object]] = benchmarks if isinstance(benchmarks, list) else []
    scores = [entry.get("accuracy") for entry in entries]
    if not scores or not all(isinstance(score, int | float) for score in scores):
        raise UserError(
            f"{out / 'report.json'} has no accuracy of every benchmark, which selecting by it needs. Name "
            "benchmarks with known answers."
        )
    return float(sum(score for score in scores if isinstance(score, int | float)) / len(scores))
