from types import SimpleNamespace

import pytest


def test_yes_inside_a_word_is_no_yes(inputs: SimpleNamespace) -> None:
    verdict = inputs.verdict("It looks normal.", ("yes", "no"), "no", "yes-no-and-recall")
    assert (verdict.score, verdict.rule) == (0.0, "unparsed")


def test_token_recall_counts_whole_words_of_the_reference(inputs: SimpleNamespace) -> None:
    # reference words: right, lower, lobe; two of three are said
    verdict = inputs.verdict("The lesion is in the right lobe", (), "right lower lobe", "yes-no-and-recall")
    assert verdict.score == pytest.approx(2 / 3)
    assert verdict.rule == "token_recall"


def test_nothing_said_recalls_nothing(inputs: SimpleNamespace) -> None:
    assert inputs.verdict("<think>lobe</think>", (), "lobe", "yes-no-and-recall").rule == "empty"
