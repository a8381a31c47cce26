"""Answers in the files of other programs."""

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from gmai_bench.answers.imported import digest_of, read_answers
from gmai_bench.answers.predictions import Prediction, append_to
from gmai_formats.errors import UserError

ANSWERS = {"validation_Pharmacy_1": "B", "validation_Pharmacy_2": "The answer, of course, is C.,]"}


def said(path: Path) -> dict[str, str]:
    return {next(iter(one.ids.values())): one.prediction.response for one in read_answers(path)}


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


def test_a_single_line_is_a_record(tmp_path: Path) -> None:
    assert said(write(tmp_path / "a.jsonl", '{"question_id": "q1", "text": "B"}\n')) == {"q1": "B"}


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
        ("a.json", "[]", r"holds no answer"),
        ("a.json", '[{"id": 1, "text": ["A", "B"]}]', r"record 1: holds 2 different answers to one question"),
        ("a.pkl", "", r"a\.pkl: is a pickle, and reading one runs what is in it"),
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


def test_answers_of_lmms_eval_stand_in_lists_and_ids_in_its_metrics(tmp_path: Path) -> None:
    lines = [
        {"doc_id": 0, "input": "Which?", "target": "CT", "filtered_resps": "CT", "slake_accuracy": {"id": "11930"}},
        {"doc_id": 1, "input": "Which?", "target": "CT", "resps": [["MR"]], "filtered_resps": ["M"], "acc": 1.0},
    ]
    path = write(tmp_path / "samples.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    first, second = read_answers(path)
    assert first.ids == {"doc_id": "0", "its metrics' id": "11930"}
    assert (first.prediction.response, first.prompt, first.gold) == ("CT", "Which?", "CT")
    assert (second.ids, second.prediction.response) == ({"doc_id": "1"}, "MR")


@pytest.mark.parametrize(
    ("resps", "filtered", "response"),
    [
        (["<think>No?</think>\n\nYes"], "Yes", "Yes"),  # what lmms-eval scored: the answer without its thoughts
        ([["<think>No?</think>Yes"]], ["Yes"], "Yes"),
        (["Yes", "No"], "Yes", "Yes"),  # several samples of which the first was scored
        (["<think>b</think>Yes", "No"], "Yes", "Yes"),
        (["The answer is B."], "B", "The answer is B."),  # a filter that leaves the letter
        (["<think>No?</think>The answer is B."], "B", "<think>No?</think>The answer is B."),
        ([""], "", ""),
    ],
)
def test_the_answer_that_lmms_eval_scored_is_read_where_it_is_whole(
    tmp_path: Path, resps: Any, filtered: Any, response: str
) -> None:
    line = {"doc_id": 0, "target": "yes", "resps": resps, "filtered_resps": filtered}
    (read,) = read_answers(write(tmp_path / "samples.jsonl", json.dumps(line)))
    assert read.prediction.response == response


def test_of_several_answers_none_of_which_was_scored_none_is_taken(tmp_path: Path) -> None:
    line = {"doc_id": 0, "resps": ["A. Yes", "B. No"], "filtered_resps": "C"}
    with pytest.raises(UserError, match="holds 2 different answers to one question"):
        read_answers(write(tmp_path / "samples.jsonl", json.dumps(line)))


def test_a_folder_of_subjects_is_read_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As MedEvalKit writes MMMU: answers twice, and counts beside them."""
    for subject in ("Pharmacy", "Public_Health"):
        records = json.dumps([{"id": f"validation_{subject}_1", "response": "B", "answer": "A"}])
        (tmp_path / subject).mkdir()
        for name in ("output_sample.json", "parsed_output.json"):
            write(tmp_path / subject / name, records)
        write(tmp_path / subject / "result.json", '{"acc": 0.5, "total": 30}')
    assert said(tmp_path) == {"validation_Pharmacy_1": "B", "validation_Public_Health_1": "B"}
    assert "2 files without answers passed over (result.json)" in capsys.readouterr().err


def test_chunks_beside_the_whole_are_not_read_twice(tmp_path: Path) -> None:
    for name in ("results.json", "results_0.json", "results_1.json"):
        write(tmp_path / name, '[{"question": "?", "response": "B"}]')
    assert len(read_answers(tmp_path)) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no file of answers"):
        read_answers(tmp_path / "empty")


def test_digest_of_a_folder_changes_with_its_files(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "{}")
    before = digest_of(tmp_path)
    write(tmp_path / "a.json", "[]")
    assert digest_of(tmp_path) != before
    assert len(digest_of(tmp_path / "a.json")) == len(before) == 64


def test_our_own_lines_keep_what_else_they_say(tmp_path: Path) -> None:
    with append_to(tmp_path / "p.jsonl", whole_bytes=0, extra={"image_ablation": "noise"}) as writer:
        writer.write(Prediction("a", "B", "r", cut=True, shown=("CT", "MR")))
        writer.write(Prediction("b", "", "r", refused="filter"))
    first, second = read_answers(tmp_path / "p.jsonl")
    assert (first.prediction.cut, first.prediction.shown, second.prediction.refused) == (True, ("CT", "MR"), "filter")
