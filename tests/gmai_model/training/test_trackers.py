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


def test_mlflow_keeps_one_value_a_step_and_goes_on_as_the_same_run(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("mlflow", reason="install gmai-model[mlflow]")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for done, steps in ((0, (1, 2, 3)), (2, (3, 4))):
        (tracker,) = open_trackers(["mlflow"], tmp_path, config={"seed": 0}, steps_done=done)
        for step in steps:
            tracker.log(step, {"loss": float(step), "loss_by_source/肝 (CT)": 1.0})
        tracker.close()
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(tmp_path / "mlflow").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("gmai").experiment_id])
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")] == [
        (1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0),
    ]  # fmt: skip
    assert run.data.params["seed"] == "0"
    assert run.info.status == "FINISHED"
    assert [name for name in run.data.metrics if name.startswith("loss_by_source")] == ["loss_by_source/_ _CT_"]


def test_an_mlflow_server_that_is_away_is_named(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("mlflow", reason="install gmai-model[mlflow]")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match="mlflow did not begin"):
        open_trackers(["mlflow"], tmp_path, config={}, steps_done=0)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(UserError, match=r"gmai-model\[wandb\]'"):
        open_trackers(["wandb"], tmp_path, config={}, steps_done=0)
