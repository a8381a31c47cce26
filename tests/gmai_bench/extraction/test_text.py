import pytest
from gmai_bench.extraction.legacy import medevalkit_exact
from gmai_bench.extraction.options import extract
from gmai_bench.extraction.text import find_whole, strip_thoughts, unify


@pytest.mark.parametrize(
    ("response", "rest"),
    [
        ("<think>A or C</think>B", "B"),
        ("A or C</think>B", "B"),
        ("B<think>cut off", "B"),
        ("<think>a</think> b </think> c <think> d", "c"),
        ("<think><think>x</think>y</think>z", "z"),
        ("◁think▷x◁/think▷y", "y"),
        ("[THINK]x[/THINK]y", "y"),
        ("<unused94>x<unused95>y", "y"),
        ("I think so", "I think so"),
        ("a < b", "a < b"),
        ("<think>" * 5000 + "B", ""),
        ("<think>x</think>" + "<think>" * 5000 + "B", ""),
        ("<think>" * 5000 + "</think>B", "B"),
    ],
)
def test_thoughts_are_taken_out(response: str, rest: str) -> None:
    assert strip_thoughts(response).strip() == rest


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "<think>",
            "[think]",
            "<thought>",
            "A and B are wrong. ",
            "CT ",
            "No CT ",
            "answer is ",
            "I choose ",
            "A, B, ",
        ),
        *("\\boxed{", "<answer>", "A. CT\n", "选", '"answer": "', "Option A ", "cannot help ", "**", "A = 3, "),
        *("Wait, ", "no, wait", "CT? ", "[x] ", "A, B, C", "CT would show "),
    ],
)
@pytest.mark.timeout(60)
def test_no_rule_costs_the_square_of_an_answers_length(unit: str) -> None:
    text = unit * (200_000 // len(unit)) + " The answer is"  # minutes, were it a square
    assert extract(text, ("CT", "MR", "A, C"), style="letters").rule
    assert not medevalkit_exact(text, "ct", closed=True)


def test_unicode_forms_are_unified() -> None:
    assert unify(" （Ｂ）‑’x\r\ny ") == "(B)-'x\ny"


def test_whole_words_only() -> None:
    assert find_whole("abnormal", "normal") == -1
    assert find_whole("it is normal.", "normal") == 6
    assert find_whole("1.5 cm", "5") == -1
    assert find_whole("grade 2 or 3", "grade 2") == -1
