import pytest
from gmai_bench.extraction.legacy import medevalkit_exact
from gmai_bench.extraction.options import extract
from gmai_bench.extraction.text import find_whole, initials_of, places_of, strip_thoughts, unify, words_of


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
        ('{"reasoning": "B looks likely', ""),
        ('```json\n{"step_by_step_thinking": "A \\"or\\" B', ""),
        ('{"reasoning": "x", "answer": "B', '{"reasoning": "x", "answer": "B'),
        ('{"answer": "B', '{"answer": "B'),
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


def test_words_are_runs_of_letters_and_digits_in_small_letters() -> None:
    assert words_of("T2-weighted MRI: No. 5, n't_x") == {"t2", "weighted", "mri", "no", "5", "n", "t", "x"}
    assert words_of("答案是MRI。Ménière") == {"mri", "m", "ni", "re"}


def test_places_of_words_begin_within_bounds() -> None:
    text = "answer, Answer, answer"
    assert places_of(text, ("answer", "x")) == [(0, "answer"), (16, "answer")]
    assert places_of(text, ("answer",), 1, 16) == []


def test_initials_are_of_runs_of_letters() -> None:
    assert initials_of("Magnetic resonance-imaging (MRI) of T2 weights") == "mrimotw"
