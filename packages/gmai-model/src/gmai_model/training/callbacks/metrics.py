"""What a run writes while it trains: one JSON line per step, and the same numbers to the trackers asked for."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.state import framed, read_lines, rewrite_lines

from gmai_model.batching.groups import LossGroup, by_kind, by_source
from gmai_model.training.callbacks.callback import Callback, Run, Step, Totals
from gmai_model.training.place import Place
from gmai_model.training.trackers import Tracker


class MetricsFile:
    """`metrics.jsonl`, which always holds exactly the steps that the weights have seen.

    Args:
        path: The file; lines of steps and validations that a resumed run will do again are removed.
        place: Of the weights at the start.
        trackers: Get the same numbers.
    """

    def __init__(self, path: Path, place: Place, trackers: Sequence[Tracker] = ()) -> None:
        self._trackers = trackers
        lines, damaged = read_lines(path, needs=["step"])
        if damaged:
            say(f"{path}: {damaged} damaged lines are left out")
        validated = {step for step, _ in place.validation}
        benchmarked = {step for step, _ in place.benchmark}
        kept = [line for line in lines if line["step"] <= place.steps
                and ("validation_loss" not in line or line["step"] in validated)
                and ("benchmark" not in line or line["step"] in benchmarked)]  # fmt: skip
        rewrite_lines(path, kept)
        missing = place.steps - len({line["step"] for line in kept if "learning_rate" in line})
        if missing > 0:
            say(f"{path}: {missing} of {place.steps} steps are not in it; the curves have a gap, the weights do not")
        self._file = path.open("ab")

    def write(self, values: Mapping[str, Any]) -> None:
        """Append one line and hand it to the operating system."""
        self._file.write(framed(json.dumps(dict(values)).encode()))
        self._file.flush()
        numbers: dict[str, float] = {}
        for key, value in values.items():
            if isinstance(value, Mapping):
                numbers |= {f"{key}/{name}": number for name, number in value.items()}  # pyright: ignore[reportUnknownVariableType]
            elif key != "step":
                numbers[key] = value
        for tracker in self._trackers:
            tracker.log(values["step"], numbers)

    def close(self) -> None:
        """Make the lines durable."""
        os.fsync(self._file.fileno())
        self._file.close()
        for tracker in self._trackers:
            tracker.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a finished or running `metrics.jsonl`."""
    return read_lines(path, needs=["step"])[0]


class Metrics(Callback):
    """Writes what each step and each validation has measured; rank 0 alone does.

    Args:
        open_file: Opens the file when the first step is about to be made.
    """

    def __init__(self, open_file: Callable[[], MetricsFile]) -> None:
        self._open_file = open_file
        self._file: MetricsFile | None = None

    def begin(self, run: Run) -> None:
        """Open the file."""
        self._file = self._open_file() if run.is_main else None

    def after_step(self, run: Run, step: Step) -> None:
        """Write the step's line."""
        totals = step.totals
        if self._file is not None:
            self._file.write({
                "step": step.number, **({"loss": totals.mean_loss} if totals.supervised else {}),
                "learning_rate": step.learning_rate,
                "gradient_norm": step.gradient_norm, "tokens": round(totals.tokens),
                "supervised_tokens": round(totals.supervised), "images": round(totals.images),
                "unreadable": run.place.unreadable, "seconds": round(step.seconds, 4),
                "data_wait_seconds": round(totals.waited_s / run.world, 4), **step.values,
                **_of_groups(totals, run.inputs.groups, ""),
            })  # fmt: skip

    def after_validation(self, run: Run, loss: float) -> None:
        """Write the validation's line."""
        if self._file is not None and run.validation_totals is not None:
            groups = _of_groups(run.validation_totals, run.inputs.groups, "validation_")
            self._file.write({"step": run.place.steps, "validation_loss": loss, **groups})

    def after_benchmark(self, run: Run, score: float) -> None:
        """Write the score's line."""
        if self._file is not None:
            self._file.write({"step": run.place.steps, "benchmark": score})

    def end(self, run: Run) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _of_groups(totals: Totals, groups: Sequence[LossGroup], prefix: str) -> dict[str, dict[str, float]]:
    losses = totals.mean_by_group()
    found = {f"{prefix}loss_by_source": by_source(groups, losses), f"{prefix}loss_by_kind": by_kind(groups, losses)}
    return {name: values for name, values in found.items() if len(values) > 1}
