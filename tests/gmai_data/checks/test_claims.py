"""Statements of closed classes that no record holds; see `masked` in conftest.py for the record."""

import pytest
from gmai_data.checks.claims import claimed_of_a_class


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
    found = claimed_of_a_class(*masked("shown in a lung window"), frozenset(), None, asked=False)
    assert found is not None
    assert found[0] == "acquisition invented"
