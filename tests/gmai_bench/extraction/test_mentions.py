import csv
from pathlib import Path

import pytest
from gmai_bench.extraction import mentions
from gmai_bench.extraction.mentions import (
    forms_of,
    forms_of_all,
    has_word_of_none,
    option_equal_to,
    option_that_opens,
    option_with_more,
    options_mentioned,
    without_list_of_all,
)

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


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Of CT, MRI, X-ray and Ultrasound, MRI fits.", "Of  , MRI fits."),
        ("ct / mri / x-ray / ultrasound: the second", " : the second"),
        ("CT MRI X-ray Ultrasound CT, MRI, X-ray or Ultrasound", "   "),
        ("Of A, B, C and D, B fits; (A)(B)(C)(D)", "Of  , B fits;  "),
        ("CT, MRI and X-ray, and not Ultrasound", "CT, MRI and X-ray, and not Ultrasound"),
        ("CT, MRI, X-ray orUltrasound", "CT, MRI, X-ray orUltrasound"),
        ("PCT, MRI, X-ray, Ultrasound", "PCT, MRI, X-ray, Ultrasound"),
        ("CT, MRI, X-ray, Ultrasounds", "CT, MRI, X-ray, Ultrasounds"),
        ("Ultrasound, X-ray, MRI, CT", "Ultrasound, X-ray, MRI, CT"),
    ],
)
def test_a_list_of_all_options_names_none(text: str, left: str) -> None:
    assert without_list_of_all(text, FOUR) == left


def test_texts_that_begin_like_what_joins_a_list_are_found_in_it() -> None:
    assert without_list_of_all("Yes, or not, & more: none", ("Yes", "or not", "& more")) == " : none"
    assert without_list_of_all("a+b, (c] or d*: which?", ("a+b", "(c]", "d*")) == " : which?"


def test_an_empty_text_makes_no_list() -> None:
    assert without_list_of_all("CT, MRI", ("CT", "", "MRI")) == "CT, MRI"


@pytest.mark.parametrize("option", ["FLAIR", "grade i", "ß" * 20, "1" * 30, "1,000-2,000 mg", "hematoma, edema, tumor"])
def test_no_spelling_is_longer_than_it_is_taken_to_be(option: str) -> None:
    longest = max((form for form in mentions.forms_of(option)), key=len)  # pyright: ignore[reportPrivateUsage]
    assert option_equal_to(longest, (option, "another")) == 0


def options_of_answer_files() -> list[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for path in sorted(Path(__file__).parent.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                found.add(tuple(row["options"].split("; ")))
    return sorted(found)


def test_spellings_are_left_out_that_no_option_can_have() -> None:
    sets = options_of_answer_files()
    sets += [
        ("Non-small cell", "Anemia"),
        ("Crohn disease", "Escherichia coli"),
        ("between 2 and 4 cm", "", "\r", "2,5"),
    ]
    assert len(sets) > 150
    for choices in sets:
        forms = forms_of_all(choices)
        assert forms == tuple(map(forms_of, choices))
        assert not [form for own in forms for form in own if has_word_of_none(form, choices)], choices
    assert has_word_of_none("I'm sorry, I can't help with that.", ("Pneumonia", "Effusion"))


CONTRAST = ("CT", "CT with contrast", "MRI")


@pytest.mark.parametrize(
    ("text", "named", "more"),
    [
        ("CT with IV contrast", [0, 1], 1),
        ("Contrast-enhanced CT", [0, 1], 1),
        ("CT, since the contrast between tissues is good", [0], None),
        ("CT without contrast", [0, 1], None),
        ("CT with contrast", [1], None),
        ("CT rather than CT with contrast", [0], None),
        ("This is a CT", [0], None),
        ("CT or contrast CT", [0, 1], None),
    ],
)
def test_an_option_inside_another_one_is_not_read_where_the_words_of_the_longer_one_stand(
    text: str, named: list[int], more: int | None
) -> None:
    assert options_mentioned(text, CONTRAST) == named
    assert option_with_more(text, CONTRAST) == more
