"""Metrics for people who watch: TensorBoard, Weights & Biases, MLflow. Numbers only, never samples or ids."""

import os
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install


class Tracker(Protocol):
    """Takes the numbers of a step."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Note the numbers of one step."""
        ...

    def close(self) -> None:
        """Write what is pending."""
        ...


def open_trackers(names: Iterable[str], out: Path, *, config: dict[str, Any], steps_done: int) -> list[Tracker]:
    """Return the trackers of a run, going on after `steps_done`.

    Raises:
        UserError: The package of a tracker is not installed, or it cannot begin.
    """
    makers = {"tensorboard": _TensorBoard, "wandb": _WandB, "mlflow": _MLflow}
    trackers: list[Tracker] = []
    for name in names:
        try:
            trackers.append(makers[name](out, config, steps_done))
        except ImportError as error:
            raise UserError(
                f"trackers: {name} is not installed ({error}). Install it with "
                f"`{pip_install(f'gmai-model[{name}]')}`, or leave it out; metrics.jsonl has every number."
            ) from error
    return trackers


class _TensorBoard:
    """Event files in `OUT/tensorboard`."""

    def __init__(self, out: Path, config: dict[str, Any], steps_done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Points of steps that a killed run will do again are hidden.
        self._writer = SummaryWriter(str(out / "tensorboard"), purge_step=steps_done + 1)
        self._writer.add_text("settings", "\n".join(f"    {key}: {value}" for key, value in config.items()), 0)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _WandB:
    """A run of Weights & Biases, files in `OUT/wandb`; WANDB_MODE=offline on nodes without internet."""

    def __init__(self, out: Path, config: dict[str, Any], steps_done: int) -> None:
        import wandb

        del steps_done  # it keeps the first value of a step that comes twice
        identity = out / "wandb_id"
        if not identity.is_file():
            identity.write_text(secrets.token_hex(8), "utf-8")
        try:
            self._run = wandb.init(
                project="gmai", name=out.name, id=identity.read_text("utf-8"), resume="allow", dir=out, config=config,
                # Neither the console, which may name samples, nor code leaves this machine.
                settings=wandb.Settings(console="off", disable_code=True, disable_git=True, save_code=False),
            )  # fmt: skip
        except (wandb.Error, OSError) as error:
            raise UserError(
                f"trackers: wandb did not begin: {str(error).splitlines()[0]}. Set WANDB_API_KEY, or "
                f"WANDB_MODE=offline, or leave it out; metrics.jsonl has every number."
            ) from error

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    """A run of MLflow: on the server of MLFLOW_TRACKING_URI, or else in files in `OUT/mlflow`."""

    def __init__(self, out: Path, config: dict[str, Any], steps_done: int) -> None:
        server = os.environ.get("MLFLOW_TRACKING_URI")
        if not server:
            # Without a server files are enough; MLflow asks for this word since 3.13.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException

        self._metric, self._error = Metric, MlflowException
        self._name = out.name
        identity = out / "mlflow_run"
        try:
            self._client = MlflowClient(tracking_uri=server or (out / "mlflow").resolve().as_uri())
            if not identity.is_file():
                found = self._client.get_experiment_by_name("gmai")
                experiment = found.experiment_id if found else self._client.create_experiment("gmai")
                run = self._client.create_run(experiment, run_name=out.name).info.run_id
                settings = [Param(key, str(value)[:500]) for key, value in config.items()]
                self._client.log_batch(run, params=settings)
                identity.write_text(run, "utf-8")
            self._run = identity.read_text("utf-8")
            self._client.set_terminated(self._run, "RUNNING")
            # It keeps both values of a step that comes twice, so that steps done before are not sent again.
            logged = self._client.get_metric_history(self._run, "loss") if steps_done else []
        except MlflowException as error:
            raise UserError(
                f"trackers: mlflow did not begin: {str(error).splitlines()[0][:200]}. Set MLFLOW_TRACKING_URI to your "
                f"server, or leave it out; metrics.jsonl has every number."
            ) from error
        self._told = max((metric.step for metric in logged), default=0)
        self._silent = False

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if step <= self._told and "loss" in values:
            return
        now = int(time.time() * 1000)
        metrics = [self._metric(_mlflow_name(name), float(value), now, step) for name, value in values.items()]
        try:
            self._client.log_batch(self._run, metrics=metrics)
        except self._error as error:  # a server that is away for a while must not end a run of days
            if not self._silent:
                say(f"trackers: mlflow did not take step {step} ({str(error).splitlines()[0][:120]}); training goes on")
            self._silent = True

    def close(self) -> None:
        try:
            self._client.set_terminated(self._run)
        except self._error as error:
            say(f"trackers: mlflow could not be closed ({str(error).splitlines()[0][:120]})")


def _mlflow_name(name: str) -> str:
    """Return a name of MLflow's alphabet; a source may be called anything."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-./ :") else "_" for letter in name)
