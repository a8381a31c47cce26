"""The report as one HTML page that needs nothing beside it: it opens after `scp`, and runs nothing a model said.

Everything a model or a data set said reaches the page as text: the template escapes it, and the list of questions is
JSON that the script puts in place with `textContent`. The Content-Security-Policy allows the page's own script and
style by their digests and nothing else.
"""

import base64
import functools
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, cast

import jinja2
from PIL import Image

from gmai_bench.images import Ablation, ImageStore
from gmai_bench.report import charts
from gmai_bench.report.markdown import count_note, partial_note, percent, span
from gmai_bench.scores import Scored, ScoredBenchmark

IMAGE_EDGE_PX = 256
"""Longest edge of an embedded image."""
MOST_BROWSED = 1000
"""Questions listed on the page per benchmark; beyond them an even selection is shown, and the page says so."""


def as_page(summary: Mapping[str, Any], benchmarks: Sequence[ScoredBenchmark], store: ImageStore) -> str:
    """Return the page.

    Args:
        summary: The content of `report.json`.
        benchmarks: The same benchmarks with their verdicts.
        store: The images of their questions.
    """
    style, script = _asset("page.css"), _asset("page.js")
    ablation = cast("Ablation", summary["image_ablation"])
    images = _Thumbnails(store, ablation, int(summary.get("ablation_seed") or 0))
    listed = [_browsable(benchmark, images) for benchmark in benchmarks]
    data = {"images": images.by_digest, "benchmarks": listed}
    environment: Any = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters.update(percent=percent, span=span)
    return environment.from_string(_asset("page.html.j2")).render(
        summary=summary,
        benchmarks=[
            {
                "result": benchmark.result,
                "headline": charts.headline_bar(benchmark.result),
                "groups": {name: charts.group_bars(groups) for name, groups in benchmark.result.groups.items()},
                "slices": charts.rule_slices(benchmark.result),
                "radars": [
                    drawn
                    for name, groups in benchmark.result.groups.items()
                    if (drawn := charts.radar(name, groups)) is not None
                ],
                "judge": kept["judge"],
                "macro_over": benchmark.record.card.groups[0] if benchmark.result.macro else "",
                "count": count_note(benchmark.result),
                "partial": partial_note(benchmark.result) if benchmark.result.partial else "",
                "listed": len(shown["questions"]),
            }
            for benchmark, shown, kept in zip(benchmarks, listed, summary["benchmarks"], strict=True)
        ],
        style=style,
        script=script,
        style_digest=_csp_digest(style),
        script_digest=_csp_digest(script),
        data=_script_safe_json(data),
    )


class _Thumbnails:
    """Small data URIs of what the model was shown, one per image."""

    def __init__(self, store: ImageStore, ablation: Ablation, seed: int) -> None:
        self._store, self._seed = store, seed
        self._ablation: Ablation = ablation
        self.by_digest: dict[str, str] = {}

    def add(self, digest: str) -> None:
        if digest in self.by_digest:
            return
        image = self._store.show(digest, self._ablation, self._seed)
        image.thumbnail((IMAGE_EDGE_PX, IMAGE_EDGE_PX), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=80)
        self.by_digest[digest] = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _browsable(benchmark: ScoredBenchmark, images: _Thumbnails) -> dict[str, Any]:
    scored = benchmark.scored
    step = max(1.0, len(scored) / MOST_BROWSED)
    shown = [scored[int(i * step)] for i in range(min(len(scored), MOST_BROWSED))]
    for item in shown:
        for digest in item.question.images:
            images.add(digest)
    return {
        "groups": list(benchmark.record.card.groups),
        "questions": [_entry(item) for item in shown],
    }


def _entry(item: Scored) -> dict[str, Any]:
    question, verdict = item.question, item.verdict
    return {
        "id": question.id,
        "text": question.text,
        "images": list(question.images),
        "choices": list(question.choices),
        "reference": question.reference,
        "response": item.prediction.response,
        "answer": verdict.answer,
        "rule": verdict.rule,
        "score": verdict.score,
        "measure": question.measure,
        "groups": dict(question.groups),
    }


def _script_safe_json(value: Any) -> str:
    """Return JSON that cannot end the script element it stands in: no `<`, `>`, `&` or line separators in it."""
    text = json.dumps(value, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@functools.cache
def _asset(name: str) -> str:
    return resources.files("gmai_bench.report").joinpath(name).read_text(encoding="utf-8")


def _csp_digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
