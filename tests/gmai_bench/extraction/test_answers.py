"""answers.tsv: answers as models write them, in English and Chinese, with the option a reader sees and the rule."""

import csv
import json
from pathlib import Path

import pytest
from gmai_bench.extraction.options import Extraction, extract, extract_set

LETTERS = "ABCDEFGHIJ"
ABCD = ("CT", "MRI", "X-ray", "Ultrasound")


def table() -> list[tuple[str, tuple[str, ...], str, str]]:
    with (Path(__file__).parent / "answers.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(json.loads(r["response"]), tuple(r["options"].split("; ")), r["letter"], r["rule"]) for r in rows]


@pytest.mark.parametrize("rule", sorted({row[3] for row in table()}))
def test_each_answer_is_read_by_its_rule(rule: str) -> None:
    wrong: list[tuple[str, str, str]] = []
    for response, options, letter, due in table():
        if due == rule:
            found = extract(response, options, style="letters")
            read = "-" if found.choice is None else LETTERS[found.choice]
            if (read, found.rule) != (letter, due):
                wrong.append((response, f"due {letter} by {due}", f"read {read} by {found.rule}"))
    assert not wrong


def test_the_table_is_long_and_mostly_disagreeable() -> None:
    assert len(table()) > 600
    assert sum(letter == "-" for *_, letter, _ in table()) > 100


@pytest.mark.parametrize(
    ("response", "letters", "rule"),
    [
        ("A and C", "AC", "letter_set"),
        ("ACD", "ACD", "letter_set"),
        ("a, c", "AC", "letter_set"),
        ("(a) and (c)", "AC", "letter_set"),
        ("Ａ、Ｃ", "AC", "letter_set"),
        ("答案：AC", "AC", "marker_set"),
        ("\\boxed{\\text{A, C}}", "AC", "marker_set"),
        ('{"answer": "A, C"}', "AC", "marker_set"),
        ("Both A and C, but not B", "AC", "letter_set"),
        ("A and C are correct; B and D are incorrect.", "AC", "letter_set"),
        ("Neither A nor B, so C and D", "CD", "letter_set"),
        ("CT and X-ray", "AC", "option_text_set"),
        ("A, E", "", "unparsed"),
        ("Sorry, I can't help with that", "", "refused"),
        ("", "", "empty"),
    ],
)
def test_several_letters_are_a_set_in_multiple_choice(response: str, letters: str, rule: str) -> None:
    found, fired = extract_set(response, ABCD)
    assert ("".join(LETTERS[i] for i in sorted(found)), fired) == (letters, rule)


def test_a_letter_in_front_of_another_options_text_is_no_answer() -> None:
    assert extract("The answer is (B) CT", ABCD, style="letters") == Extraction(None, "ambiguous")
