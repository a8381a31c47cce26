"""The metrics file: exactly the steps that the weights have seen."""

import json
from pathlib import Path

from gmai_model.training.metrics import MetricsFile

LINES = [
    {"step": 1, "loss": 3.0},
    {"step": 2, "loss": 2.0},
    {"step": 2, "validation_loss": 2.5},
    {"step": 3, "loss": 1.0},
]


def resumed(path: Path, *, steps_done: int, at_the_end: bool) -> list[dict[str, float]]:
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES) + '{"step": 4, "lo')
    MetricsFile(path, steps_done=steps_done, at_the_end=at_the_end).close()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_steps_to_be_done_again_and_a_torn_line_are_removed(tmp_path: Path) -> None:
    assert resumed(tmp_path / "m.jsonl", steps_done=2, at_the_end=False) == LINES[:3]


def test_validation_loss_of_the_end_is_measured_once(tmp_path: Path) -> None:
    assert resumed(tmp_path / "m.jsonl", steps_done=2, at_the_end=True) == LINES[:2]
