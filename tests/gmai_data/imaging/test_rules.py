"""The rules of a card: what holds where it says nothing, and what it must not say."""

import pytest
from gmai_data.imaging.rules import BoxRule, Deidentification, SliceRule, ValueRule
from pydantic import ValidationError


def test_what_holds_where_a_card_says_nothing():
    assert SliceRule().model_dump() == {
        "rule": "all_positive", "n": 3, "k": 8, "every_mm": None, "min_gap_mm": 0.0, "negatives": 0.0,
        "axes": ("axial",), "gaps": "refuse",
    }  # fmt: skip
    assert BoxRule().model_dump() == {
        "per": "component", "min_px": 16, "min_mm2": 0.0, "min_share": 0.0, "min_mm3": 0.0,
        "turned": "unknown",
    }  # fmt: skip
    assert ValueRule().model_dump() == {"scale": None, "offset": None, "hounsfield": "checked"}
    assert Deidentification().model_dump() == {
        "secondary_captures": "hold_back", "burned_in": "hold_back", "ocr": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        (SliceRule, {"n": 0}),
        (SliceRule, {"k": 0}),
        (SliceRule, {"every_mm": 0}),
        (SliceRule, {"min_gap_mm": -1}),
        (SliceRule, {"negatives": -0.1}),
        (SliceRule, {"negatives": 1.1}),
        (SliceRule, {"axes": []}),
        (SliceRule, {"axes": ["oblique"]}),
        (SliceRule, {"gaps": "ignore"}),
        (SliceRule, {"step": 2}),
        (BoxRule, {"min_px": 0}),
        (BoxRule, {"min_mm2": -1}),
        (BoxRule, {"min_mm3": -1}),
        (BoxRule, {"min_share": 1.1}),
        (BoxRule, {"per": "image"}),
        (ValueRule, {"hounsfield": "guessed"}),
        (Deidentification, {"burned_in": "blur"}),
        (Deidentification, {"OCR": True}),
    ],
)
def test_what_a_card_must_not_say(rule, fields):
    with pytest.raises(ValidationError) as caught:
        rule(**fields)
    assert caught.value.errors()[0]["loc"][0] == next(iter(fields))


@pytest.mark.parametrize(
    ("fields", "given", "linear"),
    [
        ({}, False, (1.0, 0.0)),
        ({"scale": 2.0}, True, (2.0, 0.0)),
        ({"scale": 0.0}, True, (0.0, 0.0)),
        ({"offset": -1024.0}, True, (1.0, -1024.0)),
        ({"offset": 0.0}, True, (1.0, 0.0)),
        ({"scale": 0.5, "offset": 3.0}, True, (0.5, 3.0)),
    ],
)
def test_a_scale_of_the_card(fields, given, linear):
    rule = ValueRule(**fields)
    assert (rule.is_given, rule.linear) == (given, linear)
