"""Which cells of a published table can be a share k/n of the declared questions, and what its overall column is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gmai_bench.published.tables import Count, PublishedRow, PublishedTable, QuestionSet

_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Impossible:
    """A printed cell that no number of right answers gives."""

    column: str
    text: str
    n: int
    below: tuple[int, float]
    """The nearest attainable share below: right answers, percent."""
    above: tuple[int, float]

    def __str__(self) -> str:
        """Say which cell, over which n, and what would have been possible."""
        near = " or ".join(f"{k}/{self.n} = {value:.2f}" for k, value in (self.below, self.above))
        return f"{self.column} {self.text} is impossible over {self.n} questions (nearest {near})"


@dataclass(frozen=True, slots=True)
class Overall:
    """What an overall cell is."""

    column: str
    text: str
    kind: str
    """`micro`, `macro`, `micro or macro`, `neither`, or `not checked`."""
    micro: tuple[float, float] | None
    """Lowest and highest mean over questions that the cells allow, percent; `None` without counts for all of them."""
    macro: tuple[float, float] | None
    """The same for the plain mean of the cells; `None` where a cell is empty."""

    def __str__(self) -> str:
        """Say what was printed and what the cells imply."""
        if self.kind == "not checked":
            return f"{self.column} {self.text}: not checked, some cells are empty"
        implied = [
            f"{name} mean of the cells {_span(span)}"
            for name, span in (("micro", self.micro), ("macro", self.macro))
            if span
        ]
        return f"{self.column} {self.text} is {self.kind} ({'; '.join(implied)})"


@dataclass(frozen=True, slots=True)
class RowAudit:
    """The findings about one row under one question set."""

    row: PublishedRow
    set: QuestionSet
    checked: int
    """Cells for which a count says something: others have none, or one so large that every printed value fits."""
    impossible: tuple[Impossible, ...]
    overall: tuple[Overall, ...]


def audit(table: PublishedTable) -> list[RowAudit]:
    """Check every row under its own question set, or under each of them where its source names none."""
    return [_audit_row(table, row, chosen) for row in table.rows for chosen in table.sets_of(row)]


def attainable(text: str, n: int) -> range:
    """Return the numbers of right answers out of `n` that are printed as `text` (percent, rounded)."""
    value, half = float(text), _half_digit(text)
    low = math.ceil((value - half) * n / 100 - _EPSILON)
    high = math.floor((value + half) * n / 100 + _EPSILON)
    return range(max(0, low), min(n, high) + 1)


def tells_nothing(text: str, n: int) -> bool:
    """Say whether `n` is so large that every value with so many decimals can be printed."""
    return 100 / n <= 2 * _half_digit(text)


def _audit_row(table: PublishedTable, row: PublishedRow, chosen: QuestionSet) -> RowAudit:
    impossible: list[Impossible] = []
    checked = 0
    for column, text in row.cells.items():
        count = chosen.counts.get(column)
        if count is None or not count.exact or tells_nothing(text, count.n):
            continue
        checked += 1
        if not attainable(text, count.n):
            k = math.floor(float(text) * count.n / 100)
            below, above = ((j, 100 * j / count.n) for j in (k, k + 1))
            impossible.append(Impossible(column, text, count.n, below, above))
    parts = [c for c in table.columns if c not in table.overall and c not in table.independent]
    overall = tuple(
        _audit_overall(column, row, parts, chosen)
        for column in table.overall
        if column in row.cells and column not in chosen.counts
    )
    return RowAudit(row, chosen, checked, tuple(impossible), overall)


def _audit_overall(column: str, row: PublishedRow, parts: Sequence[str], chosen: QuestionSet) -> Overall:
    text = row.cells[column]
    if any(part not in row.cells for part in parts) or not parts:
        return Overall(column, text, "not checked", None, None)
    values = [float(row.cells[part]) for part in parts]
    slack = max(_half_digit(row.cells[part]) for part in parts)
    mean = sum(values) / len(values)
    macro = (mean - slack, mean + slack)
    micro = None
    if all(part in chosen.counts for part in parts):
        spans = [_right_answers(row.cells[part], chosen.counts[part]) for part in parts]
        total = sum(chosen.counts[part].n for part in parts)
        micro = (100 * sum(low for low, _ in spans) / total, 100 * sum(high for _, high in spans) / total)
        if not all(chosen.counts[part].exact for part in parts):
            micro = (micro[0] - slack, micro[1] + slack)
    fits = [name for name, span in (("micro", micro), ("macro", macro)) if span and _within(text, span)]
    return Overall(column, text, " or ".join(fits) or "neither", micro, macro)


def _right_answers(text: str, count: Count) -> tuple[float, float]:
    """Return the fewest and most right answers behind a cell; shares where no whole number fits."""
    possible = attainable(text, count.n) if count.exact else range(0)
    if possible:
        return possible[0], possible[-1]
    half = _half_digit(text)
    return (float(text) - half) * count.n / 100, (float(text) + half) * count.n / 100


def _within(text: str, span: tuple[float, float]) -> bool:
    half = _half_digit(text) + _EPSILON
    return span[0] - half <= float(text) <= span[1] + half


def _half_digit(text: str) -> float:
    decimals = len(text.partition(".")[2])
    return 0.5 * 10.0**-decimals


def _span(span: tuple[float, float]) -> str:
    low, high = f"{span[0]:.2f}", f"{span[1]:.2f}"
    return low if low == high else f"{low} to {high}"
