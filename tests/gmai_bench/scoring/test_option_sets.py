from types import SimpleNamespace

ABCD = ("CT", "MRI", "X-ray", "Ultrasound")


def test_a_set_counts_when_it_is_whole(inputs: SimpleNamespace) -> None:
    assert inputs.verdict("B, A", ABCD, "CT + MRI", "option-letter-set").score == 1.0
    assert inputs.verdict("A", ABCD, "CT + MRI", "option-letter-set").score == 0.0
    assert inputs.verdict("A, B, C", ABCD, "CT + MRI", "option-letter-set").score == 0.0


def test_an_answer_without_options_says_why(inputs: SimpleNamespace) -> None:
    assert inputs.verdict("", ABCD, "CT + MRI", "option-letter-set").rule == "empty"
