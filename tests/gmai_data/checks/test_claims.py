"""Statements of closed classes that no record holds; see `masked` in conftest.py for the record."""

import pytest
from gmai_data.checks.claims import claimed_of_a_class, invented_purpose, wrong_window
from gmai_data.vocabulary import Language


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("the liver of an elderly woman", "person invented"),
        ("the liver in the portal venous phase", "acquisition invented"),
        ("possibly the liver", "hedge"),
        ("follow up is recommended", "advice"),
        ("the liver holds a cyst", "finding invented"),
        ("the liver is smooth and grey", None),
    ],
)
def test_claims(masked, text, check):
    found = claimed_of_a_class(*masked(text), frozenset(), None, asked=False)
    assert (found and found[0]) == check


def test_a_window_that_is_not_the_images_is_refused(masked):
    facts, _ = masked("")
    assert wrong_window(facts, "shown in a lung window")[0] == "acquisition invented"
    assert wrong_window(facts, "shown by the window") is None


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("it carries air to the lungs", Language.EN, "carries"),
        ("a band which pumps", Language.EN, "pumps"),
        ("it is a band", Language.EN, None),
        ("其将空气输送到肺", Language.ZH, "输送"),
        ("其为条带", Language.ZH, None),
        ("图像下方为\ue000，作用是运输氧", Language.ZH, "作用是"),
        ("\ue000是指骨的断裂", Language.ZH, "是指"),
        ("\ue000能吞噬微生物", Language.ZH, "吞噬"),
    ],
)
def test_what_a_structure_does_is_no_sight(text, language, said):
    found = invented_purpose(text, language)
    assert (said is None and found is None) or f'"{said}"' in found[1]
