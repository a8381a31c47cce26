"""The demo's page: one self-contained HTML file, no script, everything escaped."""

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from gmai_formats.files import write_text

from gmai_cli.demo.run import Measured, written

SHOWN = 12
"""Questions shown with their image."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5d6777; --line: #d9dee6; --ground: #fff; --card: #f6f8fa;
        --mark: #2563a8; --good: #1c7c4a; --bad: #b3372f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b5; --line: #343c48; --ground: #14181e;
        --card: #1c222b; --mark: #6fa8e6; --good: #5bbf8a; --bad: #ea7b73; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0 auto;
       max-width: 62rem; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .5rem .9rem; align-items: center; }
.number { font-variant-numeric: tabular-nums; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .8rem; }
.card img { width: 100%; border-radius: 4px; background: #000; } .card p { margin: .4rem 0 0; font-size: .9rem; }
.right { color: var(--good); } .wrong { color: var(--bad); }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1rem; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg .axis { stroke: var(--line); }
svg .loss { fill: none; stroke: var(--mark); stroke-width: 1.5; }
table { border-collapse: collapse; } td { padding: .15rem 1rem .15rem 0; vertical-align: top; }
code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; }
"""


def write_page(out: Path, result: Sequence[Measured]) -> Path:
    """Write `index.html` and return its path.

    Args:
        out: The demo's folder, every step done.
        result: After stages 1, 2 and 3, and stage 3 on noise.
    """
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(STYLE)}'"
    stage3 = result[2]
    record: dict[str, Any] = json.loads((out / "demo.json").read_text("utf-8"))
    body = [
        f"<h1>{stage3.accuracy:.1%} of {stage3.questions} held-out questions right after stage 3</h1>",
        f"<p>Chance is {stage3.chance:.1%}. The images were never trained on, and no patient of theirs was.</p>",
        _bars(result),
        '<p class="soft">Dashed line: chance. 95 % intervals. An answer that names none of the options counts as '
        "wrong, so that noise can fall below chance.</p>",
        "<h2>Training loss</h2>",
        f'<div class="curves">{"".join(_curve(out, stage) for stage in (1, 2, 3))}</div>',
        "<h2>Held-out images, questions and answers after stage 3</h2>",
        f'<div class="cards">{"".join(_cards(out))}</div>',
        "<h2>Where everything is</h2>",
        _table([(title, str(place.relative_to(out))) for title, place in written(out)]),
        "<h2>The commands</h2>",
        _table([(f"{step['seconds']:.0f} s", step["command"]) for step in record.values()]),
        '<p class="soft">The images are drawn, not taken from patients, and the model is a toy: this page shows that '
        "the pipeline works, nothing about medicine.</p>",
    ]
    page = out / "index.html"
    write_text(
        page,
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>gmai demo</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        + "\n".join(body)
        + "</body></html>\n",
    )
    return page


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _bars(result: Sequence[Measured]) -> str:
    # Positions cannot be inline styles under the page's policy; an SVG's attributes can.
    rows: list[str] = []
    for row in result:
        rows.append(
            f"<span>{escape(row.name)}</span>"
            f'<svg width="100%" height="22" role="img" aria-label="{row.accuracy:.1%}">'
            f'<rect width="100%" height="22" rx="4" fill="var(--card)"/>'
            f'<rect width="{row.accuracy:.2%}" height="22" rx="4" '
            f'fill="var({"--soft" if "noise" in row.name else "--mark"})"/>'
            f'<line x1="{row.low:.2%}" x2="{row.high:.2%}" y1="11" y2="11" stroke="var(--ink)"/>'
            f'<line x1="{row.chance:.2%}" x2="{row.chance:.2%}" y2="22" stroke="var(--bad)" stroke-width="2" '
            f'stroke-dasharray="4 3"/></svg>'
            f'<span class="number">{row.accuracy:.1%} ({row.low:.1%} to {row.high:.1%})</span>'
        )
    return f'<div class="bars">{"".join(rows)}</div>'


def _curve(out: Path, stage: int) -> str:
    lines = (out / "runs" / f"stage{stage}" / "metrics.jsonl").read_text("utf-8").splitlines()
    values = [record["loss"] for record in map(json.loads, lines) if "loss" in record]
    held_out = [record["validation_loss"] for record in map(json.loads, lines) if "validation_loss" in record]
    width, height, left, bottom = 300, 170, 34, 22
    top = max([*values, 0.1]) * 1.05
    points = " ".join(
        f"{left + (width - left - 6) * i / max(len(values) - 1, 1):.1f},{(height - bottom) * (1 - v / top) + 6:.1f}"
        for i, v in enumerate(values)
    )
    title = f"stage {stage}: {len(values)} steps, validation loss {held_out[-1]:.2f}" if held_out else f"stage {stage}"
    return (
        f'<svg viewBox="0 0 {width} {height + 16}" role="img" aria-label="loss of stage {stage}">'
        f'<text x="{left}" y="{height + 12}">{title}</text>'
        f'<line class="axis" x1="{left}" y1="6" x2="{left}" y2="{height - bottom + 6}"/>'
        f'<line class="axis" x1="{left}" y1="{height - bottom + 6}" x2="{width}" y2="{height - bottom + 6}"/>'
        f'<text x="0" y="14">{top:.1f}</text><text x="16" y="{height - bottom + 10}">0</text>'
        f'<polyline class="loss" points="{points}"/></svg>'
    )


def _cards(out: Path) -> list[str]:
    # The demo runs gmai-data, which brings pyarrow.
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(out / "build" / "benchmarks" / "held_out.parquet").to_pylist()
    questions = {row["id"]: row for row in rows}
    folder = next((out / "bench" / "stage3").glob("*/*/predictions.jsonl")).parent
    answers = {p["id"]: p["response"] for p in map(json.loads, _lines(folder / "predictions.jsonl"))}
    scores = {s["id"]: s["score"] for s in map(json.loads, _lines(folder / "scores.jsonl"))}
    # One question of every source in turn, so that each modality is seen.
    by_source: dict[str, list[str]] = {}
    for name in sorted(questions):
        by_source.setdefault(questions[name]["source"], []).append(name)
    turns = [names[turn] for turn in range(SHOWN) for names in by_source.values() if turn < len(names)]
    return [_card(questions[name], answers[name], right=scores[name] == 1) for name in turns[:SHOWN]]


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def _card(question: dict[str, Any], answer: str, *, right: bool) -> str:
    data: bytes = question["images"][0]["bytes"]
    kind = "jpeg" if data.startswith(b"\xff\xd8") else "png"
    image = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    verdict = "" if right else f' <span class="soft">(right: {escape(question["reference"])})</span>'
    return (
        f'<div class="card"><img src="{image}" alt="{escape(question["modality"])}">'
        f"<p>{escape(question['question'])}</p>"
        f'<p class="soft">{escape(", ".join(question["choices"]))}</p>'
        f'<p class="{"right" if right else "wrong"}">{escape(answer)}{verdict}</p></div>'
    )


def _table(rows: Sequence[tuple[str, str]]) -> str:
    cells = (f"<tr><td>{escape(a)}</td><td><code>{escape(b)}</code></td></tr>" for a, b in rows)
    return f"<table>{''.join(cells)}</table>"
