"""Sides of the patient beside the labels that have one; see `masked` in conftest.py for the record."""

import pytest
from gmai_data.checks.sides import wrong_side


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the left kidney is the patient's left one", True),
        ("the left kidney is on the patient's right", False),
        ("the left lobe is seen", False),
        ("bilateral findings", False),
        ("right, that is the liver", True),
    ],
)
def test_sides(masked, text, good):
    assert (wrong_side(*masked(text)) is None) == good


def test_how_a_slice_is_shown_is_held_to_its_plane(masked):
    assert wrong_side(*masked("the patient's left is on the left of the image"))[0] == "side invented"
