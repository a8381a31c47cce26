"""Records without ids, as MedEvalKit, HuatuoGPT-Vision and lmms-eval write them."""

import random
from pathlib import Path
from typing import Any

import pytest
from gmai_bench.answers.alignment import aligned, in_order
from gmai_bench.answers.predictions import Prediction
from gmai_bench.answers.records import Answered
from gmai_bench.benchmarks.question import Question
from gmai_formats.errors import UserError

FILE = Path("answers.json")
TEXTS = ("Is it CT?", "Is there air?", "Is there air?", "Which organ?")
RIGHT = ("yes", "no", "no", "liver")


def asked(names: bool = False) -> list[Question]:
    return [
        Question(f"q{n}", text, text, (), (), right, f"q{n}", image_names=(f"i/{n}.jpg",) if names else ())
        for n, (text, right) in enumerate(zip(TEXTS, RIGHT, strict=True))
    ]


def record(n: int, **fields: Any) -> Answered:
    given: dict[str, Any] = {"question": TEXTS[n], "gold": RIGHT[n], **fields}
    return Answered(f"record {n}", Prediction("", str(n), ""), given.pop("ids", {}), **given)


def ids(pairs: list[tuple[Answered, Question]]) -> dict[str, str]:
    return {question.id: record.prediction.response for record, question in pairs}


ALL = {f"q{n}": str(n) for n in range(4)}


def test_the_order_decides_where_every_record_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    whole = [record(n) for n in range(4)]
    assert ids(aligned(whole, [("one/p", asked())], FILE)) == ALL
    assert "4 answers have no ids; they stand in the order of one/p, each with its question" in capsys.readouterr().err
    # a subset protocol: the order of the whole is that of another protocol
    assert ids(aligned(whole, [("one/part", asked()[:2]), ("one/p", asked())], FILE)) == ALL
    prompts = [record(n, question="", prompt=f"{TEXTS[n]}\nAnswer shortly.") for n in range(4)]
    assert ids(aligned(prompts, [("one/p", asked())], FILE)) == ALL
    golds = [record(n, question="") for n in range(4)]
    assert ids(aligned(golds, [("one/p", asked())], FILE)) == ALL


def test_doc_ids_are_places() -> None:
    some = [record(n, ids={"doc_id": str(n)}) for n in (3, 1)]
    assert ids(aligned(some, [("one/p", asked())], FILE)) == {"q3": "3", "q1": "1"}


def test_doc_ids_that_stand_twice_count_once_or_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    whole = [record(n, ids={"doc_id": str(n)}) for n in range(4)]
    assert ids(aligned([*whole, whole[2], whole[0]], [("one/p", asked())], FILE)) == ALL
    assert "2 records stand twice with the same answer and count once" in capsys.readouterr().err
    other = Answered("record 9", Prediction("", "else", ""), {"doc_id": "1"}, question=TEXTS[1], gold=RIGHT[1])
    with pytest.raises(UserError, match=r"record 9: a second, different answer to doc_id 1, which record 1 answers"):
        aligned([*whole, other], [("one/p", asked())], FILE)


def test_out_of_order_the_image_or_a_question_that_stands_once_decides() -> None:
    turned = [record(n, image=f"/data/i/{n}.jpg") for n in (3, 2, 1, 0)]
    assert ids(aligned(turned, [("one/p", asked(names=True))], FILE)) == ALL
    with pytest.raises(UserError, match=r'"Is there air\?" stands 2 times in the benchmark \(q1, q2, …\)'):
        aligned([record(n) for n in (3, 2, 1, 0)], [("one/p", asked())], FILE)
    assert ids(aligned([record(3), record(0)], [("one/p", asked())], FILE)) == {"q3": "3", "q0": "0"}


def test_one_file_of_many_data_sets(capsys: pytest.CaptureFixture[str]) -> None:
    whole = [record(n, data_set="VQA-RAD_test") for n in range(4)]
    other = [Answered("x", Prediction("", "y", ""), {}, question="What stain?", data_set="PathVQA")]
    assert ids(aligned([*other, *whole], [("one/p", asked())], FILE)) == ALL
    assert "answers of data sets that are not asked for passed over: PathVQA (1)" in capsys.readouterr().err


def test_what_is_not_known_is_refused() -> None:
    strange = Answered("record x", Prediction("", "y", ""), {"id": "7"}, question="What stain?")
    with pytest.raises(UserError, match=r'record x: answers 1 questions that one/p does not ask, such as "7"'):
        aligned([record(0), strange], [("one/p", asked())], FILE)
    nothing = [Answered("record x", Prediction("", "y", ""), {})] * 4
    with pytest.raises(
        UserError, match=r"answers 4 questions that one/p does not ask, such as one without an id.*pass --in-order"
    ):
        aligned(nothing, [("one/p", asked())], FILE)


def test_in_order_takes_what_shows_nothing_and_refuses_what_contradicts() -> None:
    nothing = [record(n, question="", gold="") for n in range(4)]
    assert ids(in_order(nothing, [("one/part", asked()[:2]), ("one/p", asked())], FILE)) == ALL
    with pytest.raises(UserError, match=r'record 3: shows the question "Which organ\?", and in one/p "Is it CT'):
        in_order([record(n) for n in (3, 1, 2, 0)], [("one/p", asked())], FILE)
    with pytest.raises(
        UserError, match=r"holds 3 answers, and --in-order needs as many as a protocol asks \(one/p 4\)"
    ):
        in_order(nothing[:3], [("one/p", asked())], FILE)


def many(count: int) -> tuple[list[Question], list[Answered]]:
    """Questions of five texts in turn with right answers of three, and an answer to each."""
    questions: list[Question] = []
    draw = random.Random(4)
    for n in range(count):
        text, right = f"Is there finding {n % 5}?", draw.choice(("yes", "no", "unclear"))
        questions.append(Question(f"q{n}", text, text, (), (), right, f"q{n}"))
    return questions, [
        Answered(f"record {n}", Prediction("", str(n), ""), {}, question=q.text, gold=q.reference)
        for n, q in enumerate(questions)
    ]


def test_parts_of_several_processes_are_put_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    questions, records = many(47)
    joined = [record for part in (2, 0, 1) for record in records[part::3]]
    assert ids(aligned(joined, [("one/p", questions)], FILE)) == {f"q{n}": str(n) for n in range(47)}
    assert "47 answers have no ids; they stand as 3 processes answered one/p, one by one" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"stands \d+ times in the benchmark"):
        aligned(records[::-1], [("one/p", questions)], FILE)


def test_questions_that_are_all_the_same_say_nothing_of_their_order() -> None:
    questions = [Question(f"q{n}", "Which modality?", "Which modality?", (), (), "CT", f"q{n}") for n in range(40)]
    records = [Answered(f"record {n}", Prediction("", str(n), ""), {}, question="Which modality?") for n in range(40)]
    with pytest.raises(UserError, match=r"stands 40 times in the benchmark .* pass --in-order"):
        aligned(records, [("one/p", questions)], FILE)
    assert len(in_order(records, [("one/p", questions)], FILE)) == 40


def test_questions_that_are_alike_are_not_tried_in_every_order() -> None:
    questions = [Question(f"q{n}", f"Q{n % 5}?", f"Q{n % 5}?", (), (), "", f"q{n}") for n in range(600)]
    records = [
        Answered(f"record {n}", Prediction("", str(n), ""), {}, question=q.text) for n, q in enumerate(questions)
    ]
    turned = [*records[:300], records[599], *records[301:599], records[300]]
    with pytest.raises(UserError, match="stands 120 times in the benchmark"):
        aligned(turned, [("one/p", questions)], FILE)
