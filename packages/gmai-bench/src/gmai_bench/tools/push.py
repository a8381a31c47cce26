"""A run's numbers ▶ the model's repository on the Hub: evaluation results, and a section of its model card."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from gmai_cli.hub import add_files
from gmai_cli.hub_calls import library
from gmai_formats.errors import UserError
from gmai_formats.state import read_state

from gmai_bench.report.build import read_folder, run_folders
from gmai_bench.report.markdown import percent, span
from gmai_bench.scoring.results import ScoredBenchmark

RESULTS_FILE = ".eval_results/gmai-bench.yaml"
BEGIN, END = "<!-- gmai-bench: begin -->", "<!-- gmai-bench: end -->"


def push(out: Path, repo_id: str, *, dry_run: bool) -> tuple[str, dict[str, str]]:
    """Add the results of an output folder to a model repository, in one commit.

    Each entry names protocol, n, interval and extractor. Results on data sets of the Hub go to `.eval_results`, which
    the model's page shows; the card gets the table of all of them between two markers, which a later push replaces.

    Returns:
        The commit's address, empty on a dry run, and path in the repository ▶ content. A dry run asks the Hub for
        nothing and shows the card's section alone.

    Raises:
        UserError: A result is partial or of an ablation, or the Hub refuses.
    """
    benchmarks = _whole_results(out)
    asked = read_state(out / "asked.json")
    if asked["image_ablation"] != "none":
        raise UserError(
            f"{out}: the images were replaced ({asked['image_ablation']}). Such a number is not the model's. "
            f"Push a run without --image-ablation."
        )
    created = _created(out)
    entries = _entries(library(), benchmarks, created)
    files: dict[str, str] = {}

    def edit(read: Callable[[str], str | None]) -> dict[str, str]:
        title = f"# {repo_id.partition('/')[2]}\n"
        files["README.md"] = _card(read("README.md") or title, benchmarks)
        if entries:
            files[RESULTS_FILE] = entries
        return files

    if dry_run:
        return "", edit(lambda _: "") | {"README.md": _section(benchmarks)}
    names = ", ".join(b.result.protocol for b in benchmarks)
    url = add_files(repo_id, edit, repo_type="model", message=f"Add evaluation results: {names}")
    return url, files


def _created(out: Path) -> str:
    path = out / "report.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["created"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({error}). `gmai bench report {out}` writes it again.") from error


def _whole_results(out: Path) -> list[ScoredBenchmark]:
    benchmarks = [read_folder(folder) for folder in run_folders(out)]
    known = [benchmark for benchmark in benchmarks if not benchmark.result.hidden]
    partial = [benchmark.result.protocol for benchmark in known if benchmark.result.partial]
    if partial or not known:
        found = f"{', '.join(partial)} is partial" if partial else "no benchmark has a number"
        raise UserError(f"{out}: {found}. Only whole results are published. Finish the run without --limit first.")
    return known


def _value(benchmark: ScoredBenchmark) -> tuple[float, tuple[float, float]]:
    result = benchmark.result
    return (result.macro.mean, result.macro.interval) if result.macro else (result.accuracy, result.interval)


def _entries(hub: Any, benchmarks: Sequence[ScoredBenchmark], created: str) -> str:
    """Return the YAML of the results on data sets of the Hub; empty where there are none."""
    entries: list[Any] = []
    for benchmark in benchmarks:
        result, card = benchmark.result, benchmark.record.card
        value, interval = _value(benchmark)
        if card.hub and not card.variant:  # the model's page compares plain runs
            notes = (
                f"protocol {result.protocol} v{result.protocol_version}, n = {result.n}, {result.headline} accuracy in "
                f"percent, 95 % interval {span(interval)}, extractor {result.extractor}, gmai-bench"
            )
            entries.append(
                hub.EvalResultEntry(
                    dataset_id=card.hub,
                    task_id=result.protocol.partition("/")[2],
                    value=round(100 * value, 2),
                    dataset_revision=card.revision or None,
                    date=created,
                    notes=notes,
                )
            )
    return yaml.safe_dump(hub.eval_result_entries_to_yaml(entries), sort_keys=False, width=120) if entries else ""


def _card(readme: str, benchmarks: Sequence[ScoredBenchmark]) -> str:
    """Return the card with the section of results put in, or replaced where it has one."""
    section = _section(benchmarks)
    start, end = readme.find(BEGIN), readme.find(END)
    if 0 <= start < end:
        return readme[:start] + section + readme[end + len(END) :]
    return readme.rstrip("\n") + "\n\n" + section + "\n"


def _section(benchmarks: Sequence[ScoredBenchmark]) -> str:
    lines = [BEGIN, "## Evaluation", "", "| benchmark | protocol | n | accuracy | 95 % interval |"]
    lines.append("|---|---|---:|---:|---|")
    for benchmark in benchmarks:
        result = benchmark.result
        value, interval = _value(benchmark)
        protocol = f"`{result.protocol}` v{result.protocol_version}"
        lines.append(f"| {result.title} | {protocol} | {result.n} | {percent(value)} | {span(interval)} |")
    lines += ["", "A number stands for its protocol only; numbers of two protocols are not comparable.", END]
    return "\n".join(lines)
