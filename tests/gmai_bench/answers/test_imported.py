"""Answers in the files of other programs."""

import json
from pathlib import Path

import openpyxl
import pytest
from gmai_bench.answers.imported import read_answers
from gmai_formats.errors import UserError

ANSWERS = {"validation_Pharmacy_1": "B", "validation_Pharmacy_2": "The answer, of course, is C.,]"}


def said(path: Path) -> dict[str, str]:
    return {identity: answer.response for identity, answer in read_answers(path).by_id.items()}


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


RECORDS = [{"id": i, "question_type": "multiple-choice", "answer": "A", "response": r} for i, r in ANSWERS.items()]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mmmu.json", json.dumps(ANSWERS)),
        ("mmmu-parsed.json", json.dumps(RECORDS)),
        ("nested.json", json.dumps({"model": "m", "predictions": RECORDS})),
        ("by-id.json", json.dumps({i: {"pred_response": r, "answer": "A"} for i, r in ANSWERS.items()})),
        ("ours.jsonl", "".join(json.dumps(r) + "\n" for r in RECORDS)),
        ("list.jsonl", json.dumps(RECORDS, indent=1)),
        ("llava.jsonl", "".join(json.dumps({"question_id": i, "text": r}) + "\n" for i, r in ANSWERS.items())),
        ("commas.json", "[" + "".join(json.dumps(r)[:-1] + ",},\n" for r in RECORDS) + "]"),
        ("comma-lines.jsonl", "[" + ",\n".join(json.dumps(r) for r in RECORDS) + ",]"),
        ("answers.tsv", "index\tprediction\n" + "".join(f'{i}\t"{r}"\n' for i, r in ANSWERS.items())),
        ("capitals.csv", "Index, Prediction \n" + "".join(f'{i},"{r}"\n' for i, r in ANSWERS.items())),
        ("bare-lines.jsonl", "".join(json.dumps({"question_id": i, "text": r}) + ",\n" for i, r in ANSWERS.items())),
        ("inner.jsonl", "".join(json.dumps({"question_id": i, "text": r})[:-1] + ",}\n" for i, r in ANSWERS.items())),
    ],
)
@pytest.mark.parametrize("windows", [False, True])
def test_files_of_the_field(tmp_path: Path, name: str, text: str, windows: bool) -> None:
    if windows:
        text = "\ufeff" + text.replace("\n", "\r\n")
    assert said(write(tmp_path / name, text)) == ANSWERS


def test_numbers_are_answers_and_nothing_is_an_empty_one(tmp_path: Path) -> None:
    assert said(write(tmp_path / "a.json", '{"a": 2, "b": 1.5, "c": null}')) == {"a": "2", "b": "1.5", "c": ""}


def test_a_spreadsheet_of_vlmevalkit(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [("index", "question", "A", "prediction"), (0, "Which?", "CT", "B"), (1.0, "Which?", "CT", None)]:
        sheet.append(row)
    book.save(tmp_path / "model_dataset.xlsx")
    assert said(tmp_path / "model_dataset.xlsx") == {"0": "B", "1": ""}


def test_trailing_commas_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(write(tmp_path / "a.json", '[{"id": "a", "response": "x,]",},]'))
    assert "2 trailing commas passed over" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"id": ', r"a\.json: not readable as JSON or JSON Lines"),
        ("a.json", "3", r"found a int"),
        ("a.json", '[{"id": 1, "answer": "A"}]', r"record 1: found the keys \['answer', 'id'\], none of which is what"),
        ("a.json", '[{"key": 1, "text": "A"}]', r"none of which is the question's id"),
        ("a.json", "[]", r"holds no answer"),
        ("a.json", '[{"id": 1, "text": "A"}, {"id": 1, "text": "B"}]', r'a second, different answer to "1"'),
        ("a.tsv", "index\tanswer\n1\tB\n", r"row 2: found the keys"),
        ("a.tsv", "index\tpredicton\n1\tB\n", r"row 2: found the keys .*Did you mean \"prediction\"\?"),
        ("a.tsv", "index\tprediction\n1\tB\n2", r"row 3: has another number of cells than the header \(2\)"),
        ("a.json", b"\xff\xfe1", r"a\.json: not UTF-8 text"),
        ("a.xlsx", "no zip", r"a\.xlsx: not readable as a spreadsheet"),
    ],
)
def test_files_that_are_none_are_explained(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message):
        read_answers(tmp_path / name)
