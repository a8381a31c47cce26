"""Every usual form of an answer over options that sound like something else: letters, refusals, denials, formulas."""

import pytest
from gmai_bench.extraction.agreement import agreeing_line, agreeing_lines, agreeing_places, agreeing_start
from gmai_bench.extraction.options import extract

LETTERS = "ABCDEFGHIJ"

SETS = {
    "letters in another order": ("E", "B", "C", "A"),
    "letters swapped": ("B", "A", "D", "C"),
    "lists of letters": ("A, C, D", "D, A, C", "C, D, A", "B, D"),
    "letters only": ("A and C only", "B only", "A, B and C", "All except D"),
    "blood groups": ("O", "A", "B", "AB"),
    "regions": ("Region C", "Region A", "Region D", "Region B"),
    "refusals": ("Benign", "Unable to determine", "Cannot be determined from the image", "I don't know"),
    "refusals that are alike": (
        "Cannot be determined",
        "Cannot be determined from the image",
        "Unable to answer",
        "Yes",
    ),
    "denials": ("No", "Not seen", "None of the above", "No evidence of fracture"),
    "denials of each other": ("Normal", "Not normal", "Neither normal nor abnormal", "Abnormal"),
    "wrong and incorrect": ("Incorrect placement of the tube", "Wrong patient", "Correct placement", "Excluded"),
    "formulas": ("A = πr^2", "P = F v", "$\\frac{B}{A}$", "C_{12}H_{22}O_{11}"),
    "numbers": ("4", "2", "1", "3"),
    "numbers and signs": ("< 5 mm", "> 5 mm", "1.5", "15"),
    "sentences": (
        "Treat as outpatient. Repeat the scan",
        "Treat",
        "Because of the fever, admit",
        "Wait. The answer is clear since nothing moves",
    ),
    "markup": ("**CT**", "`MR`", "X_1", "{US}"),
    "equal": ("CT", "MR", "MR", "US"),
    "ten": tuple(f"finding {number}" for number in range(10)),
    "ten letters": ("J", "I", "H", "G", "F", "E", "D", "C", "B", "A"),
    "chinese": ("不能确定", "无", "没有异常", "以上都不是"),
}

FORMS = (
    "{x}", "({x})", "{x}.", "{x})", "[{x}]", "**{x}**", "**({x})**", "`{x}`", '"{x}"', "${x}$", "\\( {x} \\)",
    "\\[{x}\\]", "\\text{{{x}}}", "$\\text{{{x}}}$", "\\boxed{{{x}}}", "$\\boxed{{\\text{{{x}}}}}$",
    "Answer: {x}", "Answer: \\( {x} \\)", "The answer is {x}", "The answer is {x}.", "The answer is ({x}).",
    "**Answer:** {x}", "**Answer: {x}**", "The correct answer is **{x}**.", "Final answer: $\\text{{{x}}}$",
    "答案：{x}", "答案是{x}。", "<answer>{x}</answer>", "<answer>({x})</answer>", '{{"answer": "{x}"}}',
    "<think>A or B?</think>{x}",
    "Looking at it closely:\n\n{x}", "Looking at it closely:\n\n**{x}**", "It takes a while.\n$$\n{x}\n$$",
    "```\n{x}\n```",
)  # fmt: skip
"""The letter alone, wrapped."""

WITH_TEXT = (
    "{x}. {t}", "({x}) {t}", "{x}) {t}", "{x}: {t}", "**{x}. {t}**", "**{x}**. {t}", "**({x})** {t}", "{x}. {t}.",
    "Option {x}: {t}", "Answer: {x}. {t}", "Answer: ({x}) {t}", "**Answer: {x}. {t}**", "The answer is {x}. {t}",
    "The answer is ({x}) {t}.", "The correct answer is **{x}. {t}**", "Final Answer: {x}) {t}", "\\boxed{{{x}. {t}}}",
    "<answer>{x}. {t}</answer>", "答案：{x}. {t}",
    "I would look again.\n\n{x}. {t}", "It is a hard one.\n\n**{x}. {t}**",
    "Since P = F v with F = 12 N and A = 3 m2,\n\n{x}. {t}",
    "With A = 2 and B = 3 the ratio C is 1.5.\n\n**{x}. {t}**",
    "{x}. {t}\n\nThis fits what the image shows best.", "## Final answer\n\n{x}. {t}\n",
    "<think>maybe A, maybe B</think>\n\n{x}. {t}",
)  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_a_letter_in_any_wrapping_is_a_letter(name: str) -> None:
    wrong: list[str] = []
    for index, _ in enumerate(SETS[name]):
        for form in FORMS:
            response = form.format(x=LETTERS[index])
            found = extract(response, SETS[name], style="letters")
            if found.choice != index:
                wrong.append(f"{response!r} is {LETTERS[index]}, read {found}")
    assert not wrong


