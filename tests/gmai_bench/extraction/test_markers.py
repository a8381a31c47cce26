import pytest
from gmai_bench.extraction import markers
from gmai_bench.extraction.markers import (
    after_second_thought,
    answer_after_refusal,
    before_next_question,
    closing_letter,
    concluding_sentence,
    favoured_letters,
    marked_spans,
    option_letters,
    refuses,
    when_forced,
    without_reasons,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def spans(text: str) -> list[str]:
    return [span.text for span in marked_spans(text)]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("The answer is (D), not (A)", "(D), not (A)"),
        ("Answer: B. MRI", "B. MRI"),
        ("The answer is B. Here is why", "B"),
        ("Answer: A. Answer: C", "C"),
        ("\\boxed{\\text{B}}", "B"),
        ("<answer>B", "B"),
        ('{"answer": "B", "why": "x"}', "B"),
        ("I choose B because A is wrong", "B"),
        ("答案是B", "B"),
        ("不是A,而是C", "C"),
        ("My choice is C", "C"),
        ("\\boxed{15 \\text{ mg}}", "15 \\text{ mg}"),
        ("所以考虑C", "C"),
        ("### Response: C", "C"),
    ],
)
def test_the_last_marker_announces(text: str, last: str) -> None:
    assert spans(text)[0] == last


@pytest.mark.parametrize(
    "text",
    [
        "They choose B",
        "the wrong answer is B",
        "the answer choices are",
        "I choose it over A",
        "Complete response: B",
        "考虑C",
    ],
)
def test_no_marker(text: str) -> None:
    assert spans(text) == []


def test_a_span_keeps_its_whole_line_beside_the_sentence() -> None:
    (span,) = marked_spans("Answer: B. Treat as outpatient. Repeat\nmore")
    assert (span.text, span.line.strip()) == ("B. Treat", "B. Treat as outpatient. Repeat")


def test_a_loop_of_markers_is_looked_at_from_its_end() -> None:
    assert spans("answer is A\n" * 3000 + "answer is B")[0] == "B"
    assert len(spans("answer is A\n" * 3000)) <= 400


def test_closing_letters() -> None:
    assert closing_letter("The answer is (B).") == "B"
    assert closing_letter("$\\boxed{C}$") == "C"
    assert closing_letter("答案:D") == "D"
    assert closing_letter("the wrong answer is B") is None


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("I cannot determine this.", True),
        ("I'm sorry, but I can't help", True),
        ("As an AI, I do not diagnose", True),
        ("抱歉，我无法判断", True),
        ("Sorry for the confusion, B", False),
        ("The lesion cannot be seen on MRI", False),
        ("it is not possible to miss", False),
    ],
)
def test_refusals(text: str, refused: bool) -> None:
    assert refuses(text) is refused


def test_what_stands_behind_a_refusal_and_in_a_conclusion() -> None:
    assert answer_after_refusal("I cannot help, but it looks like CT").strip() == "it looks like CT"
    assert answer_after_refusal("I cannot help, but I do not know") == ""
    assert without_reasons("MRI, because CT would show bone.") == "MRI,  ."
    assert concluding_sentence("It may be CT. Therefore it is MRI.") == "Therefore it is MRI."
    assert concluding_sentence("It may be CT. It is MRI.") == ""


def test_letters_said_to_be_best_and_options() -> None:
    text = "A is wrong; C is the most likely"
    assert {text[a:b] for a, b in favoured_letters(text, [0, 12])} == {"C"}
    text = "Option B fits, not option (c)"
    assert [text[a:b] for a, b in option_letters(text)] == ["B", "(c)"]


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("B\n\nQuestion: What stain?\nAnswer: A", "B"),
        ("B\n### Question 2:\nAnswer: A", "B"),
        ("B<|im_end|>\n<|im_start|>user", "B"),
        ("B\n问题:下图?\n答案:A", "B"),
        ("Question: What stain?\nAnswer: A", "Question: What stain?\nAnswer: A"),
        ("B answers the question. It is B.", "B answers the question. It is B."),
    ],
)
def test_what_stands_before_a_question_of_the_models_own(text: str, own: str) -> None:
    assert before_next_question(text) == own


def test_an_answer_that_ends_in_line_breaks_without_end_is_read_at_once() -> None:
    """A model that repeats itself writes them to its last token; looked at from each of them, they take minutes."""
    text = "B" + "\n \n" * 50_000 + "."
    assert before_next_question(text) == text


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("A... no, B.", "B."),
        ("(A), no, it's (B)", "it's (B)"),
        ("A? No, B", "B"),
        ("选A,不对,应该是C", "应该是C"),
        ("A. no, B. yes", ""),
        ("A shows no B", ""),
        ("No. B", ""),
        ("A has no effusion, B", ""),
    ],
)
def test_a_letter_that_is_taken_back(text: str, after: str) -> None:
    assert after_second_thought(text) == after


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Either B or C; if forced, C.", "C"),
        ("B or C. If I had to pick one, C", "C"),
        ("gun to my head: MRI", "MRI"),
        ("A or B, leaning B", "B"),
        ("First choice B, second choice A", "B"),
        ("Her first choice, C", ""),
        ("I was forced to wait, C", ""),
        ("If pressed tissue is seen, C", ""),
    ],
)
def test_what_is_chosen_after_all(text: str, held: str) -> None:
    assert when_forced(text) == held


def test_last_lines_that_are_looked_up_are_those_that_the_pattern_finds() -> None:
    for line, letter in markers._CLOSING_LINES.items():  # pyright: ignore[reportPrivateUsage]
        for text in (line, f"It is so.\n{line}", f"wrong\n{line}"):
            found = markers._CLOSING.search(text)  # pyright: ignore[reportPrivateUsage]
            assert found is not None, text
            assert found[found.lastindex or 0] == letter == closing_letter(text), text


SECOND_THOUGHTS = st.sampled_from(
    [
        *(
            "Wait",
            "wait. ",
            ", ",
            " actually",
            "actually, no",
            " no, ",
            "no",
            "oh, ",
            "hmm, ",
            "but ",
            "hold on, ",
            ". ",
            "\n",
        ),
        *(
            "scratch that",
            "let me reconsider",
            "I should re-think",
            "on second thoughts",
            "correction: ",
            "A",
            "x" * 50,
            "—",
        ),
        *("B? No, C", "。等一下,", "不对,", "错了,应该", "…", "-", "! ", "Let me re-examine. ", "... no, C"),
    ]
)


@settings(max_examples=2000, deadline=None)
@given(st.lists(SECOND_THOUGHTS, max_size=9).map("".join))
def test_second_thoughts_are_looked_for_around_their_words_as_in_the_whole_text(text: str) -> None:
    ends = [found.end() for found in markers._SECOND_THOUGHT.finditer(text)]  # pyright: ignore[reportPrivateUsage]
    ends += [found.end() for found in markers._TAKEN_BACK.finditer(text)]  # pyright: ignore[reportPrivateUsage]
    assert after_second_thought(text) == (text[max(ends) :] if ends else "")
