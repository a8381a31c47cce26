import pytest
from gmai_bench.benchmarks.question import Question
from gmai_bench.scoring.boxes import boxes, score
from gmai_formats.errors import UserError


@pytest.mark.parametrize(
    "text",
    ["<box>[[100, 200, 300, 400]]</box>", "It is at [0.1, 0.2, 0.3, 0.4].", "(100.0,200,300,400)",
     "[100, 200, 300, 400], as I said: [100, 200, 300, 400]"],
)  # fmt: skip
def test_a_box_in_any_writing(text: str) -> None:
    assert boxes(text) == [(100, 200, 300, 400)]


def asked(reference: str) -> Question:
    return Question("q", "?", "?", (), (), reference, "q")


def test_one_box_is_an_answer_and_none_or_several_are_not() -> None:
    right = asked("[0, 0, 500, 1000]")
    assert score("[0, 0, 1000, 1000]", right).score == 0.5
    assert (score("the left lung", right).rule, score("", right).rule) == ("unparsed", "empty")
    assert score("[0, 0, 500, 1000] or [1, 1, 2, 2]", right).rule == "ambiguous"
    assert score("<think>[1, 1, 2, 2]</think>[0, 0, 500, 1000]", right).score == 1.0
    with pytest.raises(UserError, match=r'question "q": the reference .* is not one box'):
        score("[0, 0, 1, 1]", asked("the left lung"))
