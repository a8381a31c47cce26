"""What gmai-data asks is what gmai-bench reads, and what gmai-model makes is what gmai-bench asks."""

import hashlib
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from .conftest import run_gmai

REPORT = {
    "format", "created", "title", "model", "model_digest", "generation", "image_ablation", "ablation_seed",
    "prompt_version", "benchmarks",
}  # fmt: skip
ENTRY = {
    "name", "protocol", "n", "correct", "accuracy", "interval", "interval_method", "chance", "rules", "groups",
}  # fmt: skip


def open_held_out(build: Path):
    """Return the benchmark's card, its questions, and the images they show."""
    from gmai_bench.benchmarks.declared import DeclaredBenchmark

    images: list[bytes] = []

    def keep(image: bytes, place: str) -> str:
        del place
        images.append(image)
        return hashlib.sha256(image).hexdigest()

    benchmark = DeclaredBenchmark(build / "benchmarks" / "held_out.yaml")
    return benchmark.card, list(benchmark.questions(keep)), images


def rows(build: Path, pattern: str, *columns: str) -> list[dict]:
    tables = [pq.read_table(file, columns=list(columns)) for file in sorted(build.glob(pattern))]
    return [row for table in tables for row in table.to_pylist()]


def test_the_benchmark_is_whole_and_every_question_has_its_answer(build: Path) -> None:
    card, questions, _ = open_held_out(build)
    assert card.expected == len(questions) > 0
    for question in questions:
        assert question.reference in question.choices
        assert len(question.choices) >= 2
        assert set(question.groups) == {"modality", "department", "source"}
    assert sum(len(question.choices) > 2 for question in questions) > len(questions) / 2, (
        "two where three cannot be had"
    )


def test_no_sample_shows_an_image_that_is_asked_about(build: Path) -> None:
    _, _, asked = open_held_out(build)
    shown = {i["bytes"] for row in rows(build, "samples/*/*.parquet", "images") for i in row["images"]}
    assert shown
    assert not shown & set(asked)


def test_questions_are_put_as_the_samples_put_them(build: Path) -> None:
    prompt = yaml.safe_load((build / "benchmarks" / "held_out.yaml").read_text("utf-8"))["prompt"]
    pattern = re.escape(prompt).replace(r"\{question\}", "(?P<question>.+?)").replace(r"\{choices\}", "(?P<choices>.+)")
    taught = [
        found
        for row in rows(build, "samples/percept/train-*.parquet", "messages", "language")
        if row["language"] == "en"
        and (found := re.fullmatch(pattern, row["messages"][0]["content"].replace("<image>", "").strip(), re.DOTALL))
    ]
    assert taught, "no sample is worded like the benchmark's prompt"
    _, questions, _ = open_held_out(build)
    for question in questions:
        found = re.fullmatch(pattern, question.prompt.strip(), re.DOTALL)
        assert found is not None
        assert found["choices"].split("; ") == list(question.choices)


def test_no_group_of_a_split_stands_in_another(build: Path) -> None:
    splits: dict[tuple[str, str], set[str]] = {}
    for row in rows(build, "annotations/*.parquet", "source", "group", "split"):
        splits.setdefault((row["source"], row["group"]), set()).add(row["split"])
    assert splits
    assert all(len(found) == 1 for found in splits.values())


def test_the_right_answers_score_100_percent(build: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    _, questions, _ = open_held_out(build)
    lines = [json.dumps({"id": question.id, "response": question.reference}) for question in questions]
    answers.write_text("\n".join(lines) + "\n", "utf-8")
    card = build / "benchmarks" / "held_out.yaml"
    run_gmai("bench", "score", answers, "--benchmark", card, "--out", tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["benchmarks"][0]["accuracy"] == 1.0
    assert report["benchmarks"][0]["n"] == len(questions)


@pytest.mark.e2e
def test_a_checkpoint_of_gmai_model_answers_gmai_bench(build: Path, checkpoint: Path, tmp_path: Path) -> None:
    card = build / "benchmarks" / "held_out.yaml"
    out = tmp_path / "out"
    run_gmai(
        "bench", "--model", checkpoint, "--benchmarks", card, "--out", out, "--limit", 3, "--max-new-tokens", 4,
        "--image-ablation", "noise",
    )  # fmt: skip
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert set(report) >= REPORT
    (entry,) = report["benchmarks"]
    assert set(entry) >= ENTRY
    assert entry["n"] == 3
    assert set(entry["groups"]) == {"modality", "department", "source"}
    for group in entry["groups"]["source"].values():
        assert set(group) >= {"n", "correct", "accuracy", "interval", "chance"}
    lines = [json.loads(line) for line in (out / entry["protocol"] / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert (
            {"id", "response", "request"} <= set(line) <= {"id", "response", "request", "cut", "image_ablation", "crc"}
        )
        assert line["image_ablation"] == "noise"
