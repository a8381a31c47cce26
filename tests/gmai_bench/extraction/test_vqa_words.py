import pytest
from gmai_bench.extraction.vqa_words import token_recall, vqa_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The left lung.", ["left", "lung"]),
        ("two X-rays", ["2", "x", "rays"]),
        ("dont", ["don't"]),
        ("1,000 cells", ["1000", "cells"]),
        ("a 1.5 cm mass", ["1.5", "cm", "mass"]),
        ("", []),
    ],
)
def test_words_as_the_challenge_normalises_them(text: str, words: list[str]) -> None:
    assert vqa_words(text) == words


def test_recall_over_words_said_and_missing() -> None:
    assert token_recall("the right lobe", "right lower lobe") == pytest.approx(2 / 3)
    assert token_recall("right right", "right") == 1.0
    assert token_recall("left", "right") == 0.0
