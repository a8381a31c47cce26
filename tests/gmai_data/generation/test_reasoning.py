"""Questions for texts that reason: each has one answer, which follows from the record."""

from collections import Counter

from gmai_data.annotation import Box
from gmai_data.checks.facts import LabelNames
from gmai_data.generation.reasoning import question_of
from gmai_data.vocabulary import Language

UPPER, LOWER = Box("alpha", (10, 5, 30, 25)), Box("beta", (20, 60, 80, 95))


def questions(recipe, annotation, **changes):
    names = LabelNames(recipe, Language.EN)
    return [question_of(annotation(number, **changes), names, 0) for number in range(40)]


def test_every_question_has_the_answer_of_the_boxes(recipe, annotation):
    asked = questions(recipe, annotation, boxes=(UPPER, LOWER), labels=("alpha", "beta"), absent=())
    kinds = Counter(question.split()[1:3][-1] for question, _, _ in asked)
    assert len(kinds) > 2
    for question, answer, boxes in asked:
        assert question.endswith("Reason step by step.")
        if "higher" in question:
            assert answer == "alpha"
        elif "larger" in question:
            assert answer == "beta"
        else:
            assert [box.label for box in boxes] == [answer]
            assert "<box>[[" in question
            assert "<ref>" not in question


def test_a_label_with_two_boxes_is_not_asked_about(recipe, annotation):
    boxes = (UPPER, Box("alpha", (50, 5, 70, 25)), LOWER)
    found = questions(recipe, annotation, boxes=boxes, labels=("alpha", "beta"), absent=())
    assert {answer for _, answer, _ in found} == {"beta"}
    assert questions(recipe, annotation, boxes=boxes[:2])[0][2] == ()
    assert not any(questions(recipe, annotation, boxes=boxes[:2], labels=("alpha", "beta")))


def test_what_hardly_differs_is_not_compared(recipe, annotation):
    boxes = (Box("alpha", (10, 40, 30, 60)), Box("beta", (60, 42, 80, 62)))
    found = questions(recipe, annotation, boxes=boxes, labels=("alpha", "beta"), absent=())
    assert not any("higher" in question or "larger" in question for question, _, _ in found)


def test_without_boxes_a_single_label_is_asked_for(recipe, annotation):
    assert questions(recipe, annotation, boxes=())[0] == (
        "What does this image show? Reason step by step.",
        "alpha",
        (),
    )
    assert not any(questions(recipe, annotation, boxes=(), labels=("alpha", "beta")))
    assert not any(questions(recipe, annotation, boxes=(), labels=("no tumor",)))
