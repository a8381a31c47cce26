"""A run's numbers ▶ the model's repository on the Hub: evaluation results, and a section of its model card."""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from gmai_cli.errors import UserError

from gmai_bench.report.build import read_folder, run_folders
from gmai_bench.report.markdown import percent, span
from gmai_bench.scores import ScoredBenchmark

RESULTS_FILE = ".eval_results/gmai-bench.yaml"
BEGIN, END = "<!-- gmai-bench: begin -->", "<!-- gmai-bench: end -->"


def push(out: Path, repo_id: str, *, dry_run: bool) -> dict[str, str]:
    """Add the results of an output folder to a model repository, in one commit.

    Each entry names protocol, n, interval and extractor. Results on data sets of the Hub go to `.eval_results`, which
    the model's page shows; the card gets the table of all of them between two markers, which a later push replaces.

    Returns:
        Path in the repository ▶ content.

    Raises:
        UserError: A result is partial or of an ablation, or the Hub refuses.
    """
    benchmarks = _whole_results(out)
    hub: Any = importlib.import_module("huggingface_hub")
    asked = cast("dict[str, Any]", json.loads((out / "asked.json").read_text(encoding="utf-8")))
    if asked["image_ablation"] != "none":
        raise UserError(
            f"{out}: the images were replaced ({asked['image_ablation']}). Such a number is not the model's. "
            f"Push a run without --image-ablation."
        )
    created = str(json.loads((out / "report.json").read_text(encoding="utf-8"))["created"])
    files = {RESULTS_FILE: _entries(hub, benchmarks, created), "README.md": ""}
    try:
        files["README.md"] = _card(_readme(hub, repo_id), benchmarks)
        if not dry_run:
            operations = [
                hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=content.encode())
                for path, content in files.items()
                if content
            ]
            names = ", ".join(b.result.protocol for b in benchmarks)
            hub.HfApi().create_commit(repo_id, operations, commit_message=f"Add evaluation results: {names}")
    except Exception as error:  # the client lets the errors of its HTTP library through, whichever that is
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{repo_id}: the Hub refused ({reason}). Pushing needs a model repository that exists and a token that may "
            f"write to it. Run `hf auth login` or export HF_TOKEN, create the repository, then run the same command."
        ) from error
    return files


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
        revision = card.source.partition("@")[2]
        if card.hub:
            notes = (
                f"protocol {result.protocol} v{result.protocol_version}, n = {result.n}, {result.headline} accuracy in "
                f"percent, 95 % interval {span(interval)}, extractor {result.extractor}, gmai-bench"
            )
            entries.append(
                hub.EvalResultEntry(
                    dataset_id=card.hub,
                    task_id=result.protocol.partition("/")[2],
                    value=round(100 * value, 2),
                    dataset_revision=revision or None,
                    date=created,
                    notes=notes,
                )
            )
    return yaml.safe_dump(hub.eval_result_entries_to_yaml(entries), sort_keys=False, width=120) if entries else ""


def _readme(hub: Any, repo_id: str) -> str:
    try:
        return Path(hub.hf_hub_download(repo_id, "README.md")).read_text(encoding="utf-8")
    except hub.errors.EntryNotFoundError:
        return f"# {repo_id.partition('/')[2]}\n"


def _card(readme: str, benchmarks: Sequence[ScoredBenchmark]) -> str:
    """Return the card with the section of results put in, or replaced where it has one."""
    lines = [BEGIN, "## Evaluation", "", "| benchmark | protocol | n | accuracy | 95 % interval |"]
    lines.append("|---|---|---:|---:|---|")
    for benchmark in benchmarks:
        result = benchmark.result
        value, interval = _value(benchmark)
        protocol = f"`{result.protocol}` v{result.protocol_version}"
        lines.append(f"| {result.title} | {protocol} | {result.n} | {percent(value)} | {span(interval)} |")
    lines += ["", "A number stands for its protocol only; numbers of two protocols are not comparable.", END]
    section = "\n".join(lines)
    start, end = readme.find(BEGIN), readme.find(END)
    if 0 <= start < end:
        return readme[:start] + section + readme[end + len(END) :]
    return readme.rstrip("\n") + "\n\n" + section + "\n"
