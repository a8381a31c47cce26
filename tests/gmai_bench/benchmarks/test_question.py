import dataclasses

import pytest
from gmai_bench.benchmarks.question import Card, Question


def test_a_question_is_of_the_headline_and_scored_as_its_protocol_unless_it_differs() -> None:
    question = Question("1", "Is it?", "Is it?", (), (), "yes", "1")
    assert (question.measure, question.scoring, question.groups) == ("accuracy", None, {})
    assert (question.alternatives, question.continuations) == ((), ())
    other = Question("2", "Is it?", "Is it?", (), (), "yes", "1")
    assert question.groups is not other.groups


def test_a_card_is_verified_open_and_micro_unless_it_differs() -> None:
    card = Card("set", "Set", "set/all", 1, "exact", None, (), "local copy", "MIT")
    assert (card.count_verified, card.hidden, card.headline) == (True, False, "micro")
    assert (card.published_option, card.published_extractor, card.expected_groups) == ("{text}", "", {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        card.expected = 3  # type: ignore[misc]
