"""Our numbers beside the paper's tables: side by side always, a difference only under the same protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmai_bench.published.tables import PAPER_TABLES, PublishedTable, cells_of, paper_table
from gmai_bench.scoring.results import Result


@dataclass(frozen=True, slots=True)
class OurCell:
    """One of our numbers in a column of a published table."""

    text: str
    """Percent with one decimal, empty where we have none."""
    protocol: str
    n: int
    interval: tuple[float, float]
    """95 %, shares."""


@dataclass(frozen=True, slots=True)
class BesideTable:
    """A paper's table with our row."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Model, question set and cells as printed."""
    ours: tuple[OurCell | None, ...]
    comparable: tuple[tuple[str, str, float], ...]
    """Model, column and our number minus the printed one in points, where the protocol is the same."""
    refusals: tuple[str, ...]
    """Why the other printed numbers are not compared."""


def beside_paper(results: Sequence[Result]) -> list[BesideTable]:
    """Return the paper's tables that our results have a number for."""
    tables = [_beside(paper_table(name), results) for name in PAPER_TABLES]
    return [table for table in tables if any(cell is not None for cell in table.ours)]


def _beside(table: PublishedTable, results: Sequence[Result]) -> BesideTable:
    ours = {column: _our_cell(table, column, results) for column in table.columns}
    comparable: list[tuple[str, str, float]] = []
    refused: dict[str, set[str]] = {}
    for cell in cells_of(table):
        mine = ours[cell.column]
        if mine is None or not mine.text:
            continue
        if cell.protocol == mine.protocol:
            comparable.append((cell.model, cell.column, float(mine.text) - cell.value))
        else:
            theirs = cell.protocol.partition("#")[0] or "a question set that its source does not name"
            reason = f"ours is {mine.protocol.partition('#')[0]}, n = {mine.n}; theirs is {theirs}"
            refused.setdefault(f"{cell.column}: {reason}", set()).add(cell.model)
    return BesideTable(
        name=table.name,
        title=table.title,
        columns=table.columns,
        rows=tuple((r.name, r.set, tuple(r.cells.get(c, "") for c in table.columns)) for r in table.rows),
        ours=tuple(ours[column] for column in table.columns),
        comparable=tuple(comparable),
        refusals=tuple(f"{reason} ({', '.join(sorted(models))})" for reason, models in refused.items()),
    )


def _our_cell(table: PublishedTable, column: str, results: Sequence[Result]) -> OurCell | None:
    """Return our number for a column: under a protocol that the table declares, else under one of the same family."""
    wanted = [chosen.protocols[column] for chosen in table.sets.values() if column in chosen.protocols]
    for whole in wanted:
        protocol, _, group = whole.partition("#")
        for result in results:
            if result.protocol == protocol and (cell := _cell(result, group, whole)) is not None:
                return cell
    for whole in wanted:
        protocol, _, group = whole.partition("#")
        for result in results:
            if result.protocol.partition("/")[0] != protocol.partition("/")[0]:
                continue
            if result.protocol in {other.partition("#")[0] for other in _protocols(table)}:
                continue  # it has a column of its own
            cell = _cell(result, group, result.protocol + ("#" + group if group else ""))
            if cell is not None:
                return cell
    return None


def _protocols(table: PublishedTable) -> set[str]:
    return {protocol for chosen in table.sets.values() for protocol in chosen.protocols.values()}


def _cell(result: Result, group: str, protocol: str) -> OurCell | None:
    if result.hidden or result.partial or result.n == 0:
        return None
    if not group:
        if result.macro is not None:
            return OurCell(f"{100 * result.macro.mean:.1f}", protocol, result.n, result.macro.interval)
        return OurCell(f"{100 * result.accuracy:.1f}", protocol, result.n, result.interval)
    column, _, value = group.partition("=")
    found: Mapping[str, object] = result.groups.get(column, {})
    if value not in found:
        return None
    mine = result.groups[column][value]
    return OurCell(f"{100 * mine.accuracy:.1f}", protocol, mine.n, mine.interval)
