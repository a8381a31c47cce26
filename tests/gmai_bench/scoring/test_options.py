from types import SimpleNamespace


def test_letters_count_only_where_they_were_shown(inputs: SimpleNamespace) -> None:
    assert inputs.verdict("B", ("yes", "no"), "no", "option-letter").score == 1.0
    assert inputs.verdict("B", ("yes", "no"), "no", "option-text").rule == "unparsed"


def test_an_open_question_among_choice_questions_is_matched_exactly(inputs: SimpleNamespace) -> None:
    assert inputs.verdict("Left lung", (), "left lung", "option-text").score == 1.0
    assert inputs.verdict("Left lung", (), "right lung", "option-letter").score == 0.0


def test_of_equal_options_either_letter_counts(inputs: SimpleNamespace) -> None:
    four = ("CT", "MR", "MR", "US")
    assert [inputs.verdict(letter, four, "MR").score for letter in "ABCD"] == [0.0, 1.0, 1.0, 0.0]


def test_another_accepted_option_counts(inputs: SimpleNamespace) -> None:
    four = ("CT", "MR", "MRI", "US")
    assert inputs.verdict("B", four, "MRI", alternatives=("MR",)).score == 1.0
    assert inputs.verdict("A", four, "MRI", alternatives=("MR",)).score == 0.0
