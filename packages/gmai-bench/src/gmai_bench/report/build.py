"""An output folder ▶ scores.jsonl, report.json, report.md, report.html; needs neither model nor benchmark files."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically, write_json, write_text
from gmai_formats.state import DamagedError, read_state

from gmai_bench.answers.predictions import read_predictions
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.question import Card
from gmai_bench.images import ImageStore
from gmai_bench.published.compare import beside_paper
from gmai_bench.report.markdown import as_markdown
from gmai_bench.report.page import as_page
from gmai_bench.scoring.results import ScoredBenchmark, score_benchmark
from gmai_bench.tools.contamination import summarise
from gmai_bench.tools.equality import with_judge
from gmai_bench.tools.rubric import with_rubrics
from gmai_bench.tools.submission import write_submission

FORMAT = "gmai-bench-report/1"


def folder_of(out: Path, card: Card) -> Path:
    """Return the folder of one benchmark under one protocol."""
    return out / card.protocol


def rebuild(out: Path) -> list[ScoredBenchmark]:
    """Score every benchmark of an output folder and write its report.

    Raises:
        UserError: The folder is no output of `gmai bench`.
    """
    try:
        asked = read_state(out / "asked.json")
    except (OSError, DamagedError) as error:
        raise UserError(
            f"{out}: {error if isinstance(error, DamagedError) else 'no asked.json'}. A report is built from a folder "
            "that `gmai bench --model … --out` or `gmai bench score … --out` wrote. Correct the path."
        ) from error
    benchmarks = [_score_folder(folder) for folder in run_folders(out)]
    summary: dict[str, Any] = {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **asked,
        "title": title_of(asked),
        "benchmarks": [_as_json(out, benchmark) for benchmark in benchmarks],
        "contamination": summarise(out),
        "published": [dataclasses.asdict(table) for table in beside_paper([b.result for b in benchmarks])],
    }
    write_json(out / "report.json", summary)
    write_text(out / "report.md", as_markdown(summary, benchmarks))
    write_text(out / "report.html", as_page(summary, benchmarks, ImageStore(out / "images")))
    return benchmarks


def _as_json(out: Path, benchmark: ScoredBenchmark) -> dict[str, Any]:
    judged = folder_of(out, benchmark.record.card) / "judge.json"
    fields = dataclasses.asdict(benchmark.result)
    return fields | {"judge": _judged(judged)}


def _judged(path: Path) -> dict[str, Any] | None:
    try:
        return read_state(path)
    except FileNotFoundError:
        return None
    except DamagedError as error:
        raise UserError(f"{error}. Remove it; `gmai bench judge` writes it again from the answers it kept.") from error


def run_folders(out: Path) -> list[Path]:
    """Return the folders of an output that hold answers, one per protocol.

    Raises:
        UserError: There is none.
    """
    if out.is_file() or (out / "benchmark.json").is_file():
        raise UserError(
            f"{out}: is a part of a run. A run is its whole output folder, with run.json and report.html. "
            f"Give the folder that --out named."
        )
    folders = sorted(path.parent for path in out.glob("*/*/benchmark.json"))
    if not folders and out.is_dir() and any(out.iterdir()) and not (out / "asked.json").is_file():
        raise UserError(f"{out}: no run of `gmai bench` (it has no asked.json). Give the folder that --out named.")
    answered = [folder for folder in folders if (folder / "predictions.jsonl").exists()]
    if not answered:
        raise UserError(f"{out}: holds no answers yet. Ask some with `gmai bench --model … --out {out}`.")
    return answered


def read_folder(folder: Path) -> ScoredBenchmark:
    """Score the answers of one benchmark's folder, writing nothing."""
    scored = score_benchmark(record.read(folder), read_predictions(folder / "predictions.jsonl"))
    return with_rubrics(folder, with_judge(folder, scored))


_ABLATIONS = {
    "noise": "images replaced by noise",
    "blank": "images replaced by grey",
    "other": "images replaced by those of other patients",
}


def title_of(asked: dict[str, Any]) -> str:
    """Return the report's title: the last two parts of the model's path or id, such as `stage3/model`.

    An ablation stands in it, so that such a number is never taken for the model's.
    """
    name = "/".join(str(asked["model"]).strip("/").split("/")[-2:]) or "unnamed"
    shown = _ABLATIONS.get(str(asked["image_ablation"]))
    return f"{name} — {shown}" if shown else name


def _score_folder(folder: Path) -> ScoredBenchmark:
    benchmark = read_folder(folder)
    with replace_atomically(folder / "scores.jsonl") as file:
        file.writelines(line.encode("utf-8") for line in _score_lines(benchmark))
    if benchmark.result.hidden:
        write_submission(benchmark, folder / "submission.xlsx")
    return benchmark


def _score_lines(benchmark: ScoredBenchmark) -> Iterator[str]:
    """Yield one line per answered question in the order of the benchmark: the same answers give the same bytes."""
    yield from (
        json.dumps(
            {
                "id": item.question.id,
                "measure": item.question.measure,
                "score": item.verdict.score,
                "rule": item.verdict.rule,
                "answer": item.verdict.answer,
                "reference": item.question.reference,
                **({"asked": [[part.verdict.score, part.verdict.answer] for part in parts]} if parts else {}),
            },
            ensure_ascii=False,
        )
        + "\n"
        for item, parts in itertools.zip_longest(benchmark.scored, benchmark.asked)
    )
