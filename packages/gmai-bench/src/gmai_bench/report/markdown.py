"""The report as Markdown, for a terminal, a pull request or a model card."""

from collections.abc import Mapping, Sequence
from typing import Any

from gmai_bench.scoring.results import GroupResult, Result, ScoredBenchmark

NEAR_COPIES = (
    "copies: other files of the same picture, scaled, cropped a little, compressed or of another contrast, as the "
    "thumbnails laid on each other tell; copies that were cropped or turned much are missed"
)


def as_markdown(summary: Mapping[str, Any], benchmarks: Sequence[ScoredBenchmark]) -> str:
    """Return the report; every number stands beside its protocol, n, interval and chance."""
    lines = [
        f"# {_plain(str(summary['title']))}",
        "",
        f"Model `{_plain(str(summary['model']))}` ({_plain(str(summary['model_digest']))}), {summary['created']}.",
        "",
        "| benchmark | protocol | n | accuracy | 95 % interval | chance | no answer found |",
        "|---|---|---:|---:|---|---:|---:|",
    ]
    lines += [_row(benchmark.result) for benchmark in benchmarks]
    lines += _contamination(summary.get("contamination"))
    for table in summary["published"]:
        lines += _published(table, str(summary["title"]))
    for benchmark in benchmarks:
        lines += _section(benchmark.result)
    return "\n".join(lines) + "\n"


def _contamination(findings: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """Return what the training samples hold of the benchmarks, or that nobody looked."""
    if findings is None:
        return ["", "Contamination: not looked for (`--trained-on SAMPLES`)."]
    lines = ["", "## Seen in training", "", "| protocol | questions | on seen images | same words | both | images |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    for found in findings:
        seen = f"{found['same_image']} the same and {found['near_image']} copies of {found['images']}"
        lines += [
            f"| {found['protocol']} | {found['questions']} | {found['questions_on_seen_images']} | "
            f"{found['same_words']} | {found['both']} | {seen} |"
        ]
    return [*lines, "", f"{NEAR_COPIES[0].upper()}{NEAR_COPIES[1:]}."]


def _published(table: Mapping[str, Any], title: str) -> list[str]:
    """Return a paper's table with our row, the differences under the same protocol, and why there are no others."""
    columns = [str(column).replace("_", " ") for column in table["columns"]]
    lines = ["", f"## {table['title']}", "", f"| model | questions | {' | '.join(columns)} |"]
    lines += ["|---|---|" + "---:|" * len(columns)]
    for model, chosen, cells in table["rows"]:
        lines += [f"| {_plain(model)} | {chosen or 'not named'} | {' | '.join(cell or '–' for cell in cells)} |"]
    ours = [cell["text"] if cell else "–" for cell in table["ours"]]
    lines += [f"| **{_plain(title)}** | ours | {' | '.join(ours)} |"]
    named = {f"{cell['protocol'].partition('#')[0]}" for cell in table["ours"] if cell}
    lines += ["", f"Our row: {', '.join(sorted(named))}; n and intervals stand with each benchmark below."]
    lines += [f"- same protocol: {_plain(m)}, {c}: {points:+.1f} points" for m, c, points in table["comparable"]]
    return lines + [f"- not compared: {_plain(reason)}" for reason in table["refusals"]]


def _row(r: Result) -> str:
    if r.hidden:
        unread = percent(sum(r.no_answer.values()))
        protocol = f"{r.protocol} v{r.protocol_version}"
        return f"| {_plain(r.title)} | {protocol} | {r.questions} | withheld | – | – | {unread} |"
    return (
        f"| {_plain(r.title)} | {r.protocol} v{r.protocol_version}{' (partial)' if r.partial else ''} | {r.n} | "
        f"{named_number(r)} | {span(r.interval)} | {percent(r.chance)} | {percent(sum(r.no_answer.values()))} |"
    )


def _section(r: Result) -> list[str]:
    lines = ["", f"## {_plain(r.title)} — {r.protocol}", ""]
    if r.partial:
        lines += [f"**Partial:** {partial_note(r)}", ""]
    for note in (*r.notices, count_note(r)):
        lines += [_plain(note), ""] if note else []
    error = f"(standard error {100 * r.standard_error:.1f} points). Extractor {r.extractor}."
    lines += [
        f"{r.correct} of {r.n} right. Wilson interval {span(r.interval)}; clustered, {r.clusters} clusters, "
        f"{span(r.interval_clustered)} {error}"
        if r.metric == "accuracy"
        else f"Mean {named_number(r)} of {r.n} answers, {span(r.interval)} ({r.interval_method}) {error}"
    ]
    if r.macro:
        lines += [
            "",
            f"Mean over groups: {percent(r.macro.mean)} ({span(r.macro.interval)}, {r.macro.interval_method}).",
        ]
    if r.cut:
        lines += ["", f"{r.cut} answers were cut at the token limit (`--max-new-tokens`)."]
    if r.refused_by_server:
        lines += ["", f"{r.refused_by_server} questions were refused by the server; they count as not answered."]
    if r.notes:
        lines += ["", r.notes]
    for name, measure in r.measures.items():
        words = name.replace("_", " ")
        lines += ["", f"{words}: {percent(measure.mean)} ({span(measure.interval)}, n = {measure.n})."]
    lines += ["", "| extraction rule | answers |", "|---|---:|"]
    lines += [f"| {rule} | {count} |" for rule, count in r.rules.items()]
    for column, groups in r.groups.items():
        lines += ["", f"| {_plain(column)} | n | accuracy | 95 % interval | chance |", "|---|---:|---:|---|---:|"]
        lines += [_group_row(value, group) for value, group in groups.items()]
    return lines


def _group_row(value: str, g: GroupResult) -> str:
    return f"| {_plain(value)} | {g.n} | {percent(g.accuracy)} | {span(g.interval)} | {percent(g.chance)} |"


def percent(share: float | None) -> str:
    """Return a share as `81.3 %`, or `–` where there is none."""
    return "–" if share is None else f"{100 * share:.1f} %"


def named_number(r: Result) -> str:
    """Return a result's number, with the name of its metric where that is not accuracy: `12.3 % BLEU`."""
    if not r.n:
        return "–"
    return percent(r.accuracy) if r.metric == "accuracy" else f"{percent(r.accuracy)} {r.metric}"


def span(interval: tuple[float, float]) -> str:
    """Return an interval of shares as `75.9–85.8 %`."""
    return f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f} %"


def partial_note(r: Result) -> str:
    """Say why a result does not stand for the whole benchmark."""
    of_all = f" of {r.expected}" if r.expected is not None else ""
    limit = f" (--limit {r.limit})" if r.limit is not None else ""
    missing = f"; {r.unanswered} of them have no answer yet" if r.unanswered else ""
    return f"{r.questions}{of_all} questions{limit}{missing}. Not comparable with full runs."


def count_note(r: Result) -> str:
    """Say where the count of a protocol comes from, when it was not verified; else nothing."""
    return (
        "" if r.expected_verified else f"The count of this protocol, {r.expected}, is not verified: {r.expected_from}."
    )


def _plain(text: str) -> str:
    """Return text that cannot break out of a table cell or start markup."""
    cleaned = " ".join(text.split())
    for mark in ("\\", "|", "`", "<", ">", "*", "[", "]"):
        cleaned = cleaned.replace(mark, "\\" + mark)
    return cleaned
