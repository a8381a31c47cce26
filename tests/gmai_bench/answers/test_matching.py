from pathlib import Path

import pytest
from gmai_bench.answers.matching import answers_to
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.benchmarks.record import Coverage, Record
from gmai_formats.errors import UserError

FILE = Path("answers.jsonl")


def made(family: str, protocol: str, ids: list[str], limit: int | None = None) -> Record:
    card = Card(
        name=family, title="", protocol=f"{family}/{protocol}", protocol_version=1, scoring="exact", expected=None,
        groups=(), source="local copy", license="",
    )  # fmt: skip
    questions = tuple(Question(i, "?", "?", (), (), "yes", i) for i in ids)
    return Record(card, Coverage(len(ids), None, limit), questions)


def kept(*ids: str) -> Kept:
    return Kept({i: Prediction(i, "yes", "") for i in ids}, 0, 0)


def test_one_file_serves_two_benchmarks() -> None:
    first, second = made("one", "p", ["a", "b"]), made("two", "p", ["c"])
    found = answers_to([first, second], kept("a", "b", "c"), FILE, None, allow_partial=False)
    assert [list(own.by_id) for own in found] == [["a", "b"], ["c"]]


def test_an_answer_that_may_belong_to_either_benchmark_is_refused() -> None:
    first, second = made("one", "p", ["7"]), made("two", "p", ["7"])
    with pytest.raises(UserError, match=r'the answer to "7" may belong to one or to two'):
        answers_to([first, second], kept("7"), FILE, None, allow_partial=False)
    same = answers_to([made("one", "p", ["7"]), made("one", "q", ["7"])], kept("7"), FILE, None, allow_partial=False)
    assert [list(own.by_id) for own in same] == [["7"], ["7"]]


def test_answers_to_all_of_mmmu_serve_health_and_medicine(capsys: pytest.CaptureFixture[str]) -> None:
    item = made("mmmu-hm", "mc-145", ["validation_Pharmacy_1"])
    answers = kept("validation_Pharmacy_1", "validation_Math_30", "validation_Art_1")
    (own,) = answers_to([item], answers, FILE, Path("nowhere"), allow_partial=False)
    assert list(own.by_id) == ["validation_Pharmacy_1"]
    assert "2 answers passed over, to questions that only other protocols of mmmu-hm ask" in capsys.readouterr().err
    for strange in ("validation_Maths_1", "validation_Math_31", "test_Math_1"):
        with pytest.raises(UserError, match=rf'mmmu-hm/mc-145 does not ask, such as "{strange}"'):
            answers_to([item], kept("validation_Pharmacy_1", strange), FILE, Path("nowhere"), allow_partial=False)


def test_missing_answers_and_files_of_others_are_refused() -> None:
    item = made("one", "p", ["a", "b"])
    with pytest.raises(UserError, match=r'has no answer to 1 of 2 questions, such as "b"'):
        answers_to([item], kept("a"), FILE, None, allow_partial=False)
    with pytest.raises(UserError, match=r"answers no question of one/p"):
        answers_to([made("one", "p", ["a"], limit=1)], kept("z"), FILE, None, allow_partial=True)
