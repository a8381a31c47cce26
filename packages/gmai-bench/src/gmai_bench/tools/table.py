"""Several models and benchmarks in one table: CSV, LaTeX, Markdown, SVG and a page, rows of one protocol per column.

Numbers of two protocols never stand in one column. Differences are paired question by question, their errors clustered
by image, and their p-values corrected for how many there are (Holm 1979).
"""

import csv
import dataclasses
import html
import io
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.files import write_text
from gmai_formats.pages.charts import Bar, bar_chart
from gmai_formats.pages.shell import page, text
from gmai_formats.pages.shell import table as html_table

from gmai_bench.report.build import read_folder, run_folders, title_of
from gmai_bench.report.markdown import percent, span
from gmai_bench.scoring.results import Result
from gmai_bench.scoring.statistics import holm
from gmai_bench.tools.compare import Comparison, compare_benchmarks


@dataclass(frozen=True, slots=True)
class Cell:
    """One model under one protocol."""

    result: Result
    tokens: tuple[int, int] | None
    """Taken in and given out, where a server counted them."""

    @property
    def value(self) -> float:
        """The protocol's number, a share."""
        return self.result.macro.mean if self.result.macro else self.result.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval, clustered by image."""
        return self.result.macro.interval if self.result.macro else self.result.interval_clustered


@dataclass(frozen=True, slots=True)
class Difference:
    """Two models on the same questions."""

    first: str
    second: str
    found: Comparison
    p_holm: float


@dataclass(frozen=True, slots=True)
class Table:
    """All of it."""

    models: tuple[str, ...]
    protocols: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    differences: tuple[Difference, ...]
    refused: tuple[str, ...]
    """Pairs that cannot be compared, and why."""

    def rows(self) -> list[dict[str, str]]:
        """Return one row per model and protocol, as in the CSV."""
        return [
            {
                "model": model,
                "benchmark": cell.result.title,
                "protocol": f"{protocol} v{cell.result.protocol_version}",
                "metric": cell.result.metric,
                "n": str(cell.result.n),
                "number": f"{100 * cell.value:.2f}",
                "low": f"{100 * cell.interval[0]:.2f}",
                "high": f"{100 * cell.interval[1]:.2f}",
                "chance": "" if cell.result.chance is None else f"{100 * cell.result.chance:.2f}",
                "partial": "yes" if cell.result.partial else "",
                "tokens_in": "" if cell.tokens is None else str(cell.tokens[0]),
                "tokens_out": "" if cell.tokens is None else str(cell.tokens[1]),
            }
            for (model, protocol), cell in self.cells.items()
        ]

    def lines(self) -> list[str]:
        """Return the table as Markdown, with the differences below."""
        found = ["| model | " + " | ".join(self.protocols) + " |", "|---|" + "---:|" * len(self.protocols)]
        for model in self.models:
            cells = [self.cells.get((model, protocol)) for protocol in self.protocols]
            found.append(f"| {_bare(model)} | " + " | ".join(_printed(cell) for cell in cells) + " |")
        firsts = [next(c for (_, p), c in self.cells.items() if p == protocol) for protocol in self.protocols]
        found.append("| chance | " + " | ".join(percent(cell.result.chance) for cell in firsts) + " |")
        found.append("| n | " + " | ".join(_counts(self, protocol) for protocol in self.protocols) + " |")
        for d in self.differences:
            found.append(
                f"{d.found.protocol}: {_bare(d.second)} - {_bare(d.first)} = {100 * d.found.difference:+.1f} points "
                f"({100 * d.found.interval[0]:+.1f} to {100 * d.found.interval[1]:+.1f}, clustered; n = {d.found.n}), "
                f"p {_p(d.found.p_clustered)}, {_p(d.p_holm)} after Holm's correction for {len(self.differences)}"
            )
        return found + list(self.refused)


def _p(value: float) -> str:
    return f"= {value:.4f}" if value >= 0.0001 else "< 0.0001"


def _counts(table: Table, protocol: str) -> str:
    return ", ".join(dict.fromkeys(str(c.result.n) for (_, p), c in table.cells.items() if p == protocol))


def _printed(cell: Cell | None) -> str:
    return "–" if cell is None else f"{percent(cell.value)} ({span(cell.interval)})"


def _bare(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")


def collect(runs: Sequence[Path]) -> Table:
    """Return the table of several output folders.

    Raises:
        UserError: A folder is no output, or two of them are of one model and setting.
    """
    cells: dict[tuple[str, str], Cell] = {}
    differences: list[tuple[str, str, Comparison]] = []
    refused: list[str] = []
    read = {
        _name(run, [other for other in runs if other != run]): {
            f"{one.result.protocol}{_replaced(run)}": (one, run) for one in map(read_folder, run_folders(run))
        }
        for run in runs
    }
    if len(read) < len(runs):
        raise UserError(f"{', '.join(map(str, runs))}: two folders are of one name. Give every model once.")
    protocols = list(dict.fromkeys(protocol for found in read.values() for protocol in found))
    for protocol in protocols:
        for model, found in read.items():
            if protocol in found and not found[protocol][0].result.hidden:
                one, run = found[protocol]
                cells[model, protocol] = Cell(one.result, _tokens(run / one.result.protocol / "usage.jsonl"))
        having = [model for model in read if (model, protocol) in cells]
        for first, second in itertools.combinations(having, 2):
            try:
                a, b = read[first][protocol], read[second][protocol]
                compared = compare_benchmarks(a[0], b[0], a[1], b[1])
                differences.append((first, second, dataclasses.replace(compared, protocol=protocol)))
            except UserError as error:
                refused.append(f"not compared: {error}")
    corrected = holm([found.p_clustered for _, _, found in differences])
    return Table(
        tuple(read),
        tuple(protocol for protocol in protocols if any(p == protocol for _, p in cells)),
        cells,
        tuple(Difference(a, b, found, p) for (a, b, found), p in zip(differences, corrected, strict=True)),
        tuple(refused),
    )


def _settings_of(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: no readable asked.json ({error}). Give output folders of `gmai bench`.") from error


def _replaced(run: Path) -> str:
    """Return what stands behind the protocol of a run whose images were replaced: its numbers have their own column."""
    ablation = str(_settings_of(run).get("image_ablation", "none"))
    return "" if ablation == "none" else f"+{ablation}-images"


def _name(run: Path, others: Sequence[Path]) -> str:
    """Return what the table calls a run: its model, with the folder where another run has the same."""

    def model(folder: Path) -> str:
        try:
            return title_of(_settings_of(folder))
        except KeyError as error:
            raise UserError(f"{folder}: its asked.json has no {error}. Give output folders of `gmai bench`.") from error

    own = model(run)
    return own if own not in map(model, others) else f"{own} ({run.name})"


def _tokens(path: Path) -> tuple[int, int] | None:
    """Return what the answers took, where a server counted it."""
    if not path.is_file():
        return None
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    taken, given = (sum(int(line.get(name, 0)) for line in lines) for name in ("input_tokens", "output_tokens"))
    return taken, given


def write(found: Table, out: Path) -> list[Path]:
    """Write table.csv, table.tex, table.md, table.svg and table.html, and return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    contents = {
        "table.csv": _csv(found),
        "table.tex": _latex(found),
        "table.md": "\n".join([*_spaced(found.lines())]) + "\n",
        "table.svg": _svg(found),
        "table.html": _page(found),
    }
    for name, content in contents.items():
        write_text(out / name, content)
    return [out / name for name in contents]


