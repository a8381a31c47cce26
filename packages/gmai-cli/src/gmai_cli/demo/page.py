"""The demo's page: one self-contained HTML file, no script, everything escaped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.files import write_text
from gmai_formats.pages.charts import Bar, bar_chart, line_chart
from gmai_formats.pages.shell import image, page, table, text
from gmai_formats.state import read_lines

from gmai_cli.demo.result import Measured, written
from gmai_cli.steps import read_done

SHOWN = 12
"""Questions shown with their image."""


def write_page(out: Path, result: Sequence[Measured]) -> Path:
    """Write `index.html` and return its path.

    Args:
        out: The demo's folder, every step done.
        result: After stages 1, 2 and 3, and stage 3 on noise.
    """
    stage3 = result[2]
    record = read_done(out / "demo.json")
    body = [
        f"<p>Chance is {stage3.chance:.1%}. The images were never trained on, and no patient of theirs was.</p>",
        bar_chart(map(_bar, result)),
        '<p class="soft">Dashed line: chance. 95 % intervals. An answer that names none of the options counts as '
        "wrong, so that noise can fall below chance.</p>",
        "<h2>Training loss</h2>",
        f'<div class="curves">{"".join(_curve(out, stage) for stage in (1, 2, 3))}</div>',
        "<h2>Held-out images, questions and answers after stage 3</h2>",
        f'<div class="cards">{"".join(_cards(out))}</div>',
        "<h2>Where everything is</h2>",
        table((), [(title, str(place.relative_to(out))) for title, place in written(out)]),
        "<h2>The commands</h2>",
        table((), [(f"{step['seconds']:.0f} s", step["command"]) for step in record.values()]),
        '<p class="soft">The images are drawn, not taken from patients, and the model is a toy: this page shows that '
        "the pipeline works, nothing about medicine.</p>",
    ]
    heading = f"{stage3.accuracy:.1%} of {stage3.questions} held-out questions right after stage 3"
    write_text(out / "index.html", page("gmai demo", body, heading=heading))
    return out / "index.html"


def _bar(row: Measured) -> Bar:
    words = f"{row.accuracy:.1%} ({row.low:.1%} to {row.high:.1%})"
    return Bar(row.name, row.accuracy, words, (row.low, row.high), row.chance, is_faint="noise" in row.name)


def _curve(out: Path, stage: int) -> str:
    lines = _lines(out / "runs" / f"stage{stage}" / "metrics.jsonl")
    trained = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    validated = [(line["step"], line["validation_loss"]) for line in lines if "validation_loss" in line]
    title = f"stage {stage}, {len(trained)} steps"
    if validated:
        title += f"; validation loss {validated[-1][1]:.2f} (dots)"
    return line_chart(title, trained, dots=validated)


def _cards(out: Path) -> list[str]:
    folder = next((out / "bench" / "stage3").glob("*/*/predictions.jsonl")).parent
    questions = {question["id"]: question for question in _lines(folder / "questions.jsonl")}
    answers = {p["id"]: p["response"] for p in _lines(folder / "predictions.jsonl")}
    scores = {s["id"]: s["score"] for s in _lines(folder / "scores.jsonl")}
    # One question of every source in turn, so that each modality is seen.
    by_source: dict[str, list[str]] = {}
    for name in sorted(questions):
        by_source.setdefault(questions[name]["groups"].get("source", ""), []).append(name)
    turns = [names[turn] for turn in range(SHOWN) for names in by_source.values() if turn < len(names)]
    return [_card(out, questions[name], answers[name], right=scores[name] == 1) for name in turns[:SHOWN]]


def _lines(path: Path) -> list[dict[str, Any]]:
    lines, damaged = read_lines(path)
    if damaged:
        raise UserError(f"{path}: {damaged} damaged lines. Remove its folder and give the same command again.")
    return lines


def _card(out: Path, question: dict[str, Any], answer: str, *, right: bool) -> str:
    encoded = (out / "bench" / "stage3" / "images" / question["images"][0]).read_bytes()
    verdict = "" if right else f' <span class="soft">(right: {text(question["reference"])})</span>'
    return (
        f'<div class="card">{image(encoded, question["groups"].get("modality", ""))}'
        f"<p>{text(question['text'])}</p>"
        f'<p class="soft">{text(", ".join(question["choices"]))}</p>'
        f'<p class="{"right" if right else "wrong"}">{text(answer)}{verdict}</p></div>'
    )
