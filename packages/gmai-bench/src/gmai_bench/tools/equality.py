"""A judge in the score of open answers: does an answer say what the reference says? One pinned prompt, one named model.

`gmai bench judge` asks; the verdicts lie in `judged.jsonl` of the benchmark's folder, each with a digest of what was
judged, so that an answer that changed is asked again. The number "judged by MODEL" stands beside the protocol's own:
answers that are yes or no by their nature keep the rules' verdict, as MedEvalKit does, the others are the judge's.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gmai_cli.console import progress
from gmai_formats.errors import UserError
from gmai_formats.files import write_text

from gmai_bench.backends.asks import Ask, Backend
from gmai_bench.benchmarks.question import HEADLINE
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.images import ImageStore, Shown
from gmai_bench.scoring.results import OtherMeasure, ScoredBenchmark, mean_of
from gmai_bench.scoring.verdict import Scored, Verdict

PROMPT_NAME = "gmai-equality/1"
PROMPT = """A question about a medical image, the reference answer and an answer to be marked follow. Mark the answer as
right if it says what the reference says, in whatever words, and as wrong if it says something else, leaves out what
the reference asserts, contradicts itself, or refuses. More detail does no harm where it does not contradict.

Question: {question}
Reference: {reference}
Answer: {answer}

Reply with one word: right or wrong."""

FILE = "judged.jsonl"
_WORD = re.compile(r"[a-z]+")


def is_open(item: Scored) -> bool:
    """Return whether a judge reads an answer: it is asked without options, and its reference is not yes or no."""
    question = item.question
    return (
        question.measure == HEADLINE
        and not question.choices
        and not question.rubric
        and question.reference.strip().lower() not in ("yes", "no")
    )


def judge_open(folder: Path, benchmark: ScoredBenchmark, backend: Backend, out: Path) -> int:
    """Let a judge read the open answers that it has not read yet, and return how many it was asked about.

    Raises:
        UserError: The judge cannot be asked, or answers something else than right or wrong.
    """
    items = [item for item in benchmark.scored if is_open(item)]
    kept = read_judged(folder)
    missing = [i for i in items if _digest(i) != kept.get(i.question.id, {}).get("digest") or
               kept[i.question.id]["judge"] != backend.name]  # fmt: skip
    asks = [Ask(item.question.id, _prompt(item), ()) for item in missing]
    by_id = {item.question.id: item for item in missing}
    fresh: dict[str, dict[str, Any]] = {}
    try:
        with progress("judge", len(asks), unit="answers") as bar:
            for answer in backend.answers(asks, Shown(ImageStore(out / "images"), "none", 0)) if asks else ():
                fresh[answer.id] = {
                    "id": answer.id,
                    "right": _read(answer.response, answer.id, backend.name),
                    "judge": backend.name,
                    "prompt": PROMPT_NAME,
                    "digest": _digest(by_id[answer.id]),
                }
                bar.advance()
    finally:  # what was said before an error is not asked again
        wanted = {item.question.id for item in items}
        lines = {identity: line for identity, line in {**kept, **fresh}.items() if identity in wanted}
        write_text(folder / FILE, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines.values()))
    return len(asks)


def read_judged(folder: Path) -> Mapping[str, dict[str, Any]]:
    """Return what a judge said, by question id.

    Raises:
        UserError: The file was changed by hand.
    """
    path = folder / FILE
    try:
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        read = [cast("dict[str, Any]", json.loads(line)) for line in lines if line]
        return {str(line["id"]): line for line in read if line["digest"] and line["judge"] and "right" in line}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not readable ({error}). `gmai bench judge` writes it. Remove it and judge again."
        ) from error


def with_judge(folder: Path, benchmark: ScoredBenchmark) -> ScoredBenchmark:
    """Return a benchmark with the judged number, where a judge read every open answer as it stands now."""
    kept = read_judged(folder)
    if not kept:
        return benchmark
    items = [item for item in benchmark.scored if item.question.measure == HEADLINE]
    open_items = [item for item in items if is_open(item)]
    if not open_items or any(kept.get(i.question.id, {}).get("digest") != _digest(i) for i in open_items):
        return benchmark
    judges = sorted({str(kept[item.question.id]["judge"]) for item in open_items})
    scored = [_judged(item, kept) if is_open(item) else item for item in items]
    measures: dict[str, OtherMeasure] = {f"judged by {' and '.join(judges)}": mean_of(scored)}
    result = dataclasses.replace(benchmark.result, measures={**benchmark.result.measures, **measures})
    return dataclasses.replace(benchmark, result=result)


def _judged(item: Scored, kept: Mapping[str, Mapping[str, Any]]) -> Scored:
    right = bool(kept[item.question.id]["right"])
    return Scored(item.question, item.prediction, Verdict(float(right), "judge", item.verdict.answer))


def _prompt(item: Scored) -> str:
    references: Sequence[str] = (item.question.reference, *item.question.alternatives)
    answer = json.dumps(strip_thoughts(item.prediction.response).strip(), ensure_ascii=False)
    fields = {"question": item.question.text, "reference": " or: ".join(references), "answer": answer}
    return re.sub(r"\{(question|reference|answer)\}", lambda match: fields[match[1]], PROMPT)


def _digest(item: Scored) -> str:
    return hashlib.sha256(f"{PROMPT_NAME}\n{_prompt(item)}".encode(errors="replace")).hexdigest()


def _read(reply: str, identity: str, judge: str) -> bool:
    words = set(_WORD.findall(strip_thoughts(reply).lower())) & {"right", "wrong"}
    if len(words) != 1:
        raise UserError(
            f'the judge {judge} said {reply!r:.60} about "{identity}", neither right nor wrong. A judge replies with '
            f"one of these words. Choose another model, or give it more tokens."
        )
    return words == {"right"}
