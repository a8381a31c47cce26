from pathlib import Path
from typing import Any

import openpyxl
import pytest
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.benchmarks.record import Coverage, Record
from gmai_bench.scoring.results import score_benchmark
from gmai_bench.tools.submission import write_submission


def written(path: Path, answers: dict[str, str], *choices: tuple[str, ...]) -> Any:
    ids = list(answers)
    questions = tuple(
        Question(name, f"={name}?", "?", (), options, "", name, groups={"clinical_task": "-1"})
        for name, options in zip(ids, choices, strict=True)
    )
    card = Card("s", "S", "s/test", 1, "option-letter", len(ids), ("clinical_task",), "here", "MIT", hidden=True)
    kept = Kept({name: Prediction(name, text, "") for name, text in answers.items()}, 0, 0)
    write_submission(score_benchmark(Record(card, Coverage(len(ids), len(ids), None), questions), kept), path)
    return openpyxl.load_workbook(path).active


def test_each_answered_question_is_a_row_in_the_order_of_the_benchmark(tmp_path: Path) -> None:
    sheet = written(tmp_path / "s.xlsx", {"7": "B", "x1": "The answer is A."}, ("CT", "MR"), ("CT", "MR", "US"))
    assert list(sheet.values) == [
        ("index", "question", "A", "B", "C", "clinical task", "prediction"),
        (7, "=7?", "CT", "MR", None, "-1", "B"),
        ("x1", "=x1?", "CT", "MR", "US", "-1", "The answer is A."),
    ]


@pytest.mark.parametrize("answer", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_what_begins_like_a_formula_stays_text(tmp_path: Path, answer: str) -> None:
    sheet = written(tmp_path / "s.xlsx", {"1": answer}, ("CT", "MR"))
    cell = sheet["F2"]
    assert (cell.value, cell.data_type, bool(cell.quotePrefix)) == (answer, "s", True)
    assert not sheet["C2"].quotePrefix


def test_control_characters_are_left_out(tmp_path: Path) -> None:
    assert written(tmp_path / "s.xlsx", {"1": "a\x00b\x1bc\nd"}, ("CT", "MR"))["F2"].value == "abc\nd"


def test_answers_longer_than_a_cell_are_cut_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = written(tmp_path / "s.xlsx", {"1": "x" * 32767, "2": "y" * 32768}, ("CT", "MR"), ("CT", "MR"))
    assert [len(sheet[f"F{row}"].value) for row in (2, 3)] == [32767, 32767]
    assert "1 answers end at 32767 characters, where a cell is full" in capsys.readouterr().err
