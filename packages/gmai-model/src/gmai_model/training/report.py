"""The run's page: one self-contained HTML file with curves, settings, mixture and answers; no script, all escaped."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmai_formats.files import write_text
from gmai_formats.pages.charts import Points, line_chart
from gmai_formats.pages.shell import image, page, table, text
from gmai_formats.state import read_lines

from gmai_model.training.callbacks.metrics import read_metrics
from gmai_model.training.callbacks.notices import notices


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
        f"<p>{history['steps']:,} of {history['steps_planned']:,} planned steps, {history['samples']:,} samples, "
        f"{history['tokens']:,} tokens; "
        f"{', '.join(history['trainable']).replace('_', ' ')} trained"
        + (_adapters(history["lora"]) if history["lora"] else "")
        + f". {history['unreadable']:,} samples were left out for an unreadable image.</p>",
        *_notices(out),
        "<h2>Curves</h2>",
        f'<div class="curves">{"".join(_curves(lines))}</div>',
        *_losses_of(lines, "source"),
        *_losses_of(lines, "kind"),
        *_answers(out, images),
        "<h2>Mixture</h2>",
        table(("dataset", "samples", "ratio", "used", "left out", "images", "tokens", "share of tokens"),
               [(s["name"], f"{s['available']:,}", s["ratio"], f"{s['used']:,}", f"{s['left_out']:,}",
                 f"{s['images']:,}", f"{s['tokens']:,}", f"{s['token_share']:.1%}") for s in history["mixture"]]),
        *_left_out(out),
        "<h2>Sessions</h2>",
        '<p class="soft">Each start of the command; a run goes on after a stop, on any number of processes.</p>',
        table(("started", "from step", "processes", "device", "packs per process and row", "rows per step"),
               [(s["started"], s["from_step"], s["processes"], s["device"], s["micro_batch_size"], s["accumulation"])
                for s in history["sessions"]]),
        "<h2>Settings</h2>",
        table(("setting", "value"), [(key, json.dumps(value)) for key, value in history["settings"].items()]),
    ]  # fmt: skip
    write_text(out / "report.html", page(title, body))


def _adapters(lora: Mapping[str, Any]) -> str:
    which = " and the ".join(part.replace("_", " ") for part in lora.get("parts", ["language_model"]))
    return f", the {which} by LoRA adapters of rank {lora['rank']}"


def _notices(out: Path) -> Iterable[str]:
    found = notices(out)
    if found:
        yield "<h2>Notices</h2>"
        yield table(("after step", "what was noticed"), [(f"{line['step']:,}", line["notice"]) for line in found])


def _curves(lines: Sequence[dict[str, Any]]) -> Iterable[str]:
    def points(key: str) -> Points:
        return [(line["step"], line[key]) for line in lines if key in line]

    yield line_chart("training loss per token; dots: validation", points("loss"), dots=points("validation_loss"))
    if points("benchmark"):
        yield line_chart("mean accuracy of the benchmark", points("benchmark"), number="{:.1%}")
    yield line_chart("learning rate", points("learning_rate"), number="{:.1e}")
    yield line_chart("gradient norm before clipping", points("gradient_norm"))
    yield line_chart("tokens per second, all devices", points("tokens_per_second"), number="{:,.0f}")
    yield line_chart("share of the packs that holds tokens", points("fill"), number="{:.0%}")
    yield line_chart("share of the time spent waiting for data", points("data_wait_share"), number="{:.1%}")
    if points("mfu"):
        yield line_chart("model FLOPs utilisation", points("mfu"), number="{:.1%}")


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
        yield table((what, "training", "validation"), [(name, *row) for name, row in zip(names, cells, strict=True)])


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
        shown = "".join(image(data) for data in images.get(name, ()))
        rounds = "".join(
            f"<dt>after step {answer['step']:,}{', cut' if answer['cut'] else ''}</dt>"
            f"<dd>{text(answer['answer']) or '<i>empty</i>'}</dd>"
            for answer in answers
        )
        first = answers[0]
        cards.append(
            f'<div class="card">{shown}<p>{text(first["question"])}</p><dl><dt>reference</dt>'
            f"<dd>{text(first['reference'])}</dd>{rounds}</dl></div>"
        )
    yield f'<div class="cards">{"".join(cards)}</div>'


def _left_out(out: Path) -> Iterable[str]:
    train: dict[str, Any] = json.loads((out / "mixture.json").read_text("utf-8"))["train"]
    if train["left_out"]:
        yield "<p>Left out before training, by reason:</p>"
        yield table(("samples", "reason"), [(f"{count:,}", reason) for reason, count in train["left_out"].items()])
    if train["cut"]:
        yield f"<p>{train['cut']:,} samples lost turns at their end to fit a pack.</p>"
