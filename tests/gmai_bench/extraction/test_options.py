"""The table of disputed answers that the field's parsers disagree on, with the option a reader sees in each."""

import pytest
from gmai_bench.extraction.options import NO_ANSWER, Style, extract, extract_by_all_rules
from hypothesis import given, settings
from hypothesis import strategies as st

ABCD = ("CT", "MRI", "X-ray", "Ultrasound")
NORMAL = ("Normal", "Abnormal")
A, B, C, D, E = range(5)

READ = [
    # (response, choices, option, rule)
    ("b", ABCD, B, "letter_alone"),
    ("B", ABCD, B, "letter_alone"),
    ("A", ABCD, A, "letter_alone"),
    ("(B)", ABCD, B, "letter_alone"),
    ("B.", ABCD, B, "letter_alone"),
    ("**B**", ABCD, B, "letter_alone"),
    ("B. MRI", ABCD, B, "letter_leading"),
    ("B) MRI", ABCD, B, "letter_leading"),
    ("B: MRI", ABCD, B, "letter_leading"),
    ("(b) MRI", ABCD, B, "letter_leading"),
    ("B. MRI, as opposed to A, which uses X-rays", ABCD, B, "letter_leading"),
    ("The correct answer is **B**. Here is why: it is not a CT.", ABCD, B, "marker_letter"),
    ("The correct answer is B. Here is why: option A is not it.", ABCD, B, "marker_letter"),
    (r"So we get \boxed{B}", ABCD, B, "marker_letter"),
    (r"\boxed{\text{B}}", ABCD, B, "marker_letter"),
    ("<answer>B</answer>", ABCD, B, "marker_letter"),
    ("<answer>MRI</answer>", ABCD, B, "marker_text"),
    ("答案是B", ABCD, B, "marker_letter"),
    ("答案：B", ABCD, B, "marker_letter"),
    ("正确答案应为选项B。", ABCD, B, "marker_letter"),
    ("选B。", ABCD, B, "marker_letter"),
    ("我选择C", ABCD, C, "marker_letter"),
    ("答案不是A，而是C。", ABCD, C, "marker_letter"),
    ("Ｂ", ABCD, B, "letter_alone"),
    ("（B）", ABCD, B, "letter_alone"),
    ("（Ｂ）", ABCD, B, "letter_alone"),
    ("B、MRI", ABCD, B, "letter_leading"),
    ("MRI", ABCD, B, "option_text"),
    ("mri.", ABCD, B, "option_text"),
    ("This is an MRI.", ABCD, B, "option_text_mentioned"),
    ("Computed tomography", ABCD, A, "option_text"),
    ("A chest X-ray is shown", ABCD, C, "option_text_mentioned"),
    ("It is not A; the answer is C", ABCD, C, "marker_letter"),
    ("The answer is (D), not (A).", ABCD, D, "marker_letter"),
    ("The answer is not A but C.", ABCD, C, "marker_letter"),
    ("Not B. Not C. I choose D.", ABCD, D, "marker_letter"),
    ("A or B, but B is more likely", ABCD, B, "letter_favoured"),
    ("I think C is correct because A is wrong.", ABCD, C, "letter_favoured"),
    ("Abnormal", NORMAL, B, "option_text"),
    ("The image looks abnormal.", NORMAL, B, "option_text_mentioned"),
    ("It is not normal but abnormal.", NORMAL, B, "option_text_mentioned"),
    ("E", ("v", "w", "x", "y", "z"), E, "letter_alone"),
    ("A. CT\nB. MRI\nC. X-ray\nD. Ultrasound\nAnswer: D", ABCD, D, "marker_letter"),
    ("Answer: B\n\nExplanation: Option A is incorrect.", ABCD, B, "marker_letter"),
    ("Answer: A. No wait. Answer: C", ABCD, C, "marker_letter"),
    ("<think>maybe A or C</think>B", ABCD, B, "letter_alone"),
    ("maybe A or C</think>\n\nB", ABCD, B, "letter_alone"),
    ("Looking at the image, it must be this one.\nB", ABCD, B, "letter_alone"),
    ("Option B fits best.", ABCD, B, "letter_favoured"),
    ("Option A is incorrect, so option B it is.", ABCD, B, "letter_option"),
    ("A is incorrect, C fits.", ABCD, C, "letter_mentioned"),
    ("Neither A nor B. D", ABCD, D, "letter_mentioned"),
    ("answer: b", ABCD, B, "marker_letter"),
    ("The answer is a.", ABCD, A, "marker_letter"),
    ("The answer is a CT scan.", ABCD, A, "marker_text"),
    ("The answer is X-ray", ABCD, C, "marker_text"),
    ("排除A，选C", ABCD, C, "marker_letter"),
    ("本题选C", ABCD, C, "marker_letter"),
    ("C项正确，A项错误", ABCD, C, "letter_favoured"),
    ("因此，最可能的答案是：C. X-ray", ABCD, C, "marker_letter"),
    ("答案：ABD", ABCD, None, "ambiguous"),
    ("C. X-ray\n\nThe image is a projection, whereas A. CT would be a slice.", ABCD, C, "letter_leading"),
    ("The answer is between A and B, I choose B", ABCD, B, "marker_letter"),
    ("The answer is C. I pick this because A is cross-sectional.", ABCD, C, "marker_letter"),
    ("The answer is C: I choose it over A.", ABCD, C, "marker_letter"),
    ("I would choose D over A", ABCD, D, "marker_letter"),
    ("### Final Answer\nC", ABCD, C, "letter_alone"),
    ("Among A, B, C and D, the answer is B.", ABCD, B, "marker_letter"),
    ("The patient has hepatitis B. The answer is C.", ABCD, C, "marker_letter"),
    ("Sorry for the confusion, the answer is C.", ABCD, C, "marker_letter"),
    ("The image is neither CT nor MRI; it is an ultrasound image.", ABCD, D, "option_text_mentioned"),
    ("Rather than CT, this is MRI", ABCD, B, "option_text_mentioned"),
    ("The answer cannot be determined.", ABCD, None, "refused"),
    ("The answer is not B.", ABCD, None, "unparsed"),
    ("No pleural effusion is seen", ("Pleural effusion", "No pleural effusion"), B, "option_text_mentioned"),
    ("There is no fracture", ("Fracture", "Pneumonia"), None, "unparsed"),
    ("不正常", ("正常", "不正常"), B, "option_text"),
    ("这张图是正常的", ("正常", "不正常"), A, "option_text_mentioned"),
    ("magnetic resonance imaging", ("CT(Computed Tomography)", "MR (Mag-netic Resonance Imaging)"), B, "option_text"),
    ("OCT", ("OCT (Optical Coherence Tomography", "CT"), A, "option_text"),
    ("Hepatitis B", ("Hepatitis A", "Hepatitis B"), B, "option_text"),
    ("It shows vitamin B deficiency, that is rickets", ("Scurvy", "Beriberi", "Rickets"), C, "option_text_mentioned"),
    ("It is non-malignant", ("Malignant", "Cyst"), None, "unparsed"),
    ("It measures 1.5 cm", ("1", "5", "1.5"), C, "option_text_mentioned"),
    ("There are 2.", ("1", "2", "3"), B, "option_text_mentioned"),
    ("rh", ("Rh", "RH", "ABO"), None, "unparsed"),
    ("ultrasound", ("US", "Ultrasound"), B, "option_text"),
    ("Yes", ("yes", "no"), A, "option_text"),
    ("No, there is no mass.", ("yes", "no"), B, "option_text_mentioned"),
    ("Either A or C", ABCD, None, "ambiguous"),
    ("A and C", ABCD, None, "ambiguous"),
    ("The answer is A or C.", ABCD, None, "ambiguous"),
    ("A. CT\nB. MRI\nC. X-ray\nD. Ultrasound", ABCD, None, "ambiguous"),
    ("B. CT", ABCD, None, "ambiguous"),
    ("CT or MRI", ABCD, None, "ambiguous"),
    ("It could be yes or no", ("yes", "no"), None, "ambiguous"),
    ("Option A is possible and option B too.", ABCD, None, "ambiguous"),
    ("Sorry, I can't help with medical images.", ABCD, None, "refused"),
    ("I am unable to determine whether it is A or B.", ABCD, None, "refused"),
    ("抱歉，我无法判断。", ABCD, None, "refused"),
    ("", ABCD, None, "empty"),
    ("  \n ", ABCD, None, "empty"),
    ("<think>it may be B", ABCD, None, "unparsed"),
    ("PA view of the chest", ABCD, None, "unparsed"),
    ("MRA of the brain", ABCD, None, "unparsed"),
    ("DNA stain", ABCD, None, "unparsed"),
    ("E", ABCD, None, "unparsed"),
    ("A lesion in the left lung", ABCD, None, "unparsed"),
    ("I think so", ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), None, "unparsed"),
]


