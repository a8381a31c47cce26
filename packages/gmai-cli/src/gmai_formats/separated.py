"""Tables of separated values (CSV, TSV): the standard library's readers under one limit for a cell and a line.

The limit of a cell is one number for the whole process
(https://docs.python.org/3/library/csv.html#csv.field_size_limit), so it is set here alone: no table is read otherwise
because another was read before it.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

LONGEST_CELL = 2**28
"""Letters of a cell, and of a line; a published table keeps pictures as base64 in its cells, where the module's own
limit is 128 KiB."""

csv.field_size_limit(LONGEST_CELL)

QUOTE_MINIMAL, QUOTE_NONE = csv.QUOTE_MINIMAL, csv.QUOTE_NONE
TableError = csv.Error


def reader(lines: Iterable[str], **how: Any) -> Any:
    """Return `csv.reader`.

    Raises:
        TableError: As it is read: a line or a cell is longer than `LONGEST_CELL`.
    """
    return csv.reader(_bounded(lines), **how)


def DictReader(lines: Iterable[str], **how: Any) -> Any:  # noqa: N802 - as in `csv`
    """Return `csv.DictReader` within the same limits."""
    return csv.DictReader(_bounded(lines), **how)


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    if not isinstance(lines, io.TextIOBase):
        yield from lines
        return
    while line := lines.readline(LONGEST_CELL):
        if len(line) == LONGEST_CELL:
            raise TableError(f"a line of more than {LONGEST_CELL // 10**6} million letters")
        yield line
