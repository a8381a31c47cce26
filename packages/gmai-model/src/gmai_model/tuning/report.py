"""The page of a run of stage 4: held-out rewards before and after, the reward's curve, answers, settings."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gmai_formats.files import write_text
from gmai_formats.pages.charts import Points, line_chart
from gmai_formats.pages.shell import image, page, table, text

from gmai_model.training.callbacks.metrics import read_metrics
from gmai_model.tuning.held_out import Gain
from gmai_model.tuning.tasks import Tasks

_SHOWN = 12
_CURVES = (
    ("reward", "mean reward of the drawn answers"), ("reward_std", "spread of the rewards within a question"),
    ("loss", "loss"), ("rewards/accuracies", "share of pairs in which the right answer is preferred"),
    ("rewards/margins", "margin between the right and the wrong answer"), ("kl", "divergence from the start"),
    ("entropy", "entropy of the answers"), ("completions/mean_length", "length of the answers in tokens"),
    ("gradient_norm", "gradient norm before clipping"), ("learning_rate", "learning rate"),
)  # fmt: skip


def verdict(gain: Gain) -> str:
    """Return one sentence about a gain, as it is."""
    how = "above" if gain.low > 0 else "below" if gain.high < 0 else "not told apart from"
    return (
        f"held-out mean reward {gain.before:.1%} ▶ {gain.after:.1%} on {gain.questions} questions: "
        f"{100 * (gain.after - gain.before):+.1f} points (95 % interval {100 * gain.low:+.1f} to "
        f"{100 * gain.high:+.1f}), {how} where it started"
    )


def write_report(
    out: Path, history: dict[str, Any], gains: Sequence[Gain], asked: Tasks, before: Sequence[str], after: Sequence[str]
) -> None:
    """Write `OUT/report.html`."""
    lines = read_metrics(out / "metrics.jsonl")
    title = f"Stage 4, {history['name'].replace('_', ' ')}"
    if gains:
        title += f": held-out reward {gains[0].before:.1%} ▶ {gains[0].after:.1%}"
    body = [
        f"<p>{text(verdict(gains[0]))}.</p>" if gains else "<p>No held-out questions were given.</p>",
        table(("reward", "questions", "before", "after", "difference in points", "95 % interval"),
              [(gain.reward, gain.questions, f"{gain.before:.1%}", f"{gain.after:.1%}",
                f"{100 * (gain.after - gain.before):+.1f}", f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}")
               for gain in gains]) if gains else "",
        '<p class="soft">The same questions before and after, answered greedily; no model judges an answer.</p>',
        "<h2>Curves</h2>", f'<div class="curves">{"".join(_curves(lines))}</div>',
        "<h2>Answers to held-out questions</h2>", f'<div class="cards">{"".join(_cards(asked, before, after))}</div>',
        "<h2>Settings</h2>",
        table(("setting", "value"), [(key, json.dumps(value)) for key, value in history["settings"].items()]),
    ]  # fmt: skip
    write_text(out / "report.html", page(title, body))


def _curves(lines: Sequence[dict[str, Any]]) -> Iterable[str]:
    def points(key: str) -> Points:
        return [(line["step"], line[key]) for line in lines if key in line]

    for key, title in _CURVES:
        yield line_chart(title, points(key), number="{:.1e}" if key == "learning_rate" else "{:.3f}")
    for key in sorted({key for line in lines for key in line if key.startswith("rewards/") and key.endswith("/mean")}):
        yield line_chart(f"reward of {key.split('/')[1]}", points(key), number="{:.3f}")


def _cards(asked: Tasks, before: Sequence[str], after: Sequence[str]) -> Iterable[str]:
    for row, first, last in list(zip(asked.rows, before, after, strict=True))[:_SHOWN]:
        question = " ".join(part.get("text", "") for each in row["prompt"] for part in each["content"])
        shown = "".join(image(data) for data in row["images"])
        yield (
            f'<div class="card">{shown}<p>{text(question)}</p><dl><dt>truth ({text(row["reward"])})</dt>'
            f"<dd>{text(row['truth'])}</dd><dt>before</dt><dd>{text(first) or '<i>empty</i>'}</dd><dt>after</dt>"
            f"<dd>{text(last) or '<i>empty</i>'}</dd></dl></div>"
        )
