import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_bench.backends.asks import Answer, Ask, OpenImage
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, ask_and_report, score_file
from gmai_bench.scoring.statistics import wilson
from gmai_bench.tools.judge import judge_folder
from gmai_formats.errors import UserError


class Judge:
    """Reads every answer as one letter, or as what a table says of its response."""

    name, digest, cacheable = "judge", "j1", False
    generation: Mapping[str, Any] = {}

    def __init__(self, readings: Mapping[str, str]) -> None:
        self.prompts: list[str] = []
        self._readings = readings

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        for ask in asks:
            self.prompts.append(ask.prompt)
            assert ask.images == ()
            yield Answer(ask.id, self._readings[json.loads(ask.prompt.rpartition("Answer: ")[2])], cut=False)


@pytest.fixture
def out(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> Path:
    said = ["CT", "MR", "hard to say {options}"]  # of references CT, CT, MR, MR, X-ray, X-ray, …
    answers = {row["id"]: said[i % 3] for i, row in enumerate(inputs.held_out_rows())}
    file = inputs.write_predictions(tmp_path / "a.jsonl", answers)
    score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "out", Settings(), model="m")
    return tmp_path / "out"


def test_a_judge_is_held_beside_the_rules(out: Path) -> None:
    judge = Judge({"CT": "A", "MR": "A\nbecause", "hard to say {options}": "NONE"})
    found = judge_folder(out, judge)["held_out/option-text"]
    right = sum(  # the judge chose the first option, CT, for two answers of three
        row["reference"] == "CT" and row["response"] != "hard to say {options}" for row in rows(out)
    )
    assert found == {
        "judge": "judge", "judge_digest": "j1", "n": 12, "correct": right, "accuracy": right / 12,
        "interval": wilson(right, 12), "accuracy_of_the_rules": found["accuracy_of_the_rules"], "both_read": 8,
        "agreement": 0.5, "read_by_the_judge_only": 0, "read_by_neither": 4,
    }  # fmt: skip
    assert json.loads((out / "held_out/option-text/judge.json").read_text(encoding="utf-8"))["agreement"] == 0.5


def rows(out: Path) -> list[dict[str, Any]]:
    folder = out / "held_out/option-text"
    lines = {
        name: (folder / name).read_text(encoding="utf-8").splitlines()
        for name in ("questions.jsonl", "predictions.jsonl")
    }
    questions = {q["id"]: q for q in map(json.loads, lines["questions.jsonl"])}
    return [questions[p["id"]] | p for p in map(json.loads, lines["predictions.jsonl"])]


def test_each_answer_is_read_once(out: Path) -> None:
    readings = {"CT": "A", "MR": "B", "hard to say {options}": "c"}
    first = Judge(readings)
    found = judge_folder(out, first)
    assert len(first.prompts) == 6  # two questions with three options, three answers
    assert (found["held_out/option-text"]["read_by_the_judge_only"], found["held_out/option-text"]["agreement"]) == (
        4,
        1,
    )
    second = Judge(readings)
    assert judge_folder(out, second) == found
    assert second.prompts == []


def test_the_prompt_lists_the_options_and_quotes_the_answer(out: Path) -> None:
    judge = Judge({"CT": "A", "MR": "B", "hard to say {options}": "C"})
    judge_folder(out, judge)
    prompt = next(text for text in judge.prompts if "hard to say" in text)
    assert "Options:\nA. CT\nB. MR\nC. X-ray\nAnswer: " in prompt
    assert prompt.endswith('Answer: "hard to say {options}"')


def test_a_folder_of_yes_and_no_has_nothing_to_judge(inputs: SimpleNamespace, tmp_path: Path) -> None:
    held = inputs.held_out_rows()
    for row in held:
        row["choices"], row["reference"] = [], "yes"
    path = inputs.write_held_out(tmp_path / "b", held)
    file = inputs.write_predictions(tmp_path / "a.jsonl", {row["id"]: "CT" for row in held})
    score_file(file, [DeclaredBenchmark(path)], tmp_path / "out", Settings(), model="m")
    with pytest.raises(UserError, match=r"no benchmark with known answers that a judge would read"):
        judge_folder(tmp_path / "out", Judge({}))


def test_a_variant_is_not_judged_answer_by_answer(
    out: Path, held_out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class First:
        name, digest, cacheable = "m", "d", False
        generation: Mapping[str, Any] = {}

        def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
            yield from (Answer(ask.id, "CT", cut=False) for ask in asks)

    other = out.parent / "circular"
    ask_and_report([DeclaredBenchmark(held_out)], First(), other, Settings(option_order="circular"))
    with pytest.raises(UserError, match=r"no benchmark with known answers that a judge would read"):
        judge_folder(other, Judge({}))
    assert "option-text+circular: several answers make one verdict" in capsys.readouterr().err
