"""Metrics for people who watch: TensorBoard and Weights & Biases, on request. Numbers only, never samples or ids."""

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

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
    makers = {"tensorboard": _TensorBoard, "wandb": _WandB}
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
