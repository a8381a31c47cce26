"""Tables of separated values (CSV, TSV): the standard library's readers under one limit for a cell.

The limit is one number for the whole process (https://docs.python.org/3/library/csv.html#csv.field_size_limit), so it
is set here alone: no table is read otherwise because another was read before it.
"""

import csv

LONGEST_CELL = 2**30
"""Bytes; a published table keeps pictures as base64 in its cells, where the module's own limit is 128 KiB."""

csv.field_size_limit(LONGEST_CELL)

DictReader = csv.DictReader
QUOTE_MINIMAL, QUOTE_NONE = csv.QUOTE_MINIMAL, csv.QUOTE_NONE
reader = csv.reader
TableError = csv.Error
