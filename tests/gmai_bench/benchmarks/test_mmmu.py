"""MMMU's Health & Medicine, drawn in code with the counts of the real subjects."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.benchmarks.mmmu import OTHER_IDS, SUBJECTS
from gmai_bench.benchmarks.registry import open_benchmark
from gmai_formats.errors import UserError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_mmmu_has_150_questions_145_of_them_lettered(
    tmp_path: Path, load: Any, write_mmmu: Callable[[Path], Path]
) -> None:
    write_mmmu(tmp_path)
    whole = load("mmmu-hm", tmp_path)
    assert (len(whole.questions), sum(not q.choices for q in whole.questions)) == (150, 5)
    assert whole.questions[0].choices == ("it's CT", "MR", "X-ray")
    assert whole.questions[0].prompt == (
        "What is {this} in <image 1>, 0?\n\n(A) it's CT\n(B) MR\n(C) X-ray\n\n"
        "Answer with the option's letter from the given choices directly."
    )
    lettered = load("mmmu-hm/mc-145", tmp_path)
    assert Counter(q.groups["subject"] for q in lettered.questions)["Pharmacy"] == 27
    assert (len(lettered.questions), lettered.card.headline) == (145, "macro")


def test_a_missing_subject_is_named(tmp_path: Path, write_mmmu: Callable[[Path], Path]) -> None:
    write_mmmu(tmp_path)
    (tmp_path / "mmmu-hm/Pharmacy").rename(tmp_path / "mmmu-hm/Farmacy")
    with pytest.raises(UserError, match=r"found no Pharmacy/validation-\*\.parquet"):
        open_benchmark("mmmu-hm", tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("['CT'", r"row 1: the options \"\['CT'\" are no list"),
        ("['CT']", r"row 1: found the options \"\['CT'\]\"\. A choice has two or more"),
        ("{'A': 'CT', 'B': 'MR'}", r"A choice has two or more"),
    ],
)
def test_options_that_are_no_list_of_two_are_refused(
    options: str, message: str, tmp_path: Path, load: Any, write_mmmu: Callable[[Path], Path]
) -> None:
    write_mmmu(tmp_path)
    file = next((tmp_path / "mmmu-hm/Basic_Medical_Science").glob("*.parquet"))
    table = pq.read_table(file)
    rows = [{**row, "options": options} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    with pytest.raises(UserError, match=message):
        load("mmmu-hm", tmp_path)


def test_the_ids_of_the_other_subjects_are_known() -> None:
    assert len(OTHER_IDS) == 750
    assert {"validation_Accounting_1", "validation_Sociology_30"} <= OTHER_IDS
    assert not any(identity.startswith(f"validation_{subject}") for identity in OTHER_IDS for subject in SUBJECTS)


def write_test_split(root: Path) -> None:
    for subject in SUBJECTS:
        (root / "mmmu-hm" / subject).mkdir(parents=True)
        rows = [
            {"id": f"test_{subject}_{n}", "question": "Which?", "options": "['E', 'B', 'A']" if n else "[]",
             "answer": "?",
             "question_type": "multiple-choice" if n else "open", "topic_difficulty": "Hard",
             **{f"image_{i}": None for i in range(1, 8)}}
            for n in range(2)
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows), root / "mmmu-hm" / subject / "test-00000-of-00001.parquet")


def test_the_test_split_is_hidden_unless_its_answers_lie_beside_it(tmp_path: Path) -> None:
    write_test_split(tmp_path)
    benchmark = open_benchmark("mmmu-hm/test-1752", tmp_path)
    assert benchmark.card.hidden
    assert {question.reference for question in benchmark.questions(lambda _, __: "")} == {""}
    answers = {
        f"test_{s}_{n}": {"question_type": "", "ground_truth": "C" if n else ["7", "VII"]}
        for s in SUBJECTS
        for n in (0, 1)
    }
    path = tmp_path / "mmmu-hm/answer.json"
    path.write_text(json.dumps(answers), encoding="utf-8")
    known = open_benchmark("mmmu-hm/test-1752", tmp_path)
    assert not known.card.hidden
    assert [question.reference for question in known.questions(lambda _, __: "")][:2] == ["7", "A"]
    path.write_text(json.dumps(dict([*answers.items()][1:])), encoding="utf-8")
    with pytest.raises(UserError, match=r'the answers have none to "test_Basic_Medical_Science_0"'):
        list(open_benchmark("mmmu-hm/test-1752", tmp_path).questions(lambda _, __: ""))
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match=r"answer\.json: not readable as answers of MMMU"):
        open_benchmark("mmmu-hm/test-1752", tmp_path)
