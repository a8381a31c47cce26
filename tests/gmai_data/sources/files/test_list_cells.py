"""Cells that hold a list, as PadChest, BIMCV and many exports of pandas write them."""

import pytest
from gmai_data.sources.files.list_cells import entries_of, is_list


@pytest.mark.parametrize(
    ("cell", "entries"),
    [
        ("['pulmonary fibrosis', ' chronic changes', '']", ["pulmonary fibrosis", "chronic changes"]),
        ('["Crohn\'s disease", "a, b"]', ["Crohn's disease", "a, b"]),
        (r"['Crohn\'s disease']", ["Crohn's disease"]),
        ("[]", []),
        (" [nan, 'mass', None] ", ["mass"]),
        ("[1, 2]", ["1", "2"]),
        ("['only',]", ["only"]),
        ("mass, nodule", None),
        ("['a' 'b']", None),
        ("[['a'], 'b']", None),
        ("['a", None),
        ("['a]", None),
        ("", None),
    ],
)
def test_the_entries_of_a_list(cell, entries):
    assert entries_of(cell) == entries


def test_what_begins_and_ends_as_a_list_does():
    assert is_list(" [x]\n")
    assert not is_list("[x")
