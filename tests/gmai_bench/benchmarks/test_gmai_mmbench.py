"""GMAI-MMBench's tables, drawn in code."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError

FOUR = ("CT", "MR", "X-ray", "US")


def test_gmai_mmbench_val(tmp_path: Path, load: Any, write_tsv: Callable[..., Path]) -> None:
    write_tsv(tmp_path / "gmai-mmbench/GMAI-MMBench_VAL.tsv", 4550, answers=True)
    read = load("gmai-mmbench", tmp_path)
    assert len(read.questions) == 4550
    assert len({image for q in read.questions for image in q.images}) == 8
    assert read.questions[1].choices == FOUR
    assert read.questions[0].reference == "MR"
    assert {q.groups["clinical_vqa_task"] for q in read.questions} == {"Disease Diagnosis", "Severity Grading"}
    assert read.questions[1].prompt == (
        'Question: Which, "1"?\nLook.\nOptions:\nA. CT\nB. MR\nC. X-ray\nD. US\n'
        "Please select the correct answer from the options above. \n"
    )


def test_gmai_mmbench_test_reads_its_parts_in_order_without_answers(
    tmp_path: Path, load: Any, pictures: list[bytes], write_tsv: Callable[..., Path]
) -> None:
    for part in (1, 2, 10):
        write_tsv(tmp_path / f"gmai-mmbench/GMAI_mm_bench_TEST_part_{part}.tsv", 10, answers=False)
    with pytest.raises(UserError, match=r'the id "0" occurs twice'):
        load("gmai-mmbench/test", tmp_path, allow_partial=True)
    for part in (1, 2, 10):
        write_tsv(tmp_path / f"gmai-mmbench/GMAI_mm_bench_TEST_part_{part}.tsv", 10, answers=False, first=10 * part)
    read = load("gmai-mmbench/test", tmp_path, allow_partial=True)
    assert [q.id for q in read.questions] == [str(i) for i in (*range(10, 30), *range(100, 110))]
    assert {q.reference for q in read.questions} == {""}


@pytest.mark.parametrize("name", ["GMAI_mm_bench_VAL.tsv", "GMAI-MMBench_VAL.tsv"])
def test_a_count_that_was_never_seen_can_be_given_and_says_so(
    tmp_path: Path, name: str, load: Any, write_tsv: Callable[..., Path]
) -> None:
    write_tsv(tmp_path / name, 20, answers=True)
    with pytest.raises(UserError, match=r"found 20 .* due 4550.*not verified .*--expect gmai-mmbench/val=N"):
        load("gmai-mmbench", tmp_path)
    given = load("gmai-mmbench", tmp_path, expect={"gmai-mmbench/val": 20})
    assert (given.coverage.expected, given.coverage.partial, given.card.count_verified) == (20, False, False)
    assert given.card.count_source == "given with --expect; shipped with the package is 4550, not verified"


def test_a_truncated_tsv_is_named(tmp_path: Path, load: Any, write_tsv: Callable[..., Path]) -> None:
    file = write_tsv(tmp_path / "GMAI-MMBench_VAL.tsv", 20, answers=True)
    file.write_bytes(file.read_bytes()[:-25])
    with pytest.raises(UserError, match=r"VAL\.tsv: not readable as a tab-separated table .*a file that was cut off"):
        load("gmai-mmbench", tmp_path, allow_partial=True)
    file.write_text(file.read_text(encoding="utf-8").replace("question", "qestion", 1), encoding="utf-8")
    with pytest.raises(UserError, match=r'no column "question"\. Did you mean "qestion"'):
        load("gmai-mmbench", tmp_path, allow_partial=True)


def write_rows(path: Path, *rows: tuple[str, ...]) -> None:
    columns = ["index", "image", "question", *"ABCDE", "answer"]
    path.write_text("".join("\t".join(row) + "\n" for row in (columns, *rows)), encoding="utf-8")


def test_an_empty_option_keeps_its_letter_and_is_not_shown(tmp_path: Path, load: Any, pictures: list[bytes]) -> None:
    image = base64.b64encode(pictures[0]).decode()
    write_rows(tmp_path / "GMAI_mm_bench_VAL.tsv", ("7", image, "Which?", "CT", "", "MR", "", "", "C"))
    (question,) = load("gmai-mmbench", tmp_path, allow_partial=True).questions
    assert (question.choices, question.reference) == (("CT", "", "MR"), "MR")
    assert "\nA. CT\nC. MR\nPlease" in question.prompt
    assert set(question.groups.values()) == {"(none)"}


@pytest.mark.parametrize(
    ("image", "answer", "message"),
    [
        ("3", "A", r'row 1: the image "3" is neither base64 nor the index of an earlier row'),
        ("x" * 64, "A", r'row 1: the image "x+" is neither base64 nor'),
        ("x" * 65, "A", r"row 1: the image is not whole base64"),
        ("", "F", r'row 1: the answer "F" is no letter of the options'),
    ],
)
def test_a_damaged_row_is_named(
    image: str, answer: str, message: str, tmp_path: Path, load: Any, pictures: list[bytes]
) -> None:
    cell = image or base64.b64encode(pictures[0]).decode()
    write_rows(tmp_path / "GMAI_mm_bench_VAL.tsv", ("0", cell, "Which?", "CT", "MR", "", "", "", answer))
    with pytest.raises(UserError, match=message):
        load("gmai-mmbench", tmp_path, allow_partial=True)


@pytest.mark.parametrize(("protocol", "name"), [("val", "VAL"), ("test", r"TEST_part_\*")])
def test_a_folder_without_its_tables_is_refused(protocol: str, name: str, tmp_path: Path, load: Any) -> None:
    (tmp_path / "GMAI_mm_bench_TRAIN.tsv").touch()
    with pytest.raises(UserError, match=rf"found no GMAI_mm_bench_{name}\.tsv .*read in VLMEvalKit's layout"):
        load(f"gmai-mmbench/{protocol}", tmp_path)
