"""Answers as models write them, in English and Chinese, with the option a reader sees.

answers.tsv names the rule too. The verdicts of the other files stood before the rules were tried on them.
"""

import csv
import json
from pathlib import Path

import pytest
from gmai_bench.extraction.options import Extraction, extract, extract_by_all_rules, extract_set

LETTERS = "ABCDEFGHIJ"
ABCD = ("CT", "MRI", "X-ray", "Ultrasound")


def table() -> list[tuple[str, tuple[str, ...], str, str]]:
    with (Path(__file__).parent / "answers.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(json.loads(r["response"]), tuple(r["options"].split("; ")), r["letter"], r["rule"]) for r in rows]


def test_answers_read_by_a_person_are_never_read_otherwise_and_seldom_not_at_all() -> None:
    """Of each part 95, 96, 95, 75, 84, 91, 93, 75 of 100 were read right when fresh, 0, 5, 4, 21, 12, 5, 0, 2 guessed.

    The last five, of 300, 179, 113, 104 and 55, are second_thoughts.tsv: second thoughts, tables, lists, answers that
    were cut, long reasoning. 74 of them are not in it, for they are still not read (50), read where a person could
    not tell (23), or read as another option (1). models_2026.tsv is two more parts, of 278 (reasoning traces, JSON,
    calls of tools, tables, ten languages, units, denials, pairs of images: 260 read right, 1 guessed when fresh) and of
    90 traps and variants of what was mended then (69 and 8; three that are still guessed are not in it: "Options: A",
    "Pneumonia (not excluded)", "Which of these is wrong: D?"). Its last part, of 119 in other styles (eight languages,
    chances, rankings, "the latter", units, slang): 96 read right when fresh, none guessed; 13 are still not read.
    continued.tsv is of 124 (chat and base models, traces, JSON, tables, eliminations: 101 read right, 1 guessed when
    fresh), 84 after what they showed was mended (72 and 1), and 40 near misses of what was mended; 20 that
    are still not read are not in it. odd_2026.tsv is of 124 (100 read right, 3 guessed when fresh; what a thought alone
    says and what is left when all others are denied count as no answer) and 34 variants of what was mended then, five
    guessed when fresh; nine that are still not read are not in it. fresh_2026.tsv is of 210 mostly short ones (192 read
    right, 6 guessed when fresh) and of 108 longer ones with denials, corrections and nested options, written when those
    were mended (85 and 5); and 76 when these were (67 and 1); those that may fairly be read or not are in it as they
    are read, and fourteen that are still not read or guessed are not ("A: B", "Aspirin should not be started.",
    "Pneumonia with parapneumonic effusion"). late_2026.tsv is of 227 (214 read right, 1 guessed when fresh) and 264
    (223 and 6, of which two verdicts, "LLL" and "VT", were mistaken), of 171 after what they showed was mended (154 and
    4), and of 60 near misses of what was mended (47 and 6); those that are still not read, and four that are guessed
    ("Option 3" of numbers, "D fits better if …"), are not in it.
    """
    rows: list[dict[str, str]] = []
    names = (
        "read_by_a_person",
        "second_thoughts",
        "restated",
        "models_2026",
        "continued",
        "odd_2026",
        "fresh_2026",
        "late_2026",
    )
    for name in (f"{name}.tsv" for name in names):
        with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    otherwise: list[tuple[str, str, str]] = []
    not_read: list[str] = []
    for row in rows:
        response: str = json.loads(row["response"])
        found = extract(response, tuple(row["options"].split("; ")), style="letters").choice
        read = "-" if found is None else LETTERS[found]
        if read == "-" != row["letter"]:
            not_read.append(response)
        elif read != row["letter"]:
            otherwise.append((response, row["letter"], read))
    assert len(rows) > 3000
    assert not otherwise
    assert len(not_read) < 0.01 * len(rows), not_read


def test_what_is_told_at_once_is_what_all_rules_find() -> None:
    hostile: tuple[tuple[str, ...], ...] = (
        *(
            ("A", "B", "C"),
            ("B", "A"),
            ("The answer is A", "x"),
            ("answer is B", "so B"),
            ("Answer: A", "Answer", "is A"),
        ),
        *(("A.", "(A)"), ("I", "am"), ("\\boxed{A}", "{A}"), ("option is A", "B. x"), ("", "A"), ("答案", "C"), ABCD),
        *(
            ("$5,000", "-.5", "(3/4) A", "5 kN.m", "\\(2\\pi\\)", "< 5 mm", "[H+]", "30° N", "can't", "text"),
            ("Cannot be determined", "I can't assist with that", "I'm sorry", "not able to help"),
            ("Yes. B", "B. Yes", "wait, A", "No, actually B", "A... no, B", "the image", "help", "option a"),
            ("the correct answer", "(1), (2)", "a, b", "<think>A</think>", "~~A~~", "x\nB. y", "5 mm", "5mm"),
        ),
    )
    wrappings = (
        "X",
        "(X)",
        "X.",
        "Answer: X",
        "Answer: (X).",
        "The answer is X.",
        "\\boxed{X}",
        "答案是X。",
        "**Answer: X**",
        *(
            "Answer: \\( \\text{X} \\)",
            "Answer: \\( \\text{(X)} \\)",
            "Answer: \\(\\textbf{(X)}\\)",
            "Answer: \\( X \\)",
        ),
        *("Answer: \\boxed{X}", "Answer: $\\boxed{X}$", "Answer: $X$", "Answer: \\(X\\)", "Answer: \\(\\text{X}\\)"),
    )
    below = (
        "Because x.\n\nAnswer: X",
        "Seen: (B) y\nAnswer: (X)",
        "so\n\n\\boxed{X}",
        "\\boxed{A} or\n\\boxed{X}",
        "x [T\nAnswer: X",
    )
    below += ("Answer: A\nQuestion: y\nAnswer: X", "<think>a\nAnswer: X", "~~Answer: A~~\nAnswer: X", "A\r\nAnswer: X")
    wrappings += below
    refusals = (
        "I'm sorry, I can't assist with that.",
        "I'm unable to view the image. Please describe it, so I can help.",
        "I’m sorry, but I can’t see the table. However, I can help with a text, if you describe it.",
        "I'm sorry, I can't tell. Option I fits. It is I",
        "I'm not able to help. If forced, 5mm",
        "I can't provide medical advice. Wait, the text.",
        "I cannot determine the answer, but the answer would be text if it were seen.",
        "Sorry, I can't say whether a choice a doctor makes is help.",
        "I'm sorry, but I can't determine the correct answer based on the image.",
        "I'm sorry. I can't help with that",
        "I am unable to identify the correct option from the options given.",
        "I'm not able to interpret a text, a, b or the image.",
        "I'm sorry, I can't read it, but i think a",
        "I'm unable to help, so the answer is a",
    )
    pairs: list[tuple[str, tuple[str, ...]]] = [
        (form.replace("X", letter), own) for own in hostile for form in wrappings for letter in "ABCI"
    ]
    pairs += [(refusal, own) for own in hostile for refusal in refusals]
    for path in sorted(Path(__file__).parent.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                own = tuple(row["options"].split("; "))
                pairs.append((json.loads(row["response"]), own))
                hostile = (*hostile, own) if len(pairs) % 8 == 0 else hostile
    for own in hostile:
        for n, (letter, text) in enumerate(zip(LETTERS, own, strict=False)):
            other = own[n - 1]
            for said in (
                text,
                f"{text}.",
                f"**{text}**",
                text.replace(" ", ""),
                f"${text}$",
                other,
                f"{text}. {letter}",
            ):
                pairs.append((f"{letter}. {said}", own))
            pairs.append((f"The answer is ({letter}) {text}", own))
    assert len(pairs) > 9000
    assert not [
        pair for pair in pairs if extract(*pair, style="letters") != extract_by_all_rules(*pair, style="letters")
    ]


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
