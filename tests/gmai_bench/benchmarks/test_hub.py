"""Benchmarks from a Hub: `tests/servers/hub.py` answers the real client, in processes of their own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

OWNER = "hf_owner00000000"
FILE = "data/test-00000-of-00001.parquet"
Gmai = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def vqa_rad(inputs: SimpleNamespace) -> Callable[[str], dict[str, bytes]]:
    """Return the files of a VQA-RAD of three questions; the first one reads as asked for."""

    def files(first: str) -> dict[str, bytes]:
        schema = pa.schema([("image", inputs.image_type), ("question", pa.string()), ("answer", pa.string())])
        rows = [
            {"image": {"bytes": inputs.draw(i), "path": None}, "question": (first, "b?", "c?")[i], "answer": "yes"}
            for i in range(3)
        ]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
        return {FILE: buffer.getvalue(), "train.txt": b"not needed"}

    return files


@pytest.fixture
def gmai_bench(hub_server: Any, tmp_path: Path) -> Gmai:
    def run(*words: object, token: str | None = OWNER) -> "subprocess.CompletedProcess[str]":
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment |= hub_server.environment(tmp_path / "hf", token=token)
        command = [Path(sys.executable).with_name("gmai"), "bench", *map(str, words)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        assert OWNER not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def score(gmai_bench: Gmai, answers: Path, out: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    words = ("score", answers, "--benchmark", "vqa-rad", "--allow-partial", "--out", out)
    return gmai_bench(*words, *more)


def test_a_benchmark_keeps_the_commit_it_was_first_read_at(
    gmai_bench: Gmai,
    hub_server: Any,
    vqa_rad: Callable[[str], dict[str, bytes]],
    inputs: SimpleNamespace,
    tmp_path: Path,
) -> None:
    repository = hub_server.create("dataset", "flaviagiammarino/vqa-rad", vqa_rad("a?"))
    first = repository.head.id
    answers = inputs.write_predictions(tmp_path / "a.jsonl", {f"test-{i:04d}": "yes" for i in range(3)})
    done = score(gmai_bench, answers, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert f"vqa-rad: pinned flaviagiammarino/vqa-rad at {first}" in done.stderr
    kept = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))["inputs"]["vqa-rad/exact-451"]
    assert (kept["revision"], kept["questions"], kept["expected"]) == (first, 3, 451)
    assert not any("train.txt" in path for _, path, _ in hub_server.requests if "resolve" in path)

    repository.commit("another first question", {**repository.head.files, **_stored(hub_server, vqa_rad("other?"))})
    second = repository.head.id
    assert score(gmai_bench, answers, tmp_path / "out").returncode == 0  # the Hub has moved on, this machine has not
    refused = score(gmai_bench, answers, tmp_path / "out", "--revision", "vqa-rad=main")
    assert refused.returncode == 2
    assert f"pinned flaviagiammarino/vqa-rad at {second} (it was {first})" in refused.stderr
    assert f"at {first}, and now they would be read at {second}. A number must not change" in refused.stderr
    assert score(gmai_bench, answers, tmp_path / "new").returncode == 0
    assert "other?" in (tmp_path / "new/vqa-rad/exact-451/questions.jsonl").read_text(encoding="utf-8")
    assert score(gmai_bench, answers, tmp_path / "out", "--revision", f"vqa-rad={first}").returncode == 0


def _stored(hub_server: Any, files: dict[str, bytes]) -> dict[str, Any]:
    made = hub_server.create("dataset", "me/other", files).head.files
    return {FILE: made[FILE]}


def test_refusals_of_the_hub_name_the_way_without_it(
    gmai_bench: Gmai,
    hub_server: Any,
    vqa_rad: Callable[[str], dict[str, bytes]],
    inputs: SimpleNamespace,
    tmp_path: Path,
) -> None:
    answers = inputs.write_predictions(tmp_path / "a.jsonl", {"test-0000": "yes"})
    unknown = score(gmai_bench, answers, tmp_path / "out")
    assert unknown.returncode == 2
    assert "vqa-rad: the Hub knows no dataset flaviagiammarino/vqa-rad" in unknown.stderr
    assert "hf download flaviagiammarino/vqa-rad --repo-type dataset --include 'data/test-*'" in unknown.stderr
    hub_server.create("dataset", "flaviagiammarino/vqa-rad", vqa_rad("a?"))
    none = score(gmai_bench, answers, tmp_path / "out", "--revision", "vqa-rad=v9")
    assert "has no such revision" in none.stderr
    for words, message in (
        (["--revision", "vqa-rd=main"], '--revision "vqa-rd=main": give NAME=REVISION'),
        (["--revision", "vqa-rad=main", "--data-root", "."], "--revision: chooses what is downloaded"),
        (["--expect", "vqa-rad=7"], None),
        (["--expect", "vqa-rad/exact-451"], '--expect "vqa-rad/exact-451": give PROTOCOL=N'),
        (["--expect", "vqa-rad/exact-451=7"], "the count of vqa-rad/exact-451 is 451 (counted in the OSF file"),
    ):
        refused = score(gmai_bench, answers, tmp_path / "out", *words)
        if message:
            assert refused.returncode == 2
            assert message in refused.stderr
            assert len(refused.stderr.strip().splitlines()[-1:]) == 1


def test_a_broken_list_of_pins_is_named(gmai_bench: Gmai, inputs: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/hub-revisions.json").write_text("{", encoding="utf-8")
    answers = inputs.write_predictions(tmp_path / "a.jsonl", {"test-0000": "yes"})
    refused = score(gmai_bench, answers, tmp_path / "out")
    assert "hub-revisions.json: cannot be used" in refused.stderr
    assert "Repair or remove it" in refused.stderr
