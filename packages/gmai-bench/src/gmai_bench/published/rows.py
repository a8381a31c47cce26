"""Published rows: what papers print for their models, under which protocol it is made, and what is not public."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from gmai_formats import separated
from gmai_formats.errors import UserError, did_you_mean

from gmai_bench.scoring.results import Result
from gmai_bench.scoring.statistics import wilson

JUDGED = "judged"
"""Measure of the rows whose open answers a judge reads."""


@dataclass(frozen=True, slots=True)
class PublishedNumber:
    """One printed number."""

    name: str
    """What `gmai bench reproduce` calls the paper."""
    model: str
    benchmark: str
    value: str
    """The number as printed, in percent."""
    protocol: str
    """Ours that asks the same questions; empty where there is none."""
    measure: str
    """Which of our numbers is made as theirs: `accuracy`, `as read by …`, or `judged`."""
    n: str
    scorer: str
    judge: str
    source: str
    missing: str
    """What is not public, or differs; empty where nothing is known to."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A printed number with ours."""

    theirs: PublishedNumber
    ours: float | None
    """Share; none where we have no number made in the same way."""
    interval: tuple[float, float] | None
    n: int
    note: str

    @property
    def difference(self) -> float | None:
        """Return ours minus theirs, in points."""
        return None if self.ours is None else 100 * self.ours - float(self.theirs.value)


def published_rows() -> list[PublishedNumber]:
    """Return all rows that ship with the package."""
    text = resources.files("gmai_bench.published").joinpath("rows.csv").read_text(encoding="utf-8")
    return [PublishedNumber(**row) for row in separated.DictReader(text.splitlines())]


def rows_of(name: str) -> list[PublishedNumber]:
    """Return the rows of a paper, or of one of its models.

    Raises:
        UserError: There is none of that name.
    """
    rows, wanted = published_rows(), _plain(name)
    found = [row for row in rows if wanted in (_plain(row.name), _plain(row.model))]
    if not found:
        known = list(dict.fromkeys([row.name for row in rows] + [row.model for row in rows]))
        raise UserError(f'no published rows of "{name}".{did_you_mean(name, known)}')
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def beside(rows: Sequence[PublishedNumber], results: Sequence[Result]) -> list[Beside]:
    """Return printed numbers with ours, where ours are of whole protocols and made in the same way."""
    by_protocol = {result.protocol: result for result in results if not result.hidden and result.n}
    return [_beside(row, by_protocol.get(row.protocol)) for row in rows]


def _beside(row: PublishedNumber, result: Result | None) -> Beside:
    if not row.protocol:
        return Beside(row, None, None, 0, row.missing)
    if result is None:
        return Beside(row, None, None, 0, row.missing or f"not asked here: --benchmarks {row.protocol}")
    if row.measure == "accuracy":
        mean, interval, n = result.accuracy, result.interval, result.n
        if result.macro:
            mean, interval = result.macro.mean, result.macro.interval
    elif (name := _made_alike(row, result)) is not None:
        measure = result.measures[name]
        mean, interval, n = measure.mean, measure.interval, measure.n
    else:
        judged = " Run `gmai bench judge OUT --endpoint … --model JUDGE` first." if row.measure == JUDGED else ""
        return Beside(row, None, None, result.n, f"ours has no number {row.measure}.{judged} {row.missing}".strip())
    notes = [row.missing] if row.missing else []
    if row.judge and not row.judge.startswith(str(_made_alike(row, result)).removeprefix("judged by ")):
        notes.append(f"ours is {_made_alike(row, result)}, theirs judged by {row.judge}")
    if result.partial:
        notes.append("ours is partial")
    theirs = float(row.value) / 100
    if row.n and _differ(mean, n, theirs, int(row.n)):
        notes.append("further apart than chance leaves likely (two samples, 95 %)")
    return Beside(row, mean, interval, n, "; ".join(notes))


def _made_alike(row: PublishedNumber, result: Result) -> str | None:
    """Return the name of our measure that is made as theirs."""
    if row.measure != JUDGED:
        return row.measure if row.measure in result.measures else None
    return next((name for name in result.measures if name.startswith("judged by ")), None)


def _differ(ours: float, n: int, theirs: float, m: int) -> bool:
    """Return whether two shares differ by more than their independent 95 % intervals allow together (Newcombe 1998)."""
    (low, high), (their_low, their_high) = wilson(ours * n, n), wilson(theirs * m, m)
    if ours > theirs:
        return ours - theirs > ((ours - low) ** 2 + (their_high - theirs) ** 2) ** 0.5
    return theirs - ours > ((high - ours) ** 2 + (theirs - their_low) ** 2) ** 0.5
