"""Numbers ▶ positions of the page's SVG charts; the template draws them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmai_formats.pages import charts as shared
from gmai_formats.pages.charts import bar_chart

from gmai_bench.report.markdown import percent, span
from gmai_bench.scoring.results import GroupResult, Result


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


def group_chart(groups: Mapping[str, GroupResult]) -> str:
    """Return the HTML of a bar per group with its number, interval and questions, the largest groups first."""
    ordered = sorted(groups.items(), key=lambda pair: (-pair[1].n, pair[0]))
    return bar_chart(
        shared.Bar(
            name=label,
            value=group.accuracy,
            words=f"{percent(group.accuracy)} ({span(group.interval)}), n = {group.n}",
            interval=group.interval,
            tick=group.chance,
        )
        for label, group in ordered
    )


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a radar plot; positions in a square of 200 around (0, 0), the outermost ring at 70."""

    label: str
    n: int
    note: str
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Radar:
    """A radar plot of the accuracies by group."""

    title: str
    axes: Sequence[Axis]
    rings: Sequence[str]
    """Polygons at 25, 50, 75 and 100 %."""
    ours: str
    chance: str
    """Polygon, empty where a group has no chance level."""


FEWEST_AXES, MOST_AXES = 3, 20
_RADIUS = 70.0
_LABEL_CHARS, _SIDE_LABEL_CHARS = 24, 16
"""Longest names of axes; beside the plot there is less room, and the count behind the name must not be cut."""


def radar(column: str, groups: Mapping[str, GroupResult]) -> Radar | None:
    """Return the radar plot of one way of grouping, or nothing where it has too few or too many groups to read."""
    if not FEWEST_AXES <= len(groups) <= MOST_AXES:
        return None
    names = sorted(groups)
    turns = [2 * math.pi * i / len(names) for i in range(len(names))]
    axes = [_axis(name, groups[name], turn) for name, turn in zip(names, turns, strict=True)]
    chances = [groups[name].chance for name in names]
    known = [chance for chance in chances if chance is not None]
    return Radar(
        title=column.replace("_", " "),
        axes=axes,
        rings=[_polygon([share] * len(names), turns) for share in (0.25, 0.5, 0.75, 1.0)],
        ours=_polygon([groups[name].accuracy for name in names], turns),
        chance=_polygon(known, turns) if len(known) == len(names) else "",
    )


def _axis(name: str, group: GroupResult, turn: float) -> Axis:
    x, y = math.sin(turn), -math.cos(turn)
    anchor = "middle" if abs(x) < 0.25 else "start" if x > 0 else "end"
    most = _LABEL_CHARS if anchor == "middle" else _SIDE_LABEL_CHARS
    return Axis(
        label=name if len(name) <= most else name[: most - 2] + "…",
        n=group.n,
        note=f"{name}: {percent(group.accuracy)}, {group.correct} of {group.n}; 95 % interval {span(group.interval)}",
        x=round(_RADIUS * x, 2),
        y=round(_RADIUS * y, 2),
        label_x=round(78 * x, 2),
        label_y=round(78 * y + 2.5, 2),
        anchor=anchor,
    )


def _polygon(shares: Sequence[float], turns: Sequence[float]) -> str:
    points = zip(shares, turns, strict=True)
    return " ".join(f"{_RADIUS * s * math.sin(t):.2f},{-_RADIUS * s * math.cos(t):.2f}" for s, t in points)


def rule_slices(result: Result) -> list[Slice]:
    """Return the parts of the extraction bar, in the order of the counts."""
    slices: list[Slice] = []
    answered = sum(result.rules.values())
    start = 0.0
    found = 0
    for rule, count in result.rules.items():
        width = 100 * count / answered
        style = RULE_STYLES.get(rule)
        if style is None:
            style = f"found{min(found, 3)}"
            found += 1
        slices.append(Slice(rule, count, percent(count / answered), start, width, style))
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
