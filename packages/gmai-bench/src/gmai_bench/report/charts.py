"""Numbers ▶ positions of the page's SVG charts; the template draws them."""

from collections.abc import Mapping
from dataclasses import dataclass

from gmai_bench.report.markdown import percent, span
from gmai_bench.scores import GroupResult, Result


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar from 0 to 100 with its interval and chance, all in percent of the chart's width."""

    label: str
    note: str
    value: float
    low: float
    high: float
    chance: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of the bar that shows how answers were read."""

    rule: str
    count: int
    share: str
    start: float
    width: float
    style: str


RULE_STYLES = {"ambiguous": "ambiguous", "refused": "refused", "empty": "empty", "unparsed": "unparsed"}
"""Rules that found no answer have a colour of their own; the others share one hue."""


def headline_bar(result: Result) -> Bar:
    """Return the bar of a benchmark's own number."""
    return _bar("", GroupResult(result.n, result.correct, result.accuracy, result.interval, result.chance))


def group_bars(groups: Mapping[str, GroupResult]) -> list[Bar]:
    """Return a bar per group, the largest groups first."""
    ordered = sorted(groups.items(), key=lambda pair: (-pair[1].n, pair[0]))
    return [_bar(label, group) for label, group in ordered]


def rule_slices(result: Result) -> list[Slice]:
    """Return the parts of the extraction bar, in the order of the counts."""
    slices: list[Slice] = []
    start = 0.0
    found = 0
    for rule, count in result.rules.items():
        width = 100 * count / result.n
        style = RULE_STYLES.get(rule)
        if style is None:
            style = f"found{min(found, 3)}"
            found += 1
        slices.append(Slice(rule, count, percent(count / result.n), start, width, style))
        start += width
    return slices


def _bar(label: str, group: GroupResult) -> Bar:
    low, high = group.interval
    return Bar(
        label=label,
        note=f"{group.correct} of {group.n}; 95 % interval {span(group.interval)}; chance {percent(group.chance)}",
        value=100 * group.accuracy,
        low=100 * low,
        high=100 * high,
        chance=None if group.chance is None else 100 * group.chance,
        text=percent(group.accuracy),
    )
