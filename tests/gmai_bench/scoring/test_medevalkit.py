from types import SimpleNamespace

import pytest


def test_yes_and_no_by_substring_and_everything_else_by_equality(inputs: SimpleNamespace) -> None:
    def score(response: str, reference: str, scoring: str = "medevalkit-open") -> float:
        return inputs.verdict(response, (), reference, scoring).score

    assert score("Yes, there is", "yes") == 1.0
    assert score("Yes or no", "yes") == 0.0
    assert score("It is normal", "no") == 1.0  # "normal" holds "no", as the original reads it
    assert score("Left lung.", "left lung") == 0.0
    assert score("Left lung.", "left lung", "medevalkit-closed") == 1.0
    assert inputs.verdict(" ", (), "yes", "medevalkit-open").rule == "empty"


@pytest.mark.parametrize(
    "thought", ["<think>I know. No, yes?</think>", "no air?</think>\n", "[THINK]Now what?[/THINK] "]
)
def test_thoughts_are_left_out_before_its_rules_read(inputs: SimpleNamespace, thought: str) -> None:
    """A "no" in "know" would be an answer."""
    for scoring in ("medevalkit-open", "medevalkit-closed"):
        assert inputs.verdict(f"{thought}Yes", (), "yes", scoring).score == 1.0
        assert inputs.verdict(f"{thought}Liver", (), "liver", scoring).score == 1.0
        assert inputs.verdict(f"{thought}<answer>no</answer>", (), "yes", scoring).score == 0.0
    assert inputs.verdict("<think>yes", (), "yes", "medevalkit-open").rule == "empty"
