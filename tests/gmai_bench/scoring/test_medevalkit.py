from types import SimpleNamespace


def test_yes_and_no_by_substring_and_everything_else_by_equality(inputs: SimpleNamespace) -> None:
    def score(response: str, reference: str, scoring: str = "medevalkit-open") -> float:
        return inputs.verdict(response, (), reference, scoring).score

    assert score("Yes, there is", "yes") == 1.0
    assert score("Yes or no", "yes") == 0.0
    assert score("It is normal", "no") == 1.0  # "normal" holds "no", as the original reads it
    assert score("Left lung.", "left lung") == 0.0
    assert score("Left lung.", "left lung", "medevalkit-closed") == 1.0
    assert inputs.verdict(" ", (), "yes", "medevalkit-open").rule == "empty"