def _spaced(lines: Sequence[str]) -> list[str]:
    return [line if line.startswith("|") else f"\n{line}" for line in lines]


def _csv(found: Table) -> str:
    buffer = io.StringIO()
    rows = found.rows()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "–": "--"}  # fmt: skip


def tex(words: str) -> str:
    """Return text that LaTeX prints as it stands."""
    return "".join(_TEX.get(character, character) for character in words)


def _latex(found: Table) -> str:
    """Return a table for the package booktabs: the number, and its interval in small print."""
    lines = [
        "% n and chance stand below each protocol; intervals: 95 %, clustered by image",
        r"\begin{tabular}{l" + "r" * len(found.protocols) + "}",
        r"\toprule",
        "model & " + " & ".join(tex(protocol) for protocol in found.protocols) + r" \\",
        " & " + " & ".join(f"$n$ = {_counts(found, protocol)}" for protocol in found.protocols) + r" \\",
        "chance & " + " & ".join(_chance(found, protocol) for protocol in found.protocols) + r" \\",
        r"\midrule",
    ]
    for model in found.models:
        cells = [found.cells.get((model, protocol)) for protocol in found.protocols]
        printed = [
            "--"
            if c is None
            else rf"{100 * c.value:.1f} {{\scriptsize [{100 * c.interval[0]:.1f}, "
            rf"{100 * c.interval[1]:.1f}]}}"
            for c in cells
        ]
        lines.append(f"{tex(model)} & " + " & ".join(printed) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _chance(found: Table, protocol: str) -> str:
    result = next(found.cells[model, protocol].result for model in found.models if (model, protocol) in found.cells)
    return "--" if result.chance is None else f"{100 * result.chance:.1f}"


_ROW, _LEFT, _WIDE = 26, 260, 420
_NAME_CHARS = 38


def _svg(found: Table) -> str:
    """Return bars with their intervals and chance, one block per protocol."""
    parts: list[str] = []
    y = 8
    for protocol in found.protocols:
        cells = [(model, found.cells[model, protocol]) for model in found.models if (model, protocol) in found.cells]
        y += 20
        n = _counts(found, protocol)
        parts.append(f'<text x="0" y="{y}" font-weight="600">{html.escape(protocol)}, n = {n}</text>')
        y += 10
        for model, cell in cells:
            low, high = (_LEFT + _WIDE * min(1.0, edge) for edge in cell.interval)
            middle, wide = y + _ROW / 2, _WIDE * min(1.0, cell.value)
            parts += [
                f'<text x="0" y="{middle + 4}">{html.escape(_short(model))}<title>{html.escape(model)}</title></text>',
                f'<rect x="{_LEFT}" y="{y + 5}" width="{_WIDE}" height="16" fill="#e8edf0"/>',
                f'<rect x="{_LEFT}" y="{y + 5}" width="{wide:.1f}" height="16" fill="#2b7a78"/>',
                f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="#111" stroke-width="2"/>',
                f'<text x="{_LEFT + _WIDE + 8}" y="{middle + 4}">{100 * cell.value:.1f}</text>',
            ]
            if cell.result.chance is not None:
                x = _LEFT + _WIDE * cell.result.chance
                parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y + 2}" y2="{y + 24}" stroke="#b04a2f"/>')
            y += _ROW
    size = f'viewBox="0 0 {_LEFT + _WIDE + 60} {y + 12}" font-size="13" font-family="system-ui, sans-serif"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Numbers by protocol and model">'
        f"{''.join(parts)}</svg>\n"
    )


