import pytest
from gmai_bench.answers.predictions import Prediction
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.scoring.notices import notices
from gmai_bench.scoring.scorers import scorer
from gmai_bench.scoring.verdict import Scored

SENTENCE = "Yes, there is a small round opacity in the upper lobe of the left lung."


def found(
    *answers: tuple[str, str],
    name: str = "own",
    choices: tuple[str, ...] = (),
    scoring: str = "exact",
    prompt: str = "?",
) -> list[str]:
    card = Card(
        name=name, title="", protocol=f"{name}/p", protocol_version=1, scoring=scoring, expected=None, groups=(),
        source="", license="",
    )  # fmt: skip
    scored: list[Scored] = []
    for number, (response, reference) in enumerate(answers):
        question = Question(str(number), "?", prompt, (), choices, reference, "")
        scored.append(Scored(question, Prediction("", response, ""), scorer(scoring).score(response, question)))
    return notices(card, scored)


def test_sentences_under_exact_match_are_told_with_the_protocols_that_read_them() -> None:
    (notice,) = found(*[(SENTENCE, "yes")] * 40, name="vqa-rad")
    assert notice == (
        "None of the 40 answers that must equal their reference does: they are 15 words long on average, "
        "the references 1. This protocol says nothing about sentences; "
        "yes-no-251 or llava-med or huatuo-251 read sentences."
    )
    (own,) = found(*[(SENTENCE, "yes")] * 40)
    assert own.endswith("ask for a word, give options, or change the scoring.")


def test_a_few_equal_answers_among_sentences_are_counted() -> None:
    (notice,) = found(("yes", "yes"), *[(SENTENCE, "no")] * 30)
    assert notice.startswith("Only 1 of the 31 answers")


def test_a_report_against_a_report_is_as_long_as_it_should_be() -> None:
    assert found(*[(SENTENCE, SENTENCE.replace("left", "right"))] * 5) == []


@pytest.mark.parametrize("reply", ["yes", "no", "", "Yes."])
def test_short_answers_right_or_wrong_need_no_notice(reply: str) -> None:
    assert found(*[(reply, "yes")] * 40) == []


def test_medevalkits_equality_is_one_too_and_its_substring_is_none() -> None:
    assert found(*[(SENTENCE, "left lung")] * 9, scoring="medevalkit-open")
    assert not found(*[(SENTENCE, "no")] * 9, scoring="medevalkit-open")


CHOICES = ("CT", "MR", "X-ray")


def test_letters_where_none_were_shown_are_told() -> None:
    (notice,) = found(*[("B", "MR"), ("(A).", "CT")] * 20, choices=CHOICES, scoring="option-text")
    assert notice.startswith('40 of 40 answers are a letter alone ("B" to 0), and this protocol shows no letters')
    (bare,) = found(*[("B", "the left lung")] * 20)
    assert bare.startswith("20 of 20 answers are a letter alone")


@pytest.mark.parametrize(
    ("answers", "choices", "scoring"),
    [
        ([("MR", "MR")] * 20, CHOICES, "option-text"),
        ([("B", "MR"), *[("MR", "MR")] * 19], CHOICES, "option-text"),  # one in twenty
        ([("Z", "MR")] * 20, CHOICES, "option-text"),
        ([("B", "A")] * 20, ("A", "B", "O"), "option-text"),  # blood groups
        ([("B", "A")] * 20, (), "exact"),
        ([("no", "yes")] * 20, (), "exact"),
    ],
)
def test_answers_that_are_no_letters_of_options_need_no_notice(
    answers: list[tuple[str, str]], choices: tuple[str, ...], scoring: str
) -> None:
    assert found(*answers, choices=choices, scoring=scoring) == []


def test_letters_that_the_prompt_shows_need_no_notice() -> None:
    assert (
        found(*[("B", "CT")] * 20, choices=CHOICES, scoring="option-letter", prompt="?\nA. CT\nB. MR\nC. X-ray") == []
    )


def test_equal_options_are_counted() -> None:
    answers = [("A", "CT"), ("B", "MR")]
    (notice,) = found(*answers, choices=("CT", "MR", "MR"), scoring="option-letter", prompt="(A) CT")
    assert notice == "2 questions show equal options; in 1 the right one stands twice and either counts."
