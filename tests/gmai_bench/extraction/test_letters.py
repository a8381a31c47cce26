import pytest
from gmai_bench.extraction.letters import (
    leading_letter,
    letter_alone,
    letter_behind_colon,
    letter_below_colon,
    lone_capitals,
    marked_letter,
    mentioned_letters,
)

FOUR = ("CT", "MRI", "X-ray", "Ultrasound")
TEN = tuple(f"finding {n}" for n in range(10))
REGIONS = ("Region C", "Region A", "Region D", "Region B")


@pytest.mark.parametrize(
    "line", ["B", "b.", "(B)", "**B**", "<B>", "$B$", "\\( B \\)", "\\text{B}", "Option B", "> B", "B;"]
)
def test_a_letter_in_any_wrapping(line: str) -> None:
    assert letter_alone(line, 4) == 1


@pytest.mark.parametrize("line", ["E", "AB", "A B", "B is right", "", "pick a", "x" * 50, "5"])
def test_no_letter_alone(line: str) -> None:
    assert letter_alone(line, 4) is None


def test_a_letter_opens_unless_it_is_denied_or_one_of_a_list() -> None:
    assert leading_letter("(B) because", 4) == 1
    assert leading_letter("B. is wrong", 4) is None
    assert leading_letter("A. CT B. MRI", 4) is None
    assert leading_letter("A. CT\n**B.** MRI", 4) is None
    assert leading_letter("E. none", 4) is None
    assert leading_letter("1.5 B.", 4) is None


@pytest.mark.parametrize(
    ("text", "choices", "letters"),
    [
        ("either A or C", FOUR, [0, 2]),
        ("A lesion", FOUR, []),
        ("vitamin B and type A", FOUR, []),
        ("T-A and n/A", FOUR, []),
        ("not A but B", FOUR, [1]),
        ("A, C and D are wrong", FOUR, []),
        ("A = 3 and B = 4, so C", FOUR, [2]),
        ("F = A + B", FOUR, []),
        ("Region C and Region A", REGIONS, []),
        ("C, near Region A", REGIONS, [2]),
        ("B, I", TEN, [1, 8]),
        ("I think so", TEN, []),
        ("(I)", TEN, [8]),
        ("B, I", FOUR, [1]),
    ],
)
def test_mentions_of_letters(text: str, choices: tuple[str, ...], letters: list[int]) -> None:
    assert mentioned_letters(text, choices) == letters


def test_a_bold_letter_behind_a_colon() -> None:
    assert letter_behind_colon("From once daily to twice daily: **C**", 4) == 2
    assert letter_behind_colon("This fits one of them:** **(C)**.", 4) == 2
    for line in ("Least likely: **C**", "They are not: **C**", "Best: C", "Best: **F**", "**C**"):
        assert letter_behind_colon(line, 4) is None


def test_a_letter_below_a_line_that_ends_in_a_colon() -> None:
    assert letter_below_colon("So it is 3.\n\nThe closest option is:\n\n**D. \\( \\sqrt{3} \\) A**", 4) == 3
    for text in ("D. 3", "The closest is\nD. 3", "It is not:\nD. 3", "The closest is:\nA. 1\nD. 3", "It is:\nF. 3"):
        assert letter_below_colon(text, 4) is None


def test_small_letters_that_number_the_parts_of_an_answer_are_no_options() -> None:
    assert leading_letter("b. C  \nd. B  \nf. H", 8) is None
    assert leading_letter("b. CT\nIt is dark.", 4) == 1


def test_lone_capitals_are_no_articles_and_no_letters_beyond_the_options() -> None:
    assert lone_capitals("A lesion in B, T2 or D; E. CA, (A lesion)", 4) == ((12, 1), (21, 3), (32, 0))
    assert lone_capitals("a and b", 4) == ()


def test_a_small_letter_counts_behind_a_marker() -> None:
    assert marked_letter("b) MRI", FOUR) == [1]
    assert marked_letter("a CT scan", FOUR) == []
    assert marked_letter("(D), not (A)", FOUR) == [3]