@pytest.mark.parametrize("name", SETS)
def test_a_letter_and_its_own_text_decide(name: str) -> None:
    wrong: list[str] = []
    for index, text in enumerate(SETS[name]):
        for form in WITH_TEXT:
            response = form.format(x=LETTERS[index], t=text)
            found = extract(response, SETS[name], style="letters")
            if found.choice is None or (found.choice != index and SETS[name][found.choice] != text):
                wrong.append(f"{response!r} is {LETTERS[index]}, read {found}")
    assert not wrong


@pytest.mark.parametrize("name", SETS)
def test_an_options_own_text_is_that_option_where_no_letters_were_shown(name: str) -> None:
    for text in SETS[name]:
        found = extract(text, SETS[name], style="text")
        assert found.choice == SETS[name].index(text), (text, found)


@pytest.mark.parametrize(
    ("response", "choices"),
    [
        ("B. CT", ("CT", "MR")),
        ("A. CT\nB. MR", ("CT", "MR")),
        ("A. CT B. MR", ("CT", "MR")),
        ("**A.** CT\n**B.** MR\n", ("CT", "MR")),
        ("A. Cannot be determined is wrong", ("Cannot be determined", "MR")),
        ("I cannot determine this from the image.", ("Yes", "No", "Maybe")),
        ("I'm sorry, I can't help with that.", ("Benign", "Unable to determine")),
        ("The options are A. CT and B. MR, hard to say", ("CT", "MR")),
    ],
)
def test_what_names_none_or_several_stays_undecided(response: str, choices: tuple[str, ...]) -> None:
    assert extract(response, choices, style="letters").choice is None


ABC = ("CT", "Cannot be determined", "Cannot be determined from CT")


def test_lines_and_starts() -> None:
    assert agreeing_line("**B. cannot be determined**", ABC) == 1
    assert agreeing_line("Cannot be determined from CT (C)", ABC) == 2
    assert agreeing_line("B. CT", ABC) is None
    assert agreeing_line("B. " + "cannot be determined " * 20, ABC) is None
    assert agreeing_start("C. Cannot be determined from CT, since it is dark", ABC) == 2
    assert agreeing_start("B. Cannot be determined from CT", ABC) is None
    assert agreeing_start("A. CT is wrong", ABC) is None
    assert agreeing_start("A. CTA of the chest", ABC) is None


def test_options_repeated_as_they_were_shown_are_no_answer() -> None:
    shown = "A. CT\nB. Cannot be determined\nC. Cannot be determined from CT"
    assert agreeing_lines(shown, ABC) == []
    assert agreeing_lines(f"{shown}\n\nB. Cannot be determined", ABC) == [1]
    assert agreeing_lines("B. Cannot be determined\nA. CT", ABC) == [1, 0]


def test_letter_and_text_anywhere() -> None:
    assert agreeing_places("Looking at it, C) cannot be determined from CT.", ABC) == [2]
    assert agreeing_places("It is not B, cannot be determined", ABC) == []
    assert agreeing_places("A, CT, or B, cannot be determined", ABC) == [0, 1]


FOUR = ("CT", "MRI", "X-ray", "Ultrasound")


@pytest.mark.parametrize(
    "shown",
    [
        "(A) CT\n(B) MRI\n(C) X-ray\n(D) Ultrasound",
        "(A) CT  \n(B) MRI  \n(C) X-ray  \n(D) Ultrasound  ",
        "A. CT\n\nB. MRI\n\nC. X-ray\n\nD. Ultrasound",
        "- **A.** CT\n- **B.** MRI\n- **C.** X-ray\n- **D.** Ultrasound",
        "(A) CT (B) MRI (C) X-ray (D) Ultrasound.",
        "(A) CT\n(B) MRI\n(C) X ray\n(D) Ultrasound",  # one is not as it was shown
        "(A) CT\n(B) M",
    ],
)
def test_who_repeats_the_options_and_is_cut_off_has_not_chosen_the_last(shown: str) -> None:
    for behind in ("", "\n\nTo solve this, let us look at the image", "\n\nNone of the options fits."):
        response = f"The question is: what is shown?\n\nOptions:\n{shown}{behind}"
        assert agreeing_places(response, FOUR) == []
        assert extract(response, FOUR, style="letters").choice is None
    assert agreeing_places(f"{shown}\n\nThe bone is dark, as on (B) MRI.", FOUR) == [1]


def test_an_article_is_no_letter_beside_a_text() -> None:
    response = "A CT or an MRI could show this, but the one that is shown is an X-ray."
    assert agreeing_start(response, FOUR) is None
    assert agreeing_places(response, FOUR) == []
    assert agreeing_line("A CT", FOUR) == 0
