"""Tables beside the one with the pictures: each row gets the columns of the rows that have the same key."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

from gmai_formats.errors import UserError, did_you_mean
from pydantic import BaseModel, ConfigDict

from gmai_data.imaging.source_files import below
from gmai_data.sources.files.tables import UTF_8, Row, read_table, without_point

Rows = Iterator[tuple[int, Row, str]]
"""Number of a row, its cells, and what is wrong with it or ""; see `read_table`."""


class TableJoin(BaseModel):
    """A further table, joined by a key. Where several of its rows have the key, each gives a row of its own. Of a
    column that both tables have, the first one's cells count; a row in which they differ goes to the quarantine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    """Its file below the root."""
    key: str
    """Its column with the key."""
    on: str | None = None
    """The column of the first table (or of one joined before) with the key; None: the same name."""
    without: Literal["refuse", "empty"] = "refuse"
    """What becomes of a row whose key is not in the table: the quarantine, or its cells are empty."""
    encoding: str = UTF_8
    sheet: str | None = None
    """Sheet of a workbook with several."""


def with_joins(
    names: Sequence[str], rows: Rows, joins: Sequence[TableJoin], wanted: Collection[str], root: Path, recipe: str
) -> tuple[list[str], Rows]:
    """Return the columns and rows of a table after each join.

    Args:
        names: Columns of the table.
        rows: Its rows.
        joins: In the order in which they are made.
        wanted: Columns that are read; two tables must not both have one of them.
        root: The source's folder.
        recipe: Named in the errors.

    Raises:
        UserError: A table is not there, or lacks its key.
    """
    known = list(names)
    for join in joins:
        path = below(root, join.table, recipe=recipe)
        if not path.is_file():
            raise UserError(f"{path}: no such file. Recipe {recipe} joins it. Check --root.")
        on = join.on or join.key
        columns, more = read_table(path, lambda found, key=join.key: key in found, encoding=join.encoding,
                                   sheet=join.sheet)  # fmt: skip
        for column, among, where in ((join.key, columns, path), (on, known, "the tables before it")):
            if column not in among:
                hint = did_you_mean(column, among)
                raise UserError(f'{path}:1: no column "{column}" in {where}, by which recipe {recipe} joins.{hint}')
        shared = [name for name in columns if name in known and name in wanted and name != join.key]
        by_key: dict[str, list[tuple[Row, str]]] = defaultdict(list)
        for number, row, problem in more:
            by_key[row[join.key]].append((row, f"{path.name}: {problem}" if problem else ""))
            if not row[join.key] and join.without == "refuse":
                by_key[""][-1] = (row, f"{path.name}: data row {number} has no {join.key}")
        for key in list(by_key):
            by_key.setdefault(without_point(key), by_key[key])
        rows = _joined(rows, join, on, columns, shared, by_key, path.name)
        known += [name for name in columns if name not in known]
    return known, rows


def _joined(
    rows: Rows,
    join: TableJoin,
    on: str,
    columns: Sequence[str],
    shared: Sequence[str],
    by_key: dict[str, list[tuple[Row, str]]],
    file: str,
) -> Rows:
    for number, row, problem in rows:
        found = by_key.get(row[on]) or by_key.get(without_point(row[on]))
        if found is None:
            reason = f'data row {number}: {on} "{row[on]}" is not in {file}' if join.without == "refuse" else ""
            found = [(dict.fromkeys(columns, ""), reason)]
        for other, reason in found:
            differs = next((name for name in shared if other[name] and other[name] != row[name]), None)
            if differs is not None:
                reason = f'data row {number}: {differs} is "{row[differs]}", and "{other[differs]}" in {file}'
            yield number, {**other, **row}, problem or reason
