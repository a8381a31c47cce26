"""Very many questions are read from disk; the numbers, the page and the messages are those of few."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_bench.benchmarks import record, spool
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.benchmarks.question import Question
from gmai_bench.benchmarks.spool import ById, QuestionFile, held
from gmai_bench.report import browse
from gmai_bench.report.build import read_folder
from gmai_bench.run import Settings, score_file
from gmai_formats.errors import UserError


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let four questions be very many."""
    monkeypatch.setattr(spool, "IN_MEMORY", 4)
    monkeypatch.setattr(record, "IN_MEMORY", 4)


def questions(count: int) -> list[Question]:
    return [
        Question(f"q{n}", f"What\u2028{n}?", "?", (), ("CT", "MR"), "CT", "c", groups={"g": "1"}) for n in range(count)
    ]


def as_fields(question: Question) -> dict[str, Any]:
    return {"id": question.id, "text": question.text}


def parse(fields: dict[str, Any]) -> Question:
    return Question(fields["id"], fields["text"], "?", (), ("CT", "MR"), "CT", "c", groups={"g": "1"})


@pytest.mark.usefixtures("few")
def test_more_than_fit_lie_on_disk_and_are_the_same() -> None:
    assert isinstance(held(questions(4), as_fields, parse), tuple)
    found = held(iter(questions(9)), as_fields, parse)
    assert isinstance(found, QuestionFile)
    assert (len(found), list(found), found[7], list(found[2:4])) == (
        9, questions(9), questions(9)[7], questions(9)[2:4],
    )  # fmt: skip
    path = found.path
    by_id = ById(found)
    assert ("q3" in by_id, "x" in by_id, len(by_id), by_id["q8"].text) == (True, False, 9, "What\u20288?")
    assert list(by_id)[:2] == ["q0", "q1"]
    del found, by_id
    assert not path.exists()


def outcome(out: Path) -> tuple[bytes, dict[str, Any], bytes]:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    report.pop("created")
    folder = out / "held_out/option-text"
    return (folder / "scores.jsonl").read_bytes(), report, (folder / "questions.jsonl").read_bytes()


@pytest.mark.parametrize("scoring", [None, "exact", "token-f1"])
def test_the_report_is_that_of_questions_in_memory(
    inputs: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scoring: str | None
) -> None:
    rows = inputs.held_out_rows()
    more = {"scoring": scoring} if scoring else {"published_extractor": "medevalkit", "also": ["token-f1"]}
    benchmark = inputs.write_held_out(tmp_path / "b", rows, **more)
    said = {row["id"]: f"It is {row['reference']}." if n % 3 else "CT or MR" for n, row in enumerate(rows)}
    file = inputs.write_predictions(tmp_path / "p.jsonl", said)
    errata = {("", "q1-0"): "https://example.org/erratum"}
    settings = Settings(errata=errata)
    for name in ("memory", "disk"):
        score_file(file, [DeclaredBenchmark(benchmark)], tmp_path / name, settings, model="m")
        monkeypatch.setattr(spool, "IN_MEMORY", 4)
        monkeypatch.setattr(record, "IN_MEMORY", 4)
    assert outcome(tmp_path / "disk") == outcome(tmp_path / "memory")
    on_disk = read_folder(tmp_path / "disk/held_out/option-text")
    assert isinstance(on_disk.record.questions, QuestionFile)
    assert [item.question.id for item in on_disk.scored[1:3]] == ["q0-1", "q1-0"]
    assert on_disk.scored[3] == list(on_disk.scored)[3]
    pages = [(tmp_path / name / "report.html").read_text(encoding="utf-8") for name in ("memory", "disk")]
    created = [
        json.loads((tmp_path / name / "report.json").read_text("utf-8"))["created"] for name in ("memory", "disk")
    ]
    assert pages[0].replace(created[0], "") == pages[1].replace(created[1], "")


@pytest.mark.usefixtures("few")
def test_unanswered_and_unknown_questions_are_told_alike(
    inputs: SimpleNamespace, held_out: Path, tmp_path: Path
) -> None:
    said = {row["id"]: "CT" for row in inputs.held_out_rows()}
    some = inputs.write_predictions(tmp_path / "some.jsonl", dict(list(said.items())[2:9]))
    with pytest.raises(UserError, match=r'no answer to 5 of 12 questions, such as "q0-0"'):
        score_file(some, [DeclaredBenchmark(held_out)], None, Settings(), model="m")
    (found,) = score_file(some, [DeclaredBenchmark(held_out)], None, Settings(allow_partial=True), model="m")
    assert (found.result.n, found.result.unanswered) == (7, 5)
    assert [item.prediction.id for item in found.scored] == list(said)[2:9]
    other = inputs.write_predictions(tmp_path / "other.jsonl", {**said, "q99": "CT"})
    with pytest.raises(UserError, match=r'does not ask, such as "q99"'):
        score_file(other, [DeclaredBenchmark(held_out)], None, Settings(), model="m")


def test_the_page_lists_an_even_selection_and_says_so(
    inputs: SimpleNamespace, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "MOST_ROWS", 5)
    file = inputs.write_predictions(tmp_path / "p.jsonl", {row["id"]: "CT" for row in inputs.held_out_rows()})
    score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "out", Settings(), model="m")
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "5 of 12 questions, evenly chosen, are listed on this page; all of them stand in scores.jsonl" in page
