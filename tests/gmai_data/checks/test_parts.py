"""Reports have findings and an impression; a reasoning ends with the answer that the record verifies."""

import pytest
from gmai_data.checks.parts import wrong_parts
from gmai_data.vocabulary import Language

EN, ZH = Language.EN, Language.ZH


def said(facts, text, asked="Q?", **changes):
    return wrong_parts(facts(**changes), ((asked, text),))


@pytest.mark.parametrize(
    "answer",
    [
        "Findings: The left kidney is bright. Impression: Left kidney.",
        "**Findings:**\nThe left kidney is bright.\n\n**Impression:** Left kidney.",
        "FINDINGS: a\nIMPRESSION: b",
    ],
)
def test_a_report_with_both_parts(facts, answer):
    assert said(facts, answer, form="report") is None


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("The left kidney is bright.", "two parts"),
        ("Impression: a. Findings: b.", "two parts"),
        ("Findings: Impression: Left kidney.", "findings says nothing"),
        ("Findings: The left kidney. Impression: ", "impression says nothing"),
    ],
)
def test_a_report_that_lacks_a_part(facts, answer, what):
    assert what in said(facts, answer, form="report")


def test_a_chinese_report(facts):
    assert said(facts, "影像所见：左肾明亮。印象：左肾。", form="report", language=ZH) is None
    assert said(facts, "左肾明亮。", form="report", language=ZH) is not None


STEPS = "It lies in the upper left part of the image.\nIt is bright and has a smooth outline.\n"


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (f"{STEPS}Answer: left kidney", None),
        (f"{STEPS}**Answer:** Left kidney.", None),
        (f"{STEPS}Answer: liver", "its last line must be"),
        (f"{STEPS}It is the left kidney.", "its last line must be"),
        (f"Answer: left kidney\n{STEPS}", "its last line must be"),
        ("Answer: left kidney", "no steps"),
        (f"{STEPS}Answer: left kidney or liver", "its last line must be"),
    ],
)
def test_a_reasoning_ends_with_the_answer(facts, answer, what):
    found = said(facts, answer, form="reasoning", answer="left kidney")
    assert found is None if what is None else what in found


def test_a_reasoning_is_about_the_question_that_was_given(facts):
    given = {"form": "reasoning", "answer": "left kidney", "question": "Which organ is it? Reason step by step."}
    assert said(facts, f"{STEPS}Answer: left kidney", "Which organ is it?  Reason step by step.", **given) is None
    assert "not the one" in said(facts, f"{STEPS}Answer: left kidney", "What is it?", **given)


def test_other_texts_have_no_parts(facts):
    assert said(facts, "Anything.") is None
