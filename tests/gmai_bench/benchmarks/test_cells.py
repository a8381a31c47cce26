from datetime import date
from typing import Any

import pytest
from gmai_bench.benchmarks.cells import (
    Options,
    field,
    fields_of,
    filled,
    first_letter,
    kind_of,
    options_of,
    place_of,
    text_of,
    without_letters,
)
from gmai_formats.errors import UserError

THREE = ("fibroma", "cyst", "abscess")


@pytest.mark.parametrize(
    "cell",
    [
        list(THREE),
        {"A": "fibroma", "B": "cyst", "C": "abscess"},
        {"C": "abscess", "A": "fibroma", "B": "cyst"},
        {"A": "fibroma", "B": "cyst", "C": "abscess", "D": None, "E": ""},
        [("A", "fibroma"), ("B", "cyst"), ("C", "abscess")],
        [{"key": "A", "value": "fibroma"}, {"key": "B", "value": "cyst"}, {"key": "C", "value": "abscess"}],
        [{"label": "B", "text": "cyst"}, {"label": "A", "text": "fibroma"}, {"label": "C", "text": "abscess"}],
        {"label": ["A", "B", "C"], "text": ["fibroma", "cyst", "abscess"]},
        '["fibroma", "cyst", "abscess"]',
        "['fibroma', 'cyst', 'abscess']",
        '{"A": "fibroma", "B": "cyst", "C": "abscess"}',
        ["fibroma", "cyst", "abscess", None],
    ],
)
def test_options_in_every_published_shape(cell: Any) -> None:
    assert options_of({"options": cell}, "options", "row 1") == Options(THREE, ("A", "B", "C"))


def test_options_in_columns_of_their_own() -> None:
    row = {"opa": "CT", "opb": "MR", "opc": "", "opd": None}
    assert options_of(row, ["opa", "opb", "opc", "opd"], "row 1") == Options(("CT", "MR"), ("A", "B"))
    hole = Options(("CT", "", "MR"), ("A", "B", "C"))  # those behind it keep the publisher's letters
    assert options_of({"A": "CT", "B": "", "C": "MR"}, ["A", "B", "C"], "") == hole
    assert options_of({"o": {"A": "CT", "C": "MR"}}, "o", "") == hole
    assert (place_of("C", hole, "letter"), place_of("MR", hole, "text"), place_of("", hole, "text")) == (2, 2, None)
    assert options_of({"data": {"Options": {"A": "x", "B": "y"}}}, "data.Options", "").texts == ("x", "y")


def test_options_that_carry_their_letters_may_be_the_lines_of_one_text() -> None:
    row = {"o": "A. fibroma\nB) cyst\n\n(C) abscess"}
    assert without_letters(options_of(row, "o", "", lettered=True), "") == Options(THREE, ("A", "B", "C"))
    with pytest.raises(UserError, match="no list of options"):
        options_of(row, "o", "")


def test_numbers_and_dates_are_options_and_equal_ones_stay() -> None:
    assert options_of({"o": [1, 2.5, date(2024, 1, 2)]}, "o", "").texts == ("1", "2.5", "2024-01-02")
    assert options_of({"o": ["CT", "MR", "MR"]}, "o", "").texts == ("CT", "MR", "MR")
    assert options_of({"o": ["None", "NA", "nan"]}, "o", "").texts == ("None", "NA", "nan")


@pytest.mark.parametrize("cell", ["CT; MR", 7, [["CT", "MR"]], [{"name": "CT"}], "[CT", {"A": "x"}.keys()])
def test_a_column_without_options_is_named(cell: Any) -> None:
    with pytest.raises(UserError, match=r"row 3: the column options holds .*Options are a list of texts"):
        options_of({"options": cell}, "options", "row 3")


def test_no_options_are_an_open_question() -> None:
    for cell in (None, "", [], {}):
        assert options_of({"o": cell}, "o", "").texts == ()


@pytest.mark.parametrize(
    ("reference", "kind", "index"),
    [
        ("cyst", "text", 1),
        ("B", "text", None),
        ("B", "letter", 1),
        ("(b).", "letter", 1),
        ("cyst", "letter", None),
        (1, "index", 1),
        ("0", "index", 0),
        (1.0, "index", 1),
        (3, "index", None),
        (-1, "index", None),
        (1, "number", 0),
        (0, "number", None),
        ("x", "index", None),
    ],
)
def test_references_name_an_option(reference: Any, kind: Any, index: int | None) -> None:
    assert place_of(reference, Options(THREE, ("A", "B", "C")), kind) == index


def told(*rows: tuple[str, tuple[str, ...]]) -> str:
    listed = [(f"row {n}", [ref], Options(texts, tuple("ABCDEF"[: len(texts)]))) for n, (ref, texts) in enumerate(rows)]
    return kind_of(listed, "own.yaml")


def test_what_every_row_fits_decides_between_texts_and_letters() -> None:
    assert told(("A", THREE), ("C", THREE)) == "letter"
    assert told(("cyst", THREE)) == "text"
    # one row alone could be either; the other says which
    assert told(("A", ("E", "B", "C", "A")), ("B", THREE)) == "letter"
    assert told(("A", ("E", "B", "C", "A")), ("cyst", THREE)) == "text"
    assert told(("A", ("A", "B")), ("B", ("A", "B"))) == "text"


def test_what_can_be_read_both_ways_is_never_guessed() -> None:
    with pytest.raises(UserError, match=r'row 0: the reference "A" is the letter .* Add `answer: letter` or'):
        told(("A", ("E", "B", "C", "A")))
    with pytest.raises(UserError, match=r'row 1: the reference "PET" is none of its choices'):
        told(("cyst", THREE), ("PET", THREE))
    with pytest.raises(UserError, match=r'row 2: the reference "F" is none of its choices'):
        told(("A", THREE), ("B", THREE), ("F", THREE))


def test_cells_as_text() -> None:
    assert [text_of(value) for value in (None, float("nan"), 1, ["a", "b"], True)] == ["", "", "1", "a\nb", "True"]
    assert field({"a": {"b": 1}, "a.b": 2}, "a.b") == 2
    assert field({"a": {"b": 1}}, "a.b") == 1
    assert field({"a": 1}, "a.b") is None


def test_a_template_is_filled_with_the_cells_of_its_columns() -> None:
    row = {"image": "synpic7", "a": {"b": "x"}, "image.jpg": "whole"}
    assert (filled(row, "{image}.jpg"), filled(row, "image.jpg"), filled(row, "{a.b} {none}!")) == (
        "synpic7.jpg",
        "whole",
        "x !",
    )
    assert (fields_of("{image}.jpg"), fields_of("image"), fields_of(None)) == (["image"], ["image"], [])


def test_letters_in_front_of_options_are_taken_off() -> None:
    options = Options(("A) CT", "B. B) cells", "(C) MR: T1"), ("A", "B", "C"))
    assert without_letters(options, "p").texts == ("CT", "B) cells", "MR: T1")
    with pytest.raises(UserError, match=r'p: the option "CT" does not begin with its letter A'):
        without_letters(Options(("CT", "B) MR"), ("A", "B")), "p")
    assert [first_letter(text, "p") for text in ("A) CT", "(B) MR", "C", "D.", "c", "(d)")] == [
        "A",
        "B",
        "C",
        "D",
        "C",
        "D",
    ]
    with pytest.raises(UserError, match=r'the reference "CT scan" does not begin with a letter'):
        first_letter("CT scan", "p")
