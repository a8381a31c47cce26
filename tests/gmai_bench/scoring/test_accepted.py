from gmai_bench.benchmarks.question import Question
from gmai_bench.scoring.accepted import alternatives, yes_no


def asked(reference: str, *more: str) -> Question:
    return Question("q", "?", "?", (), (), reference, "q", alternatives=more)


def test_an_accepted_answer_alone_or_in_a_sentence() -> None:
    question = asked("heart attack", "myocardial infarction")
    for answer in ("Heart attack.", "myocardial infarction", "It shows a myocardial infarction, I think."):
        assert alternatives(answer, question).score == 1.0, answer
    for answer in ("heart", "no myocardial infarction", "It is not a heart attack", "heartattack", "stroke"):
        assert alternatives(answer, question).score == 0.0, answer
    assert alternatives(" ", question).rule == "empty"


def test_yes_or_no_in_a_sentence() -> None:
    assert yes_no("Yes, there is.", asked("yes")).score == 1.0
    assert yes_no("No, that is normal.", asked("yes")).score == 0.0
    assert yes_no("normal", asked("no")).score == 0.0
    assert yes_no("Liver.", asked("liver")).score == 1.0
