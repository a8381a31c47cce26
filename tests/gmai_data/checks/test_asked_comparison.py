"""The answer to "which is larger, X or Y?" is held to both boxes: the liver is larger, higher and further left."""

import pytest
from gmai_data.checks.asked_comparison import as_statement
from gmai_data.checks.statements import unresolved
from gmai_data.vocabulary import Language


@pytest.mark.parametrize(
    ("question", "answer", "statement"),
    [
        ("Which is larger, the liver or the left kidney?", "The liver.", "{liver} is larger than the {kidney}"),
        ("Which lies lower?", "The left kidney.", ""),  # two labels are compared
        ("Is the liver or the left kidney lower?", "The left kidney.", "{kidney} lies lower than the {liver}"),
        ("Which of liver and left kidney is larger?", "The left kidney is smaller.",
         "{kidney} is smaller than the {liver}"),
        ("Liver or left kidney: which is further to the left?", "The liver.",
         "{liver} lies further to the left than the {kidney}"),
        ("Which is larger, the liver or the left kidney?", "The liver is larger than the left kidney.", ""),
    ],
)  # fmt: skip
def test_question_and_answer_become_a_statement(masked, question, answer, statement):
    made, question = masked(question.lower())
    liver, kidney = (made.names.mark_of(label) for label in ("liver", "left kidney"))
    told = as_statement(question, masked(answer.lower())[1], Language.EN)
    assert told == statement.format(liver=liver, kidney=kidney)


@pytest.mark.parametrize(
    ("question", "answer", "holds"),
    [
        ("Which is larger, the liver or the left kidney?", "The liver takes up the larger area.", True),
        ("Which is larger, the liver or the left kidney?", "The left kidney takes up the larger area.", False),
        ("Which lies higher, the liver or the left kidney?", "The left kidney.", False),
    ],
)
def test_an_answer_is_held_to_both_boxes(masked, question, answer, holds):
    made, _ = masked("")
    assert (not list(unresolved(made, ((question, answer),)))) == holds


@pytest.mark.parametrize(("answer", "holds"), [("肝脏更大。", True), ("左肾所占面积更大。", False)])
def test_an_answer_in_chinese(masked, answer, holds):
    made, _ = masked("", Language.ZH)
    assert (not list(unresolved(made, (("肝脏和左肾，哪个更大？", answer),)))) == holds
