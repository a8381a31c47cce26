"""The report as one HTML page that needs nothing beside it: it opens after `scp`, and runs nothing a model said.

Everything a model or a data set said reaches the page as text: the template escapes it, and the list of questions is
packed data that the script puts in place with `textContent`. The Content-Security-Policy allows the page's own script
and style by their digests and nothing else.
"""

import functools
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, cast

import jinja2
from gmai_formats.pages.shell import page

from gmai_bench.images import Ablation, ImageStore
from gmai_bench.published.tables import paper_table
from gmai_bench.report import charts
from gmai_bench.report.browse import Thumbnails, browsable, pack
from gmai_bench.report.markdown import NEAR_COPIES, count_note, partial_note, percent, span
from gmai_bench.scoring.results import ScoredBenchmark


def as_page(summary: Mapping[str, Any], benchmarks: Sequence[ScoredBenchmark], store: ImageStore) -> str:
    """Return the page.

    Args:
        summary: The content of `report.json`.
        benchmarks: The same benchmarks with their verdicts.
        store: The images of their questions.
    """
    style, script = _asset("page.css"), _asset("page.js")
    ablation = cast("Ablation", summary["image_ablation"])
    images = Thumbnails(store, ablation, int(summary.get("ablation_seed") or 0))
    listed = [browsable(benchmark, images) for benchmark in benchmarks]
    data = {"images": images.listed, "benchmarks": [packed for packed, _, _ in listed]}
    environment: Any = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters.update(percent=percent, span=span)
    body = environment.from_string(_asset("page.html.j2")).render(
        summary=summary,
        near_copies=NEAR_COPIES,
        published=[published_blocks(table) for table in summary["published"]],
        benchmarks=[
            {
                "result": benchmark.result,
                "headline": charts.headline_bar(benchmark.result),
                "groups": {name: charts.group_chart(groups) for name, groups in benchmark.result.groups.items()},
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
                "listed": len(packed["rows"]),
                "answers": len(benchmark.scored),
                "images": shown,
                "embedded": embedded,
            }
            for benchmark, (packed, shown, embedded), kept in zip(
                benchmarks, listed, summary["benchmarks"], strict=True
            )
        ],
        data=pack(data),
    )
    title = str(summary["title"])
    return page(f"{title} · gmai bench", [body], heading=title, style=style, script=script)


def published_blocks(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a paper's table in blocks of one question set each, our row only among rows of the same protocol."""
    read = paper_table(str(table["name"]))
    ours = dict(zip(table["columns"], table["ours"], strict=True))
    placed: set[str] = set()
    blocks: list[dict[str, Any]] = []
    for name in dict.fromkeys(chosen for _, chosen, _ in table["rows"]):
        protocols = read.sets[name].protocols if name in read.sets else {}
        mine = {c: cell for c, cell in ours.items() if cell and protocols.get(c) == cell["protocol"]}
        placed |= set(mine)
        families = dict.fromkeys(protocol.partition("#")[0] for protocol in protocols.values())
        blocks.append(
            {
                "about": ", ".join(families) if families else "question set not named by the source",
                "rows": [(model, cells) for model, chosen, cells in table["rows"] if chosen == name],
                "ours": [mine.get(column) for column in table["columns"]] if mine else None,
            }
        )
    not_compared = [
        f"{column.replace('_', ' ')} {cell['text']} ({cell['protocol']}, n = {cell['n']})"
        for column, cell in ours.items()
        if cell and cell["text"] and column not in placed
    ]
    return {**table, "blocks": blocks, "apart": not_compared}


@functools.cache
def _asset(name: str) -> str:
    return resources.files("gmai_bench.report").joinpath(name).read_text(encoding="utf-8")
