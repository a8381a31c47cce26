"""The run's page: one self-contained HTML file with curves, settings, mixture and answers; no script, all escaped."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from gmai_formats.files import write_text
from gmai_formats.state import read_lines

from gmai_model.training.callbacks.metrics import read_metrics

Points = Sequence[tuple[float, float]]

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5d6777; --line: #d9dee6; --ground: #fff; --card: #f6f8fa;
        --mark: #2563a8; --second: #b3372f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b5; --line: #343c48; --ground: #14181e;
        --card: #1c222b; --mark: #6fa8e6; --second: #ea7b73; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0 auto;
       max-width: 64rem; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.2rem; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg .grid { stroke: var(--line); }
svg .line { fill: none; stroke: var(--mark); stroke-width: 1.5; } svg .dot { fill: var(--second); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; } td, th { padding: .15rem 1.2rem .15rem 0; vertical-align: top; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .8rem; }
.card img { max-width: 100%; max-height: 12rem; border-radius: 4px; } .card p { font-size: .9rem; }
.card dl { margin: .4rem 0 0; font-size: .9rem; } .card dt { color: var(--soft); } .card dd { margin: 0 0 .3rem; }
code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; }
"""


def write_report(out: Path, history: dict[str, Any], images: Mapping[str, Sequence[bytes]]) -> None:
    """Write `OUT/report.html`.

    Args:
        out: A run's folder with `metrics.jsonl` and, where questions were asked, `answers.jsonl`.
        history: What the checkpoint says about the stage.
        images: Sample id ▶ its encoded images, for the answers.
    """
    lines = read_metrics(out / "metrics.jsonl")
    held_out = history["validation_loss"]
    outcome = f"validation loss {held_out:.4f}" if held_out is not None else "no validation samples"
    title = f"Stage {history['stage']}, {history['name'].replace('_', ' ')}: {outcome}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{history['steps']:,} of {history['steps_planned']:,} planned steps, {history['samples']:,} samples, "
        f"{history['tokens']:,} tokens; "
        f"{', '.join(history['trainable']).replace('_', ' ')} trained"
        + (f", the language model by LoRA adapters of rank {history['lora']['rank']}" if history["lora"] else "")
        + f". {history['unreadable']:,} samples were left out for an unreadable image.</p>",
        "<h2>Curves</h2>",
        f'<div class="curves">{"".join(_curves(lines))}</div>',
        *_losses_of(lines, "source"),
        *_losses_of(lines, "kind"),
        *_answers(out, images),
        "<h2>Mixture</h2>",
        _table(("dataset", "samples", "ratio", "used", "left out", "images", "tokens", "share of tokens"),
               [(s["name"], f"{s['available']:,}", s["ratio"], f"{s['used']:,}", f"{s['left_out']:,}",
                 f"{s['images']:,}", f"{s['tokens']:,}", f"{s['token_share']:.1%}") for s in history["mixture"]]),
        *_left_out(out),
        "<h2>Sessions</h2>",
        '<p class="soft">Each start of the command; a run goes on after a stop, on any number of processes.</p>',
        _table(("started", "from step", "processes", "device", "packs per process and row", "rows per step"),
               [(s["started"], s["from_step"], s["processes"], s["device"], s["micro_batch_size"], s["accumulation"])
                for s in history["sessions"]]),
        "<h2>Settings</h2>",
        _table(("setting", "value"), [(key, json.dumps(value)) for key, value in history["settings"].items()]),
    ]  # fmt: skip
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(STYLE)}'"
    write_text(
        out / "report.html",
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        + "\n".join(body)
        + "</body></html>\n",
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _curves(lines: Sequence[dict[str, Any]]) -> Iterable[str]:
    def points(key: str) -> Points:
        return [(line["step"], line[key]) for line in lines if key in line]

    yield _curve("loss per target; dots: validation", points("loss"), dots=points("validation_loss"))
    yield _curve("learning rate", points("learning_rate"), number="{:.1e}")
    yield _curve("gradient norm before clipping", points("gradient_norm"))
    yield _curve("tokens per second, all devices", points("tokens_per_second"), number="{:,.0f}")
    yield _curve("share of the packs that holds tokens", points("fill"), number="{:.0%}")
    yield _curve("share of the time spent waiting for data", points("data_wait_share"), number="{:.1%}")
    if points("mfu"):
        yield _curve("model FLOPs utilisation", points("mfu"), number="{:.1%}")


def _curve(title: str, line: Points, *, dots: Points = (), number: str = "{:.2f}") -> str:
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
    marks = "".join('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3"/>'.format(*place(x, y)) for x, y in dots)
    only = '<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="2"/>'.format(*place(*line[0])) if len(line) == 1 else ""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f'<text x="{left}" y="12">{escape(title)}; last {number.format(line[-1][1])}</text>'
        f'<line class="grid" x1="{left}" y1="{top}" x2="{left}" y2="{bottom}"/>'
        f'<line class="grid" x1="{left}" y1="{bottom}" x2="{width - right}" y2="{bottom}"/>'
        f'<text x="{left - 4}" y="{top + 8}" text-anchor="end">{number.format(peak / 1.05)}</text>'
        f'<text x="{left - 4}" y="{bottom}" text-anchor="end">0</text>'
        f'<text x="{left}" y="{height - 4}">step {first:g}</text>'
        f'<text x="{width - right}" y="{height - 4}" text-anchor="end">{last:g}</text>'
        f'<polyline class="line" points="{drawn}"/>{marks}{only}</svg>'
    )


