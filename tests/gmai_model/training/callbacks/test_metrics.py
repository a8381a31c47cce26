"""The metrics file: exactly the steps and validations that the weights have seen."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gmai_model.batching.groups import groups_of
from gmai_model.training.callbacks.callback import Step, Totals
from gmai_model.training.callbacks.metrics import Metrics, MetricsFile, read_metrics
from gmai_model.training.place import Place

LINES = [
    {"step": 1, "loss": 3.0, "learning_rate": 0.1},
    {"step": 2, "loss": 2.0, "learning_rate": 0.1},
    {"step": 2, "validation_loss": 2.5},
    {"step": 3, "loss": 1.0, "learning_rate": 0.1},
]


def resumed(path: Path, place: Place, *, torn: bytes = b'{"step": 4, "lo') -> list[dict[str, float]]:
    path.write_bytes("".join(json.dumps(line) + "\n" for line in LINES).encode() + torn)
    MetricsFile(path, place).close()
    lines = map(json.loads, path.read_text().splitlines())
    return [{key: value for key, value in line.items() if key != "crc"} for line in lines]


@pytest.mark.parametrize("torn", [b'{"step": 4, "lo', bytes(64), b"\xff", b'{"loss": 1}', b""])
def test_steps_to_be_done_again_and_damaged_lines_are_removed(tmp_path: Path, torn: bytes) -> None:
    assert resumed(tmp_path / "m.jsonl", Place(2, 0, [(2, 2.5)]), torn=torn) == LINES[:3]


def test_a_validation_that_the_checkpoint_does_not_know_is_measured_again(tmp_path: Path) -> None:
    assert resumed(tmp_path / "m.jsonl", Place(2)) == LINES[:2]


def test_damaged_lines_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resumed(tmp_path / "m.jsonl", Place(3, 0, [(2, 2.5)]), torn=b"\0\0\n{")
    assert f"{tmp_path / 'm.jsonl'}: 2 damaged lines are left out" in capsys.readouterr().err


def test_steps_that_are_gone_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MetricsFile(tmp_path / "none.jsonl", Place()).close()
    resumed(tmp_path / "whole.jsonl", Place(3, 0, [(2, 2.5)]), torn=b"")
    assert capsys.readouterr().err == ""
    resumed(tmp_path / "m.jsonl", Place(5, 0, [(2, 2.5)]), torn=b"")
    assert f"{tmp_path / 'm.jsonl'}: 2 of 5 steps are not in it" in capsys.readouterr().err


class Tracker:
    def __init__(self) -> None:
        self.seen: list[tuple[int, dict[str, float]]] = []

    def log(self, step: int, values: Any) -> None:
        self.seen.append((step, dict(values)))

    def close(self) -> None:
        pass


def totals(*of_groups: tuple[float, int]) -> Totals:
    made = Totals(len(of_groups), torch.device("cpu"))
    made.loss, made.supervised = sum(loss for loss, _ in of_groups), sum(count for _, count in of_groups)
    made.by_group = torch.tensor(of_groups, dtype=torch.float64).T
    return made


def test_a_step_has_the_loss_of_each_source_and_kind(tmp_path: Path) -> None:
    groups, tracker = groups_of(["ct", "xray"]), Tracker()
    of_groups = [(0.0, 0)] * len(groups)
    of_groups[0], of_groups[1], of_groups[8] = (4.0, 2), (3.0, 1), (5.0, 1)
    run: Any = SimpleNamespace(
        is_main=True, world=2, place=Place(1), inputs=SimpleNamespace(groups=groups),
        validation_totals=totals(*of_groups),
    )  # fmt: skip
    metrics = Metrics(lambda: MetricsFile(tmp_path / "m.jsonl", Place(), [tracker]))
    metrics.begin(run)
    step = Step(1, [np.arange(3)], 0.5, totals(*of_groups), 1.25, 2.0, stop=False, values={"fill": 0.5})
    metrics.after_step(run, step)
    metrics.after_validation(run, 3.0)
    metrics.end(run)
    first, second = read_metrics(tmp_path / "m.jsonl")
    assert (first["step"], first["loss"], first["learning_rate"], first["gradient_norm"]) == (1, 3.0, 0.5, 1.25)
    assert first["fill"] == 0.5
    assert first["loss_by_source"] == {"ct": round(7 / 3, 6), "xray": 5.0}
    assert first["loss_by_kind"] == {"other": 2.0, "image_caption": 4.0}
    assert second["validation_loss_by_source"] == first["loss_by_source"]
    assert tracker.seen[0][1]["loss_by_source/xray"] == 5.0
    assert "step" not in tracker.seen[0][1]


def test_one_source_of_one_kind_needs_no_losses_of_its_own(tmp_path: Path) -> None:
    groups = groups_of(["ct"])
    run: Any = SimpleNamespace(is_main=True, world=1, place=Place(1), inputs=SimpleNamespace(groups=groups))
    metrics = Metrics(lambda: MetricsFile(tmp_path / "m.jsonl", Place()))
    metrics.begin(run)
    sums = totals((4.0, 2), *[(0.0, 0)] * (len(groups) - 1))
    metrics.after_step(run, Step(1, [], 0.5, sums, 1.0, 2.0, stop=False))
    (line,) = read_metrics(tmp_path / "m.jsonl")
    assert line["loss"] == 2.0
    assert not [name for name in line if "_by_" in name]


def test_a_step_without_a_target_has_no_loss_and_is_no_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = groups_of(["ct"])
    run: Any = SimpleNamespace(is_main=True, world=1, place=Place(1), inputs=SimpleNamespace(groups=groups))
    metrics = Metrics(lambda: MetricsFile(tmp_path / "m.jsonl", Place()))
    metrics.begin(run)
    metrics.after_step(run, Step(1, [], 0.5, totals(*[(0.0, 0)] * len(groups)), 0.0, 2.0, stop=False))
    metrics.end(run)
    (line,) = read_metrics(tmp_path / "m.jsonl")
    assert "loss" not in line
    MetricsFile(tmp_path / "m.jsonl", Place(1)).close()
    assert capsys.readouterr().err == ""


def test_other_ranks_write_nothing(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(is_main=False, world=2, place=Place(1), inputs=SimpleNamespace(groups=[]))

    def fail() -> MetricsFile:
        raise AssertionError

    metrics = Metrics(fail)
    metrics.begin(run)
    metrics.after_step(run, Step(1, [], 0.5, totals((1.0, 1)), 1.0, 1.0, stop=False))
    metrics.end(run)
