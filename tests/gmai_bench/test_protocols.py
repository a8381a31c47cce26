import pytest
from gmai_bench.protocols import score


@pytest.mark.parametrize(
    ("response", "reference", "right"),
    [
        ("Yes.", "yes", 1.0),
        ("  pleural  EFFUSION! ", "Pleural effusion", 1.0),
        ("x-ray", "X ray", 1.0),
        ("yes, it is", "yes", 0.0),
        ("normal", "no", 0.0),
        ("<think>no</think>yes", "yes", 1.0),
    ],
)
def test_normalised_exact_match(response: str, reference: str, right: float) -> None:
    assert score(response, (), reference, "exact").score == right


def test_an_empty_answer_has_no_match() -> None:
    assert score(" .", (), "yes", "exact").rule == "empty"


def test_an_open_question_among_choice_questions_is_matched_exactly() -> None:
    assert score("Left lung", (), "left lung", "option-text").score == 1.0


def test_yes_inside_a_word_is_no_yes() -> None:
    verdict = score("It looks normal.", ("yes", "no"), "no", "yes-no-and-recall")
    assert (verdict.score, verdict.rule) == (0.0, "unparsed")


def test_token_recall_counts_whole_words_of_the_reference() -> None:
    # reference words: right, lower, lobe; two of three are said
    verdict = score("The lesion is in the right lobe", (), "right lower lobe", "yes-no-and-recall")
    assert verdict.score == pytest.approx(2 / 3)
    assert verdict.rule == "token_recall"


def test_letters_count_only_where_they_were_shown() -> None:
    assert score("B", ("yes", "no"), "no", "option-letter").score == 1.0
    assert score("B", ("yes", "no"), "no", "option-text").rule == "unparsed"
