from pathlib import Path
from typing import Any

import pytest
from gmai_bench.answers.matching import answers_to
from gmai_bench.answers.predictions import Prediction
from gmai_bench.answers.records import Answered
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


def kept(*ids: str, said: str = "yes", **fields: Any) -> list[Answered]:
    return [Answered(i, Prediction("", said, ""), {"id": i}, **fields) for i in ids]


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
    assert "2 answers passed over, to questions of the same data that mmmu-hm does not ask" in capsys.readouterr().err
    for strange in ("validation_Maths_1", "validation_Math_31", "test_Math_1"):
        with pytest.raises(UserError, match=rf'mmmu-hm/mc-145 does not ask, such as "{strange}"'):
            answers_to([item], kept("validation_Pharmacy_1", strange), FILE, Path("nowhere"), allow_partial=False)


def test_missing_answers_and_files_of_others_are_refused() -> None:
    item = made("one", "p", ["a", "b"])
    with pytest.raises(UserError, match=r'has no answer to 1 of 2 questions, such as "b"'):
        answers_to([item], kept("a"), FILE, None, allow_partial=False)
    with pytest.raises(UserError, match=r'questions that one/p does not ask, such as "z"'):
        answers_to([made("one", "p", ["a"], limit=1)], kept("z"), FILE, None, allow_partial=True)


def test_two_different_answers_to_a_question_are_refused() -> None:
    item = made("one", "p", ["a"])
    with pytest.raises(UserError, match=r'a second, different answer to "a"'):
        answers_to([item], [*kept("a"), *kept("a", said="no")], FILE, None, allow_partial=False)
    (own,) = answers_to([item], [*kept("a"), *kept("a")], FILE, None, allow_partial=False)
    assert len(own.by_id) == 1


def test_an_id_may_lack_the_data_set_in_front_of_it() -> None:
    item = made("omnimedvqa", "open", ["CT/7", "MR/7"])
    records = [*kept("7", within=("CT",)), *kept("7", said="no", within=("answers", "MR"))]
    (own,) = answers_to([item], records, FILE, None, allow_partial=False)
    assert {i: p.response for i, p in own.by_id.items()} == {"CT/7": "yes", "MR/7": "no"}


def test_ids_that_only_happen_to_be_known_are_not_taken_for_ids() -> None:
    """A running number may be the id of quite another question: then what the records show decides."""
    card = made("one", "p", []).card
    texts = ["Is it CT?", "Is it MR?", "Is it US?"]
    questions = tuple(Question(str(i), t, t, (), (), "yes", t) for i, t in zip((2, 1, 0), texts, strict=True))
    item = Record(card, Coverage(3, None, None), questions)
    records = [
        Answered(text, Prediction("", text, ""), {"index": str(i)}, question=text) for i, text in enumerate(texts)
    ]
    (own,) = answers_to([item], records, FILE, None, allow_partial=False)
    assert all(prediction.response == q.text for prediction, q in zip(own.by_id.values(), questions, strict=True))


def test_options_shown_in_another_order_keep_their_letters() -> None:
    card = made("one", "p", []).card
    item = Record(card, Coverage(1, None, None), (Question("a", "?", "?", (), ("CT", "MR", "US"), "MR", "a"),))
    (own,) = answers_to([item], kept("a", options=("US", "CT", "MR")), FILE, None, allow_partial=False)
    assert own.by_id["a"].shown == ("US", "CT", "MR")
    (own,) = answers_to([item], kept("a", options=("US", "CT", "PET")), FILE, None, allow_partial=False)
    assert own.by_id["a"].shown == ()


def test_by_order_whatever_the_ids_are() -> None:
    item = made("one", "p", ["a", "b"])
    (own,) = answers_to([item], [*kept("b"), *kept("a", said="no")], FILE, None, allow_partial=False, by_order=True)
    assert {i: p.response for i, p in own.by_id.items()} == {"a": "yes", "b": "no"}
