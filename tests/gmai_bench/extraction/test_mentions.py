import pytest
from gmai_bench.extraction.mentions import option_equal_to, option_that_opens, options_mentioned

FOUR = ("CT", "MRI", "X-ray", "Ultrasound")


@pytest.mark.parametrize(
    ("text", "option"),
    [("mri.", 1), ("computed tomography", 0), ("**radiograph**", 2), ("`X-ray`", 2), ("CT scan", None), ("", None)],
)
def test_equal_texts_and_synonyms(text: str, option: int | None) -> None:
    assert option_equal_to(text, FOUR) == option


def test_an_empty_option_is_no_option() -> None:
    assert option_equal_to("", ("CT", "", "MRI")) is None
    assert options_mentioned("MRI", ("CT", "", "MRI")) == [2]


@pytest.mark.parametrize(
    ("text", "choices", "options"),
    [
        ("MRI rather than CT", FOUR, [1]),
        ("CT or MRI", FOUR, [0, 1]),
        ("no pleural effusion", ("Pleural effusion", "No pleural effusion"), [1]),
        ("let us see", ("US", "CT"), []),
        ("CT " * 5000, FOUR, [0]),
        ("no CT " * 5000, FOUR, []),
    ],
)
def test_options_named_and_not_denied(text: str, choices: tuple[str, ...], options: list[int]) -> None:
    assert options_mentioned(text, choices) == options


def test_an_options_letter_is_no_text_where_letters_were_shown() -> None:
    assert options_mentioned("B it is", ("B", "A")) == [0]
    assert options_mentioned("B it is", ("B", "A"), letters=True) == []
    assert options_mentioned("E it is", ("E", "A"), letters=True) == [0]


def test_what_a_response_opens_with() -> None:
    assert option_that_opens("Yes, and there is no fracture", ("No", "Yes")) == 1
    assert option_that_opens("MRI\nThe CT would show bone", FOUR) == 1
    assert option_that_opens("MRI\nCT", FOUR) is None
