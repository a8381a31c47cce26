"""Cells of any length, whichever table was read before, and none that fills the memory."""

import csv
import io

import pytest
from gmai_formats import separated


def test_a_cell_longer_than_the_modules_own_limit():
    rows = list(separated.DictReader(["text,n\n", f"{'x' * 200_000},1\n"]))
    assert len(rows[0]["text"]) == 200_000
    assert csv.field_size_limit() == separated.LONGEST_CELL


def test_a_line_without_an_end_is_not_read_to_it(monkeypatch):
    monkeypatch.setattr(separated, "LONGEST_CELL", 100)
    file = io.StringIO("a,b\n1,2\n" + "\0" * 1000)
    rows = separated.reader(file)
    assert [next(rows), next(rows)] == [["a", "b"], ["1", "2"]]
    with pytest.raises(separated.TableError, match="a line of more than"):
        next(rows)
    assert file.tell() < 200