@pytest.mark.parametrize(("response", "choices", "option", "rule"), READ, ids=[case[0] or "(empty)" for case in READ])
def test_reads_what_a_reader_reads(response: str, choices: tuple[str, ...], option: int | None, rule: str) -> None:
    found = extract(response, choices, style="letters")
    assert (found.choice, found.rule) == (option, rule)


@pytest.mark.parametrize(
    ("response", "option", "rule"),
    [
        ("MRI", B, "option_text"),
        ("The answer is MRI.", B, "marker_text"),
        ("It is an MRI, not a CT.", B, "option_text_mentioned"),
        ("B", None, "unparsed"),
        ("The answer is B.", None, "unparsed"),
        ("MRI or CT", None, "ambiguous"),
    ],
)
def test_a_letter_that_was_never_shown_means_nothing(response: str, option: int | None, rule: str) -> None:
    found = extract(response, ABCD, style="text")
    assert (found.choice, found.rule) == (option, rule)


def test_option_texts_that_are_letters_are_options_when_shown_as_text() -> None:
    assert extract("B", ("A", "B", "AB", "O"), style="text").choice == B
    assert extract("AB", ("A", "B", "AB", "O"), style="text").choice == C


def test_the_same_response_is_always_read_the_same_way() -> None:
    assert {extract(response, choices, style="letters") for response, choices, *_ in READ[:1] * 50} == {
        extract("b", ABCD, style="letters")
    }


