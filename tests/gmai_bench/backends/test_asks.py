import dataclasses

import pytest
from gmai_bench.backends.asks import Answer, Ask


def test_an_ask_generates_unless_it_has_continuations() -> None:
    ask = Ask("1", "Which?", ("d",))
    assert ask.continuations == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        ask.prompt = "Other?"  # type: ignore[misc]


def test_an_answer_is_not_refused_unless_it_says_why() -> None:
    assert (Answer("1", "CT", cut=False).refused, Answer("1", "CT", cut=False).usage) == ("", None)
    assert Answer("1", "", cut=False, refused="filtered") != Answer("1", "", cut=False)
