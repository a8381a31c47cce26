import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from gmai_bench.backends.asks import Answer, Ask, OpenImage
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.report.build import read_folder, rebuild
from gmai_bench.run import Settings, score_file
from gmai_bench.tools.agreement import agreements
from gmai_bench.tools.rubric import PROMPT, PROMPT_NAME, has_rubric, judge_rubrics, met_by, read_prompt
from gmai_formats.errors import UserError

YAML = """
name: health
title: Health
protocol: health/rubric
questions: q.jsonl
columns: {id: id, messages: talk, question: null, rubric: rubric, images: null}
scoring: rubric
tags: {theme: tags}
"""
RUBRIC = [
    {"criterion": "says rest", "points": 5, "tags": ["axis:a"]},
    {"criterion": "says water", "points": 5, "tags": ["axis:b"]},
    {"criterion": "says panic", "points": -10, "tags": ["axis:a"]},
]
ANSWERS = {"q0": "rest and water", "q1": "rest", "q2": "panic", "q3": ""}


class Judge:
    """Says that a criterion is met where its last word stands in the answer; `replies` come first."""

    name, digest, cacheable = "judge-1", "judge-1@1", False
    generation: Mapping[str, Any] = {"temperature": 0}

    def __init__(self, *replies: str) -> None:
        self.asked: list[str] = []
        self._replies = list(replies)

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        for ask in asks:
            self.asked.append(ask.prompt)
            said = ask.prompt.partition("assistant: ")[2].partition("\n\nCriterion")[0]
            word = ask.prompt.partition("] says ")[2].split()[0]
            verdict = f'```json\n{{"explanation": "x {{y}}", "criteria_met": {json.dumps(word in said)}}}\n```'
            yield Answer(ask.id, self._replies.pop(0) if self._replies else verdict, cut=False)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    rows = [
        {"id": i, "talk": [{"role": "user", "content": f"Help {i}"}], "rubric": RUBRIC, "tags": [f"theme:{i[1]}"]}
        for i in ANSWERS
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "health.yaml").write_text(YAML, encoding="utf-8")
    said = "".join(json.dumps({"id": i, "response": text}) + "\n" for i, text in ANSWERS.items())
    (tmp_path / "p.jsonl").write_text(said, encoding="utf-8")
    benchmark = DeclaredBenchmark(tmp_path / "health.yaml")
    score_file(tmp_path / "p.jsonl", [benchmark], tmp_path / "out", Settings(), model="m")
    return tmp_path / "out"


def judge(out: Path, judge: Judge, prompt: tuple[str, str] = (PROMPT_NAME, PROMPT)) -> int:
    folder = out / "health/rubric"
    return judge_rubrics(folder, read_folder(folder), judge, prompt, out)


def test_the_number_stands_once_the_judge_has_read_everything(out: Path) -> None:
    folder = out / "health/rubric"
    before = read_folder(folder)
    assert has_rubric(before)
    assert (before.result.n, before.result.accuracy, before.result.partial) == (0, 0.0, True)
    assert "–" in (out / "report.md").read_text(encoding="utf-8")
    assert judge(out, Judge()) == 12
    (found,) = rebuild(out)
    # 10/10, 5/10, -10/10 and 0/10, whose mean is not cut answer by answer
    assert (found.result.n, found.result.accuracy) == (4, pytest.approx((1 + 0.5 - 1 + 0) / 4))
    assert found.result.metric == "of the rubric's points"
    assert found.result.extractor == "rubric/1, judged by judge-1 with gmai-rubric/1"
    assert {name: m.mean for name, m in found.result.measures.items()} == {
        "axis:a": pytest.approx(0.0), "axis:b": pytest.approx(0.25),
    }  # fmt: skip
    assert found.result.groups["theme"]["2"].accuracy == 0.0
    assert (found.result.partial, found.result.notices) == (False, [])
    assert found.scored[1].verdict.answer == "met: [5] says rest\nnot met: [5] says water\nnot met: [-10] says panic"


def test_nothing_is_asked_twice_and_another_prompt_anew(out: Path, tmp_path: Path) -> None:
    judge(out, Judge())
    again = Judge()
    assert judge(out, again) == 0
    file = tmp_path / "grader.txt"
    file.write_text("assistant: <<conversation>>\n\nCriterion <<rubric_item>> ?", encoding="utf-8")
    name, text = read_prompt(file)
    assert judge(out, again, (name, text)) == 12
    assert rebuild(out)[0].result.extractor.endswith("judged by judge-1 with grader.txt")
    assert again.asked[0] == "assistant: user: Help q0\n\nassistant: rest and water\n\nCriterion [5] says rest ?"


def test_replies_that_are_none_are_asked_again_and_end_the_run_at_last(out: Path) -> None:
    assert judge(out, Judge("perhaps", '{"criteria_met": "yes"}', "")) == 15
    folder = out / "health/rubric"
    (folder / "rubric.jsonl").unlink()
    with pytest.raises(UserError, match=r"judge-1 gave no readable verdict on 12 of 12 criteria, in 3 tries each"):
        judge(out, Judge(*["no idea"] * 36))
    assert met_by(folder, read_folder(folder)) == {}


def test_an_answer_that_changed_waits_again(out: Path) -> None:
    judge(out, Judge())
    path = out / "health/rubric/predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines[0] = {"id": "q0", "response": "another"}
    path.write_text("".join(json.dumps({k: v for k, v in x.items() if k != "crc"}) + "\n" for x in lines), "utf-8")
    (found,) = rebuild(out)
    assert (found.result.n, found.result.partial) == (3, True)
    assert "1 answers wait for a judge" in found.result.notices[0]


def test_a_readers_labels_are_held_to_the_judge_criterion_by_criterion(out: Path, tmp_path: Path) -> None:
    judge(out, Judge())
    notes = tmp_path / "notes.jsonl"
    labels = [("q0", 1, "right"), ("q0", 3, "wrong"), ("q1", 2, "right"), ("q2", 3, "right")]
    rows = [{"protocol": "health/rubric", "id": i, "criterion": n, "label": label} for i, n, label in labels]
    notes.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (found,) = agreements(out, [notes])
    assert (found.first, found.n, found.agreed) == ("the judge", 4, 3)
    assert found.differing == (("health/rubric", "q1 criterion 2"),)


def test_a_prompt_without_its_two_places_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "grader.txt"
    file.write_text("Judge <<conversation>>", encoding="utf-8")
    with pytest.raises(UserError, match=r"has no <<rubric_item>>\. The conversation and one criterion stand there"):
        read_prompt(file)
    with pytest.raises(UserError, match=r"none\.txt: cannot be read"):
        read_prompt(tmp_path / "none.txt")