PIECES = st.sampled_from(
    [
        *("A", "b", "(C)", "D.", "MRI", "ct", "X-ray", "option", "I choose", "**", " ", "\n", "，", "。", "İ"),
        *("Answer:", "答案是", "选", "\\boxed{", "}", "<answer>", "<think>", "</think>"),
        *("不", "而是", "not", "is", "or", "sorry", "cannot"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES | st.text(max_size=3), max_size=12).map(" ".join), st.sampled_from(["letters", "text"]))
def test_any_response_has_an_option_or_a_reason(response: str, style: Style) -> None:
    found = extract(response, ABCD, style=style)
    assert (found.choice is None) == (found.rule in NO_ANSWER)
    assert found.choice is None or 0 <= found.choice < len(ABCD)
    assert extract(response, ABCD, style=style) == found


@pytest.mark.parametrize(
    "form", ["C. {}", "(C) {}", "**C. {}**", "Answer: C. {}", "The correct answer is (C) {}.", "Seen.\n\nC. {}"]
)
@pytest.mark.parametrize("text", ["The answer is A", "so B", "→ A", "therefore B", "Not seen; B"])
def test_an_option_that_sounds_like_an_answer_is_one_behind_its_letter(form: str, text: str) -> None:
    assert extract(form.format(text), ("CT", "MRI", text, "US"), style="letters").choice == 2


@pytest.mark.parametrize(
    ("response", "choices", "option", "rule"),
    [
        ("B. 6.98%", ("5%", "6.98%"), B, "letter_leading"),
        ("B. Normal.", ("Abnormal", "Normal"), B, "letter_leading"),
        ("A. Normal", ("Abnormal", "A. Normal"), B, "option_text"),  # the text of another option
        ("Z. Normal", ("Abnormal", "Normal"), B, "option_text_mentioned"),  # a letter of no option
        ("B. CT", ("CT", "MRI"), None, "ambiguous"),  # the text of another letter
        ("A. type 1; so B", ("type 1; so B", "type 2"), A, "letter_leading"),  # ends in a letter of its own
        ("A. wait, no: B", ("wait, no: B", "CT"), None, "ambiguous"),  # sounds like a second thought
        ("C", ("CT", "MRI"), None, "unparsed"),
        ("(B).", ("B", "A"), B, "letter_alone"),  # texts that are letters
        ("**B**", ("B", "A", "D", "C"), B, "letter_alone"),
    ],
)
def test_short_answers_are_read_without_a_look_at_all_options_as_with_it(
    response: str, choices: tuple[str, ...], option: int | None, rule: str
) -> None:
    for text in (response, f" {response}", f"{response}\n"):
        found = extract(text, choices, style="letters")
        assert (found.choice, found.rule) == (option, rule)


@pytest.mark.parametrize(
    "after",
    [
        "Wait: III is also correct, thus all three hold.",
        "Wait, II and III hold too, so it is all of them.",
        "Actually, no. III was overlooked, therefore more than two hold.",
    ],
)
def test_a_second_thought_that_concludes_something_unread_takes_the_first_back(after: str) -> None:
    held = ("I and II only", "II and III only", "I and III only", "I, II and III")
    assert extract(f"I and II are correct, so A. {after}", held, style="letters").choice is None
    assert extract("I and II are correct, so A. Wait, no: so it remains.", held, style="letters").choice == A


@pytest.mark.parametrize("said", ["C. 2.14 m^2", "C. 2.14 m²", "C) 2.14m^2", "The answer is C. 2.14 m²"])
def test_a_letter_and_its_text_agree_where_blanks_or_carets_differ(said: str) -> None:
    assert extract(said, ("1.2 m^2", "3 m^2", "2.14 m^2", "5 m^2"), style="letters").choice == C
    assert extract(said, ("1.2 m^2", "2.14 m^2", "4.12 m^2", "5 m^2"), style="letters").choice is None


@pytest.mark.parametrize("said", ["Answer: (B) MRI", "The correct answer is B. MRI", "Final answer: (B)MRI."])
def test_an_announced_letter_with_its_text_is_told_at_once(said: str) -> None:
    found = extract(said, ("CT", "MRI", "X-ray"), style="letters")
    assert found == extract_by_all_rules(said, ("CT", "MRI", "X-ray"), style="letters")
    assert (found.choice, found.rule) == (B, "marker_letter")


def test_a_text_and_the_letter_of_another_option_are_no_answer() -> None:
    for response in ("Yes. B", "Yes. (B).", "No. A", "Yes! **B**"):
        assert extract(response, ("Yes", "No"), style="letters").choice is None
    assert extract("Yes. A", ("Yes", "No"), style="letters").choice == 0
    assert extract("D. C", ("B", "A", "D", "C"), style="letters").choice is not None  # letters only
    assert extract("Yes. B", ("Yes", "No"), style="text").choice == 0


SAID = st.sampled_from(
    [
        *(
            "I'm sorry",
            "I am unable to",
            "I can't",
            "help",
            "see the image",
            "tell",
            ", ",
            ". ",
            " ",
            "\n",
            "but",
            "However, ",
            "a",
            "I",
        ),
        *(
            "Answer: B",
            "B",
            "(B)",
            "B. ",
            "MRI",
            "a scan",
            "X-ray",
            "option",
            "the answer is",
            "5 mm",
            "two",
            "if forced, ",
            "wait, ",
        ),
        *("\\boxed{A}", "no", "Sorry", "medical advice", "as an AI", "could be", "~~", "Question: ", "text", "’", "'s"),
    ]
)
SETS = (
    ABCD,
    ("5 mm", "2 mm", "12 mm"),
    ("a scan", "the image", "help", "text"),
    ("Two", "Three", "I can't tell"),
    ("B", "A", "x (sorry)"),
    ("one", "two", "three", "four", "five", "six", "seven", "text", "see the image", "MRI of a text"),
)


@settings(max_examples=3000, deadline=None)
@given(st.lists(SAID, min_size=1, max_size=9).map("".join), st.sampled_from(SETS))
def test_what_is_read_at_once_is_read_so_by_all_rules(response: str, choices: tuple[str, ...]) -> None:
    assert extract(response, choices, style="letters") == extract_by_all_rules(response, choices, style="letters")
