import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_bench.backends.asks import Answer, Ask, OpenImage
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.report.build import read_folder, rebuild
from gmai_bench.run import Settings, score_file
from gmai_bench.tools.agreement import agreements
from gmai_bench.tools.equality import FILE
from gmai_bench.tools.judge import judge_folder
from gmai_formats.errors import UserError

SAID = {"a": "the hepatic organ", "b": "the lung", "c": "Yes, it is.", "d": "<think>hm</think>liver"}


class Judge:
    """Knows one synonym."""

    digest, cacheable = "j1", False
    generation: Mapping[str, Any] = {}

    def __init__(self, name: str = "gpt", said: str = "") -> None:
        self.name, self._said = name, said
        self.asked: list[str] = []

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        for ask in asks:
            self.asked.append(ask.id)
            answer = json.loads(ask.prompt.partition("Answer: ")[2].partition("\n")[0])
            right = "hepatic" in answer or answer == "liver"
            yield Answer(ask.id, self._said or ("<think>hm</think>Right." if right else "wrong"), cut=False)


@pytest.fixture
def out(inputs: SimpleNamespace, tmp_path: Path) -> Path:
    rows = [
        {**row, "id": i, "question": "Which? {answer}", "choices": [], "reference": "yes" if i == "c" else "liver"}
        for i, row in zip(SAID, inputs.held_out_rows(), strict=False)
    ]
    path = inputs.write_held_out(
        tmp_path / "b", rows, scoring="medevalkit-open", prompt="{question}", protocol="own/open"
    )
    score_file(
        inputs.write_predictions(tmp_path / "a.jsonl", SAID), [DeclaredBenchmark(path)], tmp_path / "out", Settings(),
        model="m",
    )  # fmt: skip
    return tmp_path / "out"


def test_open_answers_are_judged_and_yes_and_no_keep_the_rules(out: Path, tmp_path: Path) -> None:
    judge = Judge()
    assert judge_folder(out, judge) == {"own/open": {}}
    assert judge.asked == ["a", "b", "d"]
    (benchmark,) = rebuild(out)
    assert benchmark.result.accuracy == 0.25  # yes, by substring; the rules know no synonym
    judged = benchmark.result.measures["judged by gpt"]
    assert (judged.mean, judged.n) == (0.75, 4)
    judge_folder(out, judge)
    assert len(judge.asked) == 3  # nothing is judged twice
    judge_folder(out, Judge("other"))
    assert "judged by other" in rebuild(out)[0].result.measures
    notes = tmp_path / "n.jsonl"
    notes.write_text('{"protocol": "own/open", "id": "b", "label": "wrong"}\n', encoding="utf-8")
    assert [(a.first, a.second) for a in agreements(out, [notes])] == [
        ("the rules", "the judge"), ("the rules", "n.jsonl"), ("the judge", "n.jsonl"),
    ]  # fmt: skip


def test_an_answer_that_changed_is_not_counted_as_judged(out: Path) -> None:
    judge_folder(out, Judge())
    folder = out / "own/open"
    path = folder / "predictions.jsonl"
    said = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [{"id": one["id"], "response": one["response"].replace("lung", "spleen")} for one in said]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    assert not any(name.startswith("judged") for name in read_folder(folder).result.measures)
    judge = Judge()
    judge_folder(out, judge)
    assert judge.asked == ["b"]


def test_a_judge_that_says_something_else_is_refused_and_a_broken_file_is_explained(out: Path) -> None:
    with pytest.raises(UserError, match=r"the judge gpt said 'maybe' about \"a\", neither right nor wrong"):
        judge_folder(out, Judge(said="maybe"))
    (out / "own/open" / FILE).write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"judged\.jsonl: not readable"):
        read_folder(out / "own/open")