def _short(name: str) -> str:
    return name if len(name) <= _NAME_CHARS else name[: _NAME_CHARS - 1] + "…"


def _page(found: Table) -> str:
    """Return the page: one block per protocol, so that no two protocols share a column."""
    body: list[str] = []
    for protocol in found.protocols:
        cells = [(model, found.cells[model, protocol]) for model in found.models if (model, protocol) in found.cells]
        first = cells[0][1].result
        chance = "–" if first.chance is None else f"{percent(first.chance)} (dashed)"
        body.append(f"<h2>{text(first.title)}</h2>")
        body.append(
            f'<p class="soft"><code>{text(protocol)}</code> v{first.protocol_version}, {text(first.metric)}, '
            f"n = {text(_counts(found, protocol))}, chance {chance}; thin lines: 95 % intervals, clustered</p>"
        )
        body.append(
            bar_chart(
                Bar(
                    name=model,
                    value=min(1.0, cell.value),
                    words=f"{percent(cell.value)} ({span(cell.interval)}), n = {cell.result.n}"
                    + (", partial" if cell.result.partial else ""),
                    interval=(min(1.0, cell.interval[0]), min(1.0, cell.interval[1])),
                    tick=cell.result.chance,
                )
                for model, cell in cells
            )
        )
    if found.differences:
        body.append("<h2>Differences on the same questions</h2>")
        for protocol in dict.fromkeys(d.found.protocol for d in found.differences):
            own = [d for d in found.differences if d.found.protocol == protocol]
            rows = [
                (
                    f"{d.second} minus {d.first}",
                    f"{100 * d.found.difference:+.1f} ({100 * d.found.interval[0]:+.1f} to "
                    f"{100 * d.found.interval[1]:+.1f})",
                    d.found.n,
                    " (".join(_p(p).removeprefix("= ") for p in (d.p_holm, d.found.p_clustered)) + ")",
                )
                for d in own
            ]
            body.append(f"<h3>{text(protocol)}</h3>")
            body.append(html_table(("models", "points (95 %, clustered)", "n", "p, Holm (alone)"), rows))
        body.append(f'<p class="soft">p-values are corrected for {len(found.differences)} comparisons (Holm 1979).</p>')
    body += [f'<p class="soft">{text(line)}</p>' for line in found.refused]
    return page("gmai bench: models and benchmarks", body)
