"""The same answers as several published parsers read them: how far a number depends on its parser."""

from collections.abc import Sequence
from dataclasses import dataclass

from gmai_formats.errors import UserError, did_you_mean

from gmai_bench.benchmarks.question import HEADLINE
from gmai_bench.scoring import published
from gmai_bench.scoring.results import ScoredBenchmark, read_by
from gmai_bench.scoring.statistics import wilson
from gmai_bench.scoring.verdict import Scored

NAMES = ("gmai", *published.PARSERS)
"""What `--extractor` takes beside `all`: the protocol's own rules, or a parser of published numbers."""

_UNREAD = ("ambiguous", "refused", "empty", "unparsed", "random", "letter_of_no_option")


@dataclass(frozen=True, slots=True)
class Reading:
    """One parser's number."""

    extractor: str
    n: int
    """Questions that it says something about; without any it does not apply."""
    score: float
    interval: tuple[float, float]
    unread: float
    """Share of the answers of which it makes nothing."""


def readings(benchmark: ScoredBenchmark, extractor: str, *, has_out: bool) -> Sequence[Reading]:
    """Return the headline questions as one parser, or `all` of them, read the answers.

    Raises:
        UserError: There is no such parser, or a report was asked for.
    """
    if extractor not in ("all", *NAMES):
        raise UserError(f'--extractor "{extractor}": unknown.{did_you_mean(extractor, ("all", *NAMES))}')
    if has_out:
        raise UserError("--out: a report is always read by the protocol's own rules. Leave --out or --extractor out.")
    asked = [item for item in benchmark.scored if item.question.measure == HEADLINE]
    return [
        _reading(name, benchmark.result.extractor, asked)
        if name == "gmai"
        else _reading(name, name, list(read_by(name, benchmark.record, asked)))
        for name in (NAMES if extractor == "all" else (extractor,))
    ]


def _reading(name: str, label: str, items: Sequence[Scored]) -> Reading:
    n = len(items)
    points = sum(item.verdict.score for item in items)
    unread = sum(item.verdict.answer is None and item.verdict.rule in _UNREAD for item in items)
    return Reading(label, n, points / max(1, n), wilson(points, n), unread / max(1, n))
