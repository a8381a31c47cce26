from types import SimpleNamespace


def test_a_letter_by_our_rules_and_an_open_answer_by_its_own(inputs: SimpleNamespace) -> None:
    assert inputs.verdict("B", ("CT", "MR"), "MR", "mmmu").rule == "letter_alone"
    open_answer = inputs.verdict("So the result is 1,234.50", (), "1234.5", "mmmu")
    assert (open_answer.score, open_answer.rule) == (1.0, "mmmu_open")
    assert inputs.verdict("", (), "1", "mmmu").rule == "empty"
    assert inputs.verdict("Transformation", (), "x", "mmmu", alternatives=("transformation",)).score == 1.0
