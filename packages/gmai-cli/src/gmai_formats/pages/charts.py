"""The charts of the pages, as SVG that the page's policy allows: no inline style, colours by the shell's variables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gmai_formats.pages.shell import text

Points = Sequence[tuple[float, float]]


def line_chart(title: str, line: Points, *, dots: Points = (), number: str = "{:.2f}") -> str:
    """Return a line chart from 0, with its greatest value and its last step written at the axes."""
    if not line:
        return ""
    width, height, left, right, top = 420, 190, 48, 10, 24
    last = max(x for x, _ in [*line, *dots])
    first = min(x for x, _ in line)
    peak = max([y for _, y in [*line, *dots]] + [1e-12]) * 1.05
    bottom = height - 18

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / max(last - first, 1)
        return left + (width - left - right) * across, bottom - (bottom - top) * min(max(y / peak, 0), 1)

    drawn = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in line)
    circles = "".join('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3"/>'.format(*place(x, y)) for x, y in dots)
    if len(line) == 1:
        circles += '<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="2"/>'.format(*place(*line[0]))
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{text(title)}">'
        f'<text x="{left}" y="12">{text(title)}; last {number.format(line[-1][1])}</text>'
        f'<line class="grid" x1="{left}" y1="{top}" x2="{left}" y2="{bottom}"/>'
        f'<line class="grid" x1="{left}" y1="{bottom}" x2="{width - right}" y2="{bottom}"/>'
        f'<text x="{left - 4}" y="{top + 8}" text-anchor="end">{number.format(peak / 1.05)}</text>'
        f'<text x="{left - 4}" y="{bottom}" text-anchor="end">0</text>'
        f'<text x="{left}" y="{height - 4}">step {first:g}</text>'
        f'<text x="{width - right}" y="{height - 4}" text-anchor="end">{last:g}</text>'
        f'<polyline class="line" points="{drawn}"/>{circles}</svg>'
    )


@dataclass(frozen=True)
class Bar:
    """One bar; all numbers are shares of the full width, 0 to 1."""

    name: str
    value: float
    words: str
    """Text beside the bar, or above it on a narrow page."""
    interval: tuple[float, float] | None = None
    tick: float | None = None
    """A dashed line across the bar, such as chance."""
    second: float | None = None
    """A thinner bar below, to compare with."""
    is_faint: bool = False


def bar_chart(bars: Iterable[Bar]) -> str:
    """Return bars with name and words; on a narrow page the bar stands in a line of its own."""
    return f'<div class="bars">{"".join(_bar(bar) for bar in bars)}</div>'


def _bar(bar: Bar) -> str:
    height = 22
    main = height if bar.second is None else 13
    parts = [
        f'<rect width="100%" height="{height}" rx="3" fill="var(--card)"/>',
        f'<rect width="{_percent(bar.value)}" height="{main}" rx="3" '
        f'fill="var({"--soft" if bar.is_faint else "--mark"})"/>',
    ]
    if bar.second is not None:
        parts.append(f'<rect y="15" width="{_percent(bar.second)}" height="7" rx="2" fill="var(--second)"/>')
    if bar.interval is not None:
        low, high = map(_percent, bar.interval)
        parts.append(f'<line x1="{low}" x2="{high}" y1="11" y2="11" stroke="var(--ink)"/>')
    if bar.tick is not None:
        at = _percent(bar.tick)
        parts.append(
            f'<line x1="{at}" x2="{at}" y2="{height}" stroke="var(--bad)" stroke-width="2" stroke-dasharray="4 3"/>'
        )
    label = text(f"{bar.name}: {bar.words}")
    return (
        f"<div><span>{text(bar.name)}</span>"
        f'<svg height="{height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
        f'<span class="words">{text(bar.words)}</span></div>'
    )


def _percent(share: float) -> str:
    return f"{min(max(share, 0), 1):.2%}"
