from typing import Any

import pytest
from gmai_bench.answers.clues import is_right, order_shown, plain, shows, shows_image
from gmai_bench.answers.predictions import Prediction
from gmai_bench.answers.records import Answered
from gmai_bench.benchmarks.question import Question


def record(**fields: Any) -> Answered:
    return Answered("p", Prediction("", "B", ""), {}, **fields)


def question(**fields: Any) -> Question:
    given: dict[str, Any] = {"choices": ("CT", "MR"), "reference": "MR", **fields}
    return Question("1", "Which modality, <image 1>?", "", (), cluster="1", **given)


def test_a_question_is_shown_alone_or_within_a_prompt() -> None:
    assert plain("Is it a CT?\n(yes)") == "is it a ct yes"
    assert shows(record(question="which  modality <image 1>"), question()) is True
    assert shows(record(prompt="Look. Which modality, <image 1>?\nA. CT"), question()) is True
    assert shows(record(question="Which plane?"), question()) is False
    assert shows(record(prompt="Which plane?"), question()) is False
    assert shows(record(), question()) is None


@pytest.mark.parametrize(
    ("gold", "options", "right"),
    [("MR", (), True), ("mr.", (), True), ("B", (), True), ("(B)", (), True), ("A", (), False), ("CT", (), False),
     ("A", ("MR", "CT"), True), ("1", (), None), ("", (), None), ("E", (), False)],
)  # fmt: skip
def test_the_right_answer_is_a_text_or_a_letter(gold: str, options: tuple[str, ...], right: bool | None) -> None:
    assert is_right(record(gold=gold, options=options), question()) is right


def test_several_right_letters() -> None:
    several = question(choices=("CT", "MR", "US"), reference="CT + US")
    assert is_right(record(gold="AC"), several) is True
    assert is_right(record(gold="A, C"), several) is True
    assert is_right(record(gold="AB"), several) is False


def test_an_image_is_known_by_the_end_of_its_path() -> None:
    named = question(image_names=("xmlab102/source.jpg",))
    assert shows_image(record(image="./data/imgs/xmlab102/source.jpg"), named) is True
    assert shows_image(record(image="xmlab103/source.jpg"), named) is False
    assert shows_image(record(image="source.jpg"), named) is True
    assert shows_image(record(), named) is None
    assert shows_image(record(image="a.jpg"), question()) is None


def test_options_in_another_order() -> None:
    assert order_shown(("MR ", "CT"), question()) == ("MR", "CT")
    assert order_shown(("CT", "MR"), question()) == ()
    assert order_shown(("CT", "US"), question()) == ()
    assert order_shown((), question()) == ()
