"""Cells of any length, whichever table was read before."""

import csv

from gmai_formats import separated


def test_a_cell_longer_than_the_modules_own_limit():
    rows = list(separated.DictReader(["text,n\n", f"{'x' * 200_000},1\n"]))
    assert len(rows[0]["text"]) == 200_000
    assert csv.field_size_limit() == separated.LONGEST_CELL
