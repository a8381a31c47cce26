from types import SimpleNamespace

import pytest


@pytest.mark.parametrize(
    ("response", "reference", "right"),
    [
        ("Yes.", "yes", 1.0),
        ("  pleural  EFFUSION! ", "Pleural effusion", 1.0),
        ("x-ray", "X ray", 1.0),
        ("yes, it is", "yes", 0.0),
        ("normal", "no", 0.0),
        ("<think>no</think>yes", "yes", 1.0),
        ("左肺。", "左肺", 1.0),
    ],
)
def test_normalised_exact_match(inputs: SimpleNamespace, response: str, reference: str, right: float) -> None:
    assert inputs.verdict(response, (), reference, "exact").score == right


def test_an_empty_answer_has_no_match(inputs: SimpleNamespace) -> None:
    assert inputs.verdict(" .", (), "yes", "exact").rule == "empty"


def test_any_of_several_accepted_answers_counts(inputs: SimpleNamespace) -> None:
    accepted = {"alternatives": ("chest x-ray", "CXR")}
    assert [
        inputs.verdict(said, (), "radiograph", "exact", **accepted).score for said in ("cxr", "Radiograph", "CT")
    ] == [
        1.0,
        1.0,
        0.0,
    ]
