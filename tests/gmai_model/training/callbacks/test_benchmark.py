"""The benchmark beside the steps: when it is asked, what its score does, and the real `gmai bench` once."""

import importlib.metadata
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.errors import UserError
from gmai_model.training import distributed, export
from gmai_model.training.callbacks import benchmark
from gmai_model.training.callbacks.benchmark import Benchmark, ask_bench, mean_accuracy, require_bench
from gmai_model.training.callbacks.callback import Step
from gmai_model.training.config import resolve
from gmai_model.training.place import Place

from tests.gmai_model.conftest import make_rows

CARD = """
name: colours
title: Colours
protocol: colours/option-text
questions: questions.parquet
columns: {id: id, images: images, question: question, choices: choices, reference: reference}
prompt: "{question} Options: {choices}. Answer with one of the options."
choices_style: text
license: CC0-1.0
"""
SELECT = ["benchmark=b.yaml", "benchmark_every_steps=2", "select_by=benchmark"]


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """What `gmai bench` will say, one after the other."""
    coming: list[float] = []
    monkeypatch.setattr(export, "gather_trained", lambda llava, **_: {})
    monkeypatch.setattr(export, "export", lambda source, out, trained, history: out.mkdir(parents=True))
    monkeypatch.setattr(distributed, "on_main", lambda work: work())
    monkeypatch.setattr(benchmark, "ask_bench", lambda model, out, config: coming.pop(0))
    return coming


def run_of(tmp_path: Path, place: Place, last_step: int = 10) -> Any:
    engine = SimpleNamespace(module=SimpleNamespace(llava=None))
    return SimpleNamespace(place=place, last_step=last_step, out=tmp_path, is_main=True, engine=engine,
                           doing=lambda what: None, notify=lambda call: None)  # fmt: skip


def steps(callback: Benchmark, run: Any, first: int, last: int, *, stop: bool = False) -> None:
    for number in range(first, last + 1):
        run.place.steps = number
        totals: Any = None
        callback.after_step(run, Step(number, [], 0.1, totals, 1.0, 1.0, stop=stop))


def test_every_so_many_steps_and_at_the_end(scores: list[float], tmp_path: Path) -> None:
    scores += [0.25, 0.5, 0.5]
    run = run_of(tmp_path, Place(), last_step=5)
    steps(Benchmark(resolve(3, None, SELECT), tmp_path), run, 1, 5)
    assert run.place.benchmark == [(2, 0.25), (4, 0.5), (5, 0.5)]
    assert (run.place.best("benchmark"), run.place.without_gain("benchmark")) == (4, 1)
    assert not (tmp_path / "benchmark" / "model").exists()


def test_what_a_signal_put_off_is_asked_at_the_next_start(scores: list[float], tmp_path: Path) -> None:
    scores += [0.25]
    run = run_of(tmp_path, Place())
    callback = Benchmark(resolve(3, None, SELECT), tmp_path)
    steps(callback, run, 1, 2, stop=True)
    assert run.place.benchmark == []
    callback.begin(run)
    callback.begin(run)
    assert run.place.benchmark == [(2, 0.25)]


def test_patience_ends_the_run_where_the_benchmark_selects(
    scores: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores += [0.5, 0.4, 0.5]
    run = run_of(tmp_path, Place())
    steps(Benchmark(resolve(3, None, [*SELECT, "patience=2"]), tmp_path), run, 1, 6)
    assert run.last_step == 6
    assert "has not risen in 2 measurements (patience 2); the best one was after step 2" in capsys.readouterr().err
    scores += [0.5, 0.4, 0.5]
    other = run_of(tmp_path, Place())
    by_loss = ["benchmark=b.yaml", "benchmark_every_steps=2", "patience=2", "validate_every_steps=2"]
    steps(Benchmark(resolve(3, None, by_loss), tmp_path), other, 1, 6)
    assert other.last_step == 10


def test_the_command_has_nothing_of_the_run_in_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Any] = []

    def run(command: list[str], **options: Any) -> Any:
        seen.append((command, options["env"]))
        (tmp_path / "report.json").write_text(json.dumps({"benchmarks": [{"accuracy": 0.5}, {"accuracy": 1.0}]}))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", "SLURM_PROCID"):
        monkeypatch.setenv(name, "3")
    config = resolve(3, None, ["benchmark=a.yaml,b", "benchmark_options=[--limit, '5']", "device=cpu"])
    assert ask_bench(tmp_path / "model", tmp_path, config) == 0.75
    ((command, environment),) = seen
    assert command[-4:] == ["--out", str(tmp_path), "--limit", "5"]
    assert not {"RANK", "WORLD_SIZE", "MASTER_PORT", "SLURM_PROCID"} & environment.keys()
    assert environment["CUDA_VISIBLE_DEVICES"] == ""


def test_a_failed_command_is_named_with_its_last_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = SimpleNamespace(returncode=2, stderr="asking\nb.yaml does not exist\n\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(UserError, match=r"ended with code 2: b\.yaml does not exist\nThe last checkpoint stands"):
        ask_bench(tmp_path, tmp_path, resolve(3, None, SELECT))
    for entries in ([], None, [{"accuracy": 0.5}, {"bleu": 3.0}]):
        with pytest.raises(UserError, match="has no accuracy of every benchmark"):
            mean_accuracy(entries, tmp_path)


def test_settings_that_lack_their_benchmark_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings, message in (
        (["select_by=benchmark"], "select_by=benchmark needs one"),
        (["benchmark_every_steps=2"], "go with benchmark"),
        (["benchmark=b.yaml", "select_by=benchmark", "patience=2"], "Set benchmark_every_steps, too"),
    ):
        with pytest.raises(UserError, match=message):
            resolve(3, None, settings)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: ())
    with pytest.raises(UserError, match=r"pip install .*gmai-bench"):
        require_bench()


@pytest.mark.e2e
def test_a_run_exports_the_weights_that_the_benchmark_chose(
    train: Any, checkpoint: Path, samples: Path, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.yaml"
    rows = [{"id": str(number), "question": "Which colour is it?", "choices": ["red", "blue"], "reference": "red",
             "images": row["images"]} for number, row in enumerate(make_rows(3))]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "questions.parquet")
    questions.write_text(CARD)
    settings = ("precision=fp32", "max_steps=4", "pack_tokens=256", "global_batch_size=2", "micro_batch_size=1",
                "loader_workers=0", "answers=0", "learning_rate=1e-3", f"benchmark={questions}",
                "benchmark_every_steps=2", "select_by=benchmark", "export=best", "device=cpu",
                "benchmark_options=[--max-new-tokens, '2']")  # fmt: skip
    words = ["train", "--stage=1", f"--model={checkpoint}", f"--data={samples}",
               f"--out={tmp_path / 'run'}", *(f"--set={setting}" for setting in settings)]  # fmt: skip
    done = train.run(words)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    curve = [(line["step"], line["benchmark"]) for line in lines if "benchmark" in line]
    assert [step for step, _ in curve] == [2, 4]
    stage = json.loads((tmp_path / "run" / "model" / "gmai.json").read_text())["stages"][-1]
    best = max(curve, key=lambda point: (point[1], -point[0]))
    assert (stage["steps"], stage["benchmark"]) == best
    assert stage["benchmark_curve"] == [list(point) for point in curve]
    assert "mean accuracy of the benchmark" in (tmp_path / "run" / "report.html").read_text()
