"""What a run writes while it trains: one JSON line per step, and the same numbers to the trackers asked for."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmai_formats.files import replace_atomically

from gmai_model.training.trackers import Tracker


class MetricsFile:
    """`metrics.jsonl`, which always holds exactly the steps that the weights have seen.

    Args:
        path: The file; lines of steps that a resumed run will do again are removed.
        steps_done: Steps in the weights at the start.
        at_the_end: All steps are done and the validation loss is about to be measured once more.
        trackers: Get the same numbers.
    """

    def __init__(self, path: Path, *, steps_done: int, at_the_end: bool, trackers: Sequence[Tracker] = ()) -> None:
        self._trackers = trackers
        kept: list[str] = []
        if path.is_file():
            for line in path.read_text("utf-8").splitlines():
                try:
                    values: dict[str, Any] = json.loads(line)
                except ValueError:
                    continue  # the torn last line of a killed run
                again = at_the_end and values["step"] == steps_done and "validation_loss" in values
                if values["step"] <= steps_done and not again:
                    kept.append(line + "\n")
        with replace_atomically(path) as file:
            file.write("".join(kept).encode())
        self._file = path.open("a", encoding="utf-8")

    def write(self, values: dict[str, Any]) -> None:
        """Append one line and hand it to the operating system."""
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()
        numbers = {key: value for key, value in values.items() if key != "step"}
        for tracker in self._trackers:
            tracker.log(values["step"], numbers)

    def close(self) -> None:
        """Make the lines durable."""
        os.fsync(self._file.fileno())
        self._file.close()
        for tracker in self._trackers:
            tracker.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a finished or running `metrics.jsonl`."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
