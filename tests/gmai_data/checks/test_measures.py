"""A size in millimetres is that of the box of the label it is said of."""

import pytest
from gmai_data.checks.facts import Measure
from gmai_data.checks.written import first_complaint
from gmai_data.vocabulary import Language

EN, ZH = Language.EN, Language.ZH
SIZES = (Measure("left kidney", 50, 62),)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("The left kidney is 50 mm wide and 62 mm high.", True),
        ("The left kidney measures 50 × 62 mm in this image.", True),
        ("The left kidney measures 5.0 by 6.2 cm in this image.", True),
        ("The left kidney has a height of about 62 millimetres.", True),
        ("The left kidney spans 62 mm.", True),
        ("The left kidney is 62 mm wide.", False),
        ("The left kidney is 50 mm high.", False),
        ("The left kidney measures 62 × 50 mm.", False),
        ("The left kidney is 70 mm wide.", False),
        ("The left kidney has a volume of 50 ml.", False),
        ("The left kidney has a density of 50 HU.", False),
    ],
)
def test_english(facts, text, passes):
    found = first_complaint(facts(measures=SIZES), (("How large is it?", text),))
    assert (found is None) is passes, found


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("左肾在图中宽50毫米，高62毫米。", True),
        ("左肾在图中约为50×62mm。", True),
        ("左肾在图中宽62毫米。", False),
        ("左肾在图中高7厘米。", False),
    ],
)
def test_chinese(facts, text, passes):
    found = first_complaint(facts(language=ZH, measures=SIZES), (("它有多大？", text),))
    assert (found is None) is passes, found


def test_a_size_of_another_label_is_none_of_this_one(facts):
    sizes = (Measure("left kidney", 50, 62), Measure("liver", 130, 160))
    made = facts(measures=sizes)
    assert first_complaint(made, (("How large is it?", "The left kidney is 130 mm wide."),))[0] == "size invented"


def test_without_sizes_none_may_be_said(facts):
    told = first_complaint(facts(), (("How large is it?", "The left kidney is 50 mm wide."),))
    assert told[0] in ("number invented", "size invented")