def _losses_of(lines: Sequence[dict[str, Any]], what: str) -> Iterable[str]:
    """Yield the last losses of each source or kind, where there are several."""
    trained: dict[str, float] = {}
    validated: dict[str, float] = {}
    for line in lines:
        trained |= line.get(f"loss_by_{what}", {})
        validated |= line.get(f"validation_loss_by_{what}", {})
    if trained or validated:
        yield f"<h2>Loss of each {what}</h2>"
        yield f'<p class="soft">Per target: of the last step with such a {what}, and of the last validation.</p>'
        names = sorted({*trained, *validated})
        cells = [[f"{of[name]:.4f}" if name in of else "" for of in (trained, validated)] for name in names]
        yield _table((what, "training", "validation"), [(name, *row) for name, row in zip(names, cells, strict=True)])


def _answers(out: Path, images: Mapping[str, Sequence[bytes]]) -> Iterable[str]:
    file = out / "answers.jsonl"
    if not file.is_file():
        return
    by_id: dict[str, list[dict[str, Any]]] = {}
    for answer in read_lines(file, needs=["step", "id", "question", "reference", "answer", "cut"])[0]:
        by_id.setdefault(answer["id"], []).append(answer)
    yield "<h2>Answers to held-out questions</h2>"
    yield '<p class="soft">Always the same questions, none of them trained on, answered greedily.</p>'
    cards: list[str] = []
    for name, answers in by_id.items():
        shown = "".join(
            f'<img src="data:{_kind(data)};base64,{base64.b64encode(data).decode()}" alt="">'
            for data in images.get(name, ())
        )
        rounds = "".join(
            f"<dt>after step {answer['step']:,}{', cut' if answer['cut'] else ''}</dt>"
            f"<dd>{escape(answer['answer']) or '<i>empty</i>'}</dd>"
            for answer in answers
        )
        first = answers[0]
        cards.append(
            f'<div class="card">{shown}<p>{escape(first["question"])}</p><dl><dt>reference</dt>'
            f"<dd>{escape(first['reference'])}</dd>{rounds}</dl></div>"
        )
    yield f'<div class="cards">{"".join(cards)}</div>'


def _kind(data: bytes) -> str:
    return "image/jpeg" if data.startswith(b"\xff\xd8") else "image/png"


def _left_out(out: Path) -> Iterable[str]:
    train: dict[str, Any] = json.loads((out / "mixture.json").read_text("utf-8"))["train"]
    if train["left_out"]:
        yield "<p>Left out before training, by reason:</p>"
        yield _table(("samples", "reason"), [(f"{count:,}", reason) for reason, count in train["left_out"].items()])
    if train["cut"]:
        yield f"<p>{train['cut']:,} samples lost turns at their end to fit a pack.</p>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    cells = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{cells}</table>"
