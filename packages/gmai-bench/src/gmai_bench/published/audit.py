"""Which cells of a published table can be a share k/n of the declared questions, and what its overall column is.

A printed digit is the last step of a computation that nobody sees, so a cell is called impossible only where no usual
step gives it: rounding half up or to even, rounding twice (25/46 = 54.348 ▶ 54.35 ▶ 54.4), truncation, fewer digits
filled up with zeros (66.1 ▶ 66.10), or, where a spread is printed beside it, the mean of several runs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmai_bench.published.tables import Count, PublishedRow, PublishedTable, QuestionSet

_MOST_RUNS = 10
_EPSILON = 1e-9
_MOST_DIGITS_BETWEEN = 4
"""Digits more than printed that a number may have been rounded to before."""
_FARTHEST = 2
"""How many times the declared questions are tried to fit a column."""
_BY_CHANCE = 0.001
"""Another n is named only where random digits would fit it more rarely than this."""
_MOST_FITTING = 5


@dataclass(frozen=True, slots=True)
class Artefact:
    """A printed cell that is no correctly rounded share, but one that another usual step gives."""

    column: str
    text: str
    n: int
    right: int
    step: str
    """`rounded twice`, `truncated`, `rounded to fewer digits`, or `as the mean of N runs` (`n` of all together)."""

    def __str__(self) -> str:
        """Say which share it is and how it was cut."""
        return f"{self.column} {self.text} is {self.right}/{self.n} {self.step}"


@dataclass(frozen=True, slots=True)
class Impossible:
    """A printed cell that no number of right answers gives, however it is rounded."""

    column: str
    text: str
    n: int
    below: tuple[int, str]
    """The nearest attainable share below: right answers, and the share as it would be printed with two digits more."""
    above: tuple[int, str]
    fitting: tuple[int, ...]
    """Numbers of questions that fit every cell of the column."""

    def __str__(self) -> str:
        """Say which cell, over which n, and what would have been possible."""
        near = " or ".join(f"{k}/{self.n} = {share}" for k, share in (self.below, self.above))
        fit = f"; every row fits n = {', '.join(map(str, self.fitting))}" if self.fitting else ""
        return f"{self.column} {self.text} is impossible over {self.n} questions (nearest {near}){fit}"


@dataclass(frozen=True, slots=True)
class Overall:
    """What an overall cell is."""

    column: str
    text: str
    kind: str
    """`micro`, `macro`, `micro or macro`, `neither`, or `not checked`."""
    micro: tuple[float, float] | None
    """Lowest and highest mean over questions that the cells allow; `None` without counts for all of them."""
    macro: tuple[float, float] | None
    """The same for the plain mean of the cells; `None` where a cell is empty."""
    digits: int

    def __str__(self) -> str:
        """Say what was printed and what the cells imply."""
        if self.kind == "not checked":
            return f"{self.column} {self.text}: not checked, some cells are empty or printed in another unit"
        implied = [
            f"{name} mean of the cells {_span(span, self.digits)}"
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
    unchecked: int
    """Those others."""
    impossible: tuple[Impossible, ...]
    artefacts: tuple[Artefact, ...]
    overall: tuple[Overall, ...]


def audit(table: PublishedTable) -> list[RowAudit]:
    """Check every row under its own question set, or under each of them where its source names none."""
    return [_audit_row(table, row, chosen) for row in table.rows for chosen in table.sets_of(row)]


def attainable(text: str, n: int, scale: int = 100) -> range:
    """Return the numbers of right answers out of `n` that are printed as `text` when rounded once."""
    value, half = float(text), _half_digit(text)
    low = math.ceil((value - half) * n / scale - _EPSILON)
    high = math.floor((value + half) * n / scale + _EPSILON)
    return range(max(0, low), min(n, high) + 1)


def artefact(text: str, n: int, scale: int = 100) -> tuple[int, str] | None:
    """Return the right answers and the step that print `text` where rounding once does not, or `None`."""
    shorter = text.rstrip("0").rstrip(".") if "." in text else text
    if shorter != text and (padded := attainable(shorter, n, scale)):
        return padded[len(padded) // 2], "rounded to fewer digits"
    value, half = float(text), _half_digit(text)
    for right in range(max(0, math.floor(value * n / scale) - 1), min(n, math.ceil(value * n / scale) + 1) + 1):
        share = scale * right / n
        if value - _EPSILON <= share < value + 2 * half - _EPSILON:
            return right, "truncated"
        for more in range(1, _MOST_DIGITS_BETWEEN + 1):
            between = 0.5 * 10.0 ** -(_digits(text) + more)
            # what is rounded to value ± half after it was rounded to more digits lies this much further out
            if value - half - between - _EPSILON <= share <= value + half + between + _EPSILON and _rounds_twice(
                share, text, _digits(text) + more
            ):
                return right, "rounded twice"
    return None


def _rounds_twice(share: float, text: str, digits: int) -> bool:
    step, last = 10.0**digits, 10.0 ** _digits(text)
    between = {math.floor(share * step + 0.5 + _EPSILON) / step, math.ceil(share * step - 0.5 - _EPSILON) / step}
    twice = {function(one * last) for one in between for function in (_half_up, _half_down)}
    return any(abs(one / last - float(text)) < _EPSILON for one in twice)


def _half_up(value: float) -> int:
    return math.floor(value + 0.5 + 1e-7)


def _half_down(value: float) -> int:
    return math.ceil(value - 0.5 - 1e-7)


def tells_nothing(text: str, n: int, scale: int = 100) -> bool:
    """Return whether `n` is so large that every value with so many decimals can be printed."""
    return scale / n <= 2 * _half_digit(text)


def _audit_row(table: PublishedTable, row: PublishedRow, chosen: QuestionSet) -> RowAudit:
    impossible: list[Impossible] = []
    artefacts: list[Artefact] = []
    checked = 0
    for column, text in row.cells.items():
        scale = table.scales.get(column, 100)
        count = chosen.counts.get(column)
        if count is None or not count.exact or tells_nothing(text, count.n, scale):
            continue
        checked += 1
        if attainable(text, count.n, scale):
            continue
        other = artefact(text, count.n, scale)
        if other:
            artefacts.append(Artefact(column, text, count.n, *other))
            continue
        runs = (range(2, _MOST_RUNS + 1)) if column in row.spread else ()
        several = next((m for m in runs if attainable(text, m * count.n, scale)), 0)
        if several:
            right = attainable(text, several * count.n, scale)[0]
            artefacts.append(Artefact(column, text, several * count.n, right, f"as the mean of {several} runs"))
            continue
        k = min(count.n - 1, math.floor(float(text) * count.n / scale))
        digits = _digits(text) + 2 if scale == 1 else max(2, _digits(text) + 1)
        below, above = ((j, f"{scale * j / count.n:.{digits}f}") for j in (k, k + 1))
        impossible.append(Impossible(column, text, count.n, below, above, _fitting(table, column, count.n)))
    parts = [c for c in table.columns if c not in table.overall and c not in table.independent]
    overall = tuple(
        _audit_overall(column, row, parts, chosen, table.scales) for column in table.overall if column in row.cells
    )
    means = {one.column for one in overall if one.kind == "macro"}  # the mean of shares is none of n questions
    impossible = [cell for cell in impossible if cell.column not in means]
    sums = [column for column in table.overall if column in row.cells and column not in chosen.counts]
    unchecked = len(row.cells) - checked - len(sums)
    return RowAudit(row, chosen, checked, unchecked, tuple(impossible), tuple(artefacts), overall)


def _fitting(table: PublishedTable, column: str, declared: int) -> tuple[int, ...]:
    """Return numbers of questions near the declared one over which every cell of a column is a share, but by chance."""
    scale = table.scales.get(column, 100)
    texts = {row.cells[column] for row in table.rows if column in row.cells and column not in row.spread}
    fitting = [
        n
        for n in range(2, _FARTHEST * declared + 1)
        if math.prod(min(1.0, 2 * _half_digit(text) * n / scale) for text in texts) < _BY_CHANCE
        and all(attainable(text, n, scale) for text in texts)
    ]
    return tuple(sorted(sorted(fitting, key=lambda n: abs(n - declared))[:_MOST_FITTING]))


def _audit_overall(
    column: str, row: PublishedRow, parts: Sequence[str], chosen: QuestionSet, scales: Mapping[str, int]
) -> Overall:
    text = row.cells[column]
    digits = max(2, _digits(text) + 1)
    scale = scales.get(column, 100)
    alike = all(scales.get(part, 100) == scale for part in parts)
    if any(part not in row.cells for part in parts) or not parts or not alike:
        return Overall(column, text, "not checked", None, None, digits)
    values = [float(row.cells[part]) for part in parts]
    slack = max(_half_digit(row.cells[part]) for part in parts)
    mean = sum(values) / len(values)
    macro = (mean - slack, mean + slack)
    micro = None
    if all(part in chosen.counts for part in parts):
        spans = [_right_answers(row.cells[part], chosen.counts[part], scale) for part in parts]
        total = sum(chosen.counts[part].n for part in parts)
        micro = (scale * sum(low for low, _ in spans) / total, scale * sum(high for _, high in spans) / total)
        if not all(chosen.counts[part].exact for part in parts):
            micro = (micro[0] - slack, micro[1] + slack)
    fits = [name for name, span in (("micro", micro), ("macro", macro)) if span and _within(text, span)]
    return Overall(column, text, " or ".join(fits) or "neither", micro, macro, digits)


def _right_answers(text: str, count: Count, scale: int) -> tuple[float, float]:
    """Return the fewest and most right answers behind a cell; shares where no whole number fits."""
    possible = attainable(text, count.n, scale) if count.exact else range(0)
    if possible:
        return possible[0], possible[-1]
    other = artefact(text, count.n, scale) if count.exact else None
    if other:
        return other[0], other[0]
    half = _half_digit(text)
    return (float(text) - half) * count.n / scale, (float(text) + half) * count.n / scale


def _within(text: str, span: tuple[float, float]) -> bool:
    half = _half_digit(text) + _EPSILON
    return span[0] - half <= float(text) <= span[1] + half


def _digits(text: str) -> int:
    return len(text.partition(".")[2])


def _half_digit(text: str) -> float:
    return 0.5 * 10.0 ** -_digits(text)


def _span(span: tuple[float, float], digits: int) -> str:
    low, high = f"{span[0]:.{digits}f}", f"{span[1]:.{digits}f}"
    return low if low == high else f"{low} to {high}"
