import pytest
from gmai_formats.rows.rules import NOTES, RULES, Problem, printable, shortened


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_a_sentence_with_a_remedy(rule: str) -> None:
    must, remedy = RULES[rule]
    assert must.endswith(".")
    assert remedy.endswith(".")
    assert Problem(rule, "found x").line() == f"found x. {must} {remedy}"


def test_a_problem_goes_on_unless_it_ends_the_file() -> None:
    assert not Problem("json", "x").ends
    assert (Problem("roles", "x").must, Problem("roles", "x").remedy) == RULES["roles"]
    assert len(set(NOTES)) == 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a\ufffd[2Jb"),
        ("a\nb", "a\ufffdb"),
        ("\ud83d", "\ufffd"),
        ("\u202ex", "\ufffdx"),
        ("é 图", "é 图"),
    ],
)
def test_nothing_in_a_line_moves_the_cursor(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_long_text_is_cut_to_its_length() -> None:
    assert shortened("a \n\t b") == "a b"
    assert shortened("x" * 100) == "x" * 100
    assert shortened("x" * 101) == "x" * 99 + "…"
    assert shortened("abcdef", longest=4) == "abc…"
