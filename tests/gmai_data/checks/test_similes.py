"""What a text compares a picture with is taken out; what it says of the picture stays."""

import pytest
from gmai_data.checks.similes import compares_with_things, things_imagined, without_adjectives, without_things


@pytest.mark.parametrize(
    ("text", "compares"),
    [
        ("it looks like a loaf of bread.", True),
        ("imagine a pond at dusk.", True),
        ("the shape reminds one of a bean.", True),
        ("the liver lies on the left.", False),
    ],
)
def test_whether_a_text_compares(text, compares):
    assert compares_with_things(text) is compares


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("it looks like a wet stone, and is grey.", "it looks like a  , and is grey."),
        ("it looks like a coil of wire.", "it looks like a   of wire."),
        ("it looks like a cyst.", "it looks like a cyst."),
        ("as a result, it is dark.", "as a  , it is dark."),
    ],
)
def test_a_thing_after_a_word_of_comparison_is_taken_out_and_a_finding_is_not(text, rest):
    assert without_things(text, frozenset()) == rest


def test_what_was_to_be_imagined_may_be_spoken_of_again():
    imagined = things_imagined("imagine a pond with a smooth stone in it.")
    assert "stone" in imagined
    assert "stone" not in without_things("the stone is the nodule.", imagined)


def test_what_no_text_asked_to_imagine_stays():
    assert things_imagined("the kidney holds a stone.") == frozenset()
    assert without_things("the kidney holds a stone.", frozenset()) == "the kidney holds a stone."


def test_adjectives_that_compare_state_nothing():
    assert "bean" not in without_adjectives("a bean shaped outline")
