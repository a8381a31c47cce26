"""The same numbers in TensorBoard and Weights & Biases as in metrics.jsonl."""

import json
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.training.callbacks.metrics import MetricsFile
from gmai_model.training.place import Place
from gmai_model.training.trackers import open_trackers


def test_tensorboard_shows_each_step_once_after_a_resume(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="install gmai-model[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for done, steps in ((0, (1, 2, 3)), (2, (3, 4))):
        trackers = open_trackers(["tensorboard"], tmp_path, config={"seed": 0}, steps_done=done)
        metrics = MetricsFile(tmp_path / "m.jsonl", Place(done), trackers)
        for step in steps:
            metrics.write({"step": step, "loss": float(step)})
        metrics.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    shown = [(event.step, event.value) for event in events.Scalars("loss")]
    assert shown == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert shown == [(line["step"], line["loss"]) for line in map(json.loads, (tmp_path / "m.jsonl").open())]


def test_wandb_works_offline_and_goes_on_as_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="install gmai-model[wandb]")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "wandb_id").write_text("a1b2c3d4")  # as an earlier session left it
    (tracker,) = open_trackers(["wandb"], tmp_path, config={"seed": 0}, steps_done=1)
    tracker.log(2, {"loss": 1.0})
    tracker.close()
    runs = sorted(path.name for path in (tmp_path / "wandb").glob("offline-run-*"))
    assert [name.rpartition("-")[2] for name in runs] == ["a1b2c3d4"]


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(UserError, match=r"gmai-model\[wandb\]'"):
        open_trackers(["wandb"], tmp_path, config={}, steps_done=0)
