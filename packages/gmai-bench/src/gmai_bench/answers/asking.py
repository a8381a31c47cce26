"""Ask a backend the questions that have no answer yet; each answer is on the disk before the next is asked."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmai_cli.console import progress, say
from gmai_formats.errors import UserError
from gmai_formats.files import bounded_lines
from gmai_formats.state import unframed

from gmai_bench.answers.cache import AnswerCache, CachedAnswer
from gmai_bench.answers.predictions import Prediction, append_to, read_own, request_digest
from gmai_bench.backends.asks import Ask, Backend, InFolder
from gmai_bench.backends.ranks import Ranks
from gmai_bench.benchmarks.record import Record
from gmai_bench.benchmarks.variants import Turn, turns, variant_of
from gmai_bench.images import Shown

PROMPT_VERSION = 1
"""Raised whenever the text sent for the same question changes; part of every request digest."""


def ask_missing(
    item: Record,
    backend: Backend,
    folder: Path,
    asked: Mapping[str, Any],
    shown: Shown,
    cache: AnswerCache | None,
    ranks: Ranks,
) -> None:
    """Ask the questions without an answer; append each answer as it comes.

    Args:
        item: The questions.
        backend: The model.
        folder: The benchmark's folder, which keeps the answers.
        asked: What shapes an answer beside prompt and images.
        shown: The images.
        cache: Answers shared with other runs.
        ranks: This process's place; each rank asks its share.

    Raises:
        UserError: An answer in the folder was given to something else than is asked now.
    """
    path = folder / "predictions.jsonl"
    kept = read_own(path)
    # not the name: a checkpoint that was moved gives the same answers
    shaping = {key: value for key, value in asked.items() if key != "model"}
    guards = {digest: shown.guard(digest) for q in item.questions for digest in q.images}
    wanted = {turn.id: turn for question in item.questions for turn in turns(question, variant_of(item.card.variant))}
    requests = {identity: _request(turn, guards, shaping) for identity, turn in wanted.items()}
    for identity, request in requests.items():
        earlier = kept.by_id.get(identity)
        if earlier is not None and earlier.request != request:
            raise UserError(
                f'{path}: the answer to "{identity}" was given to another prompt, image or setting than is asked now. '
                f"Answers are reused only for the very same request. Use another --out, or remove {folder}."
            )
    missing = [identity for identity in wanted if identity not in kept.by_id]
    cached = {identity: hit for identity in missing if cache and (hit := cache.get(requests[identity]))}
    seed = int(asked.get("sample_seed", 0))
    asks = [ask_of(wanted[identity], seed) for identity in missing if identity not in cached]
    if kept.by_id or cached:
        torn = " (one half-written line dropped)" if kept.torn_lines else ""
        from_cache = f", {len(cached)} from the cache" if cached else ""
        news = f"{item.card.protocol}: {len(kept.by_id)} answers kept{torn}{from_cache}, {len(asks)} to ask"
        if ranks.rank == 0:
            say(news)
    extra = {} if asked["image_ablation"] == "none" else {"image_ablation": asked["image_ablation"]}
    ranks.wait()  # every rank has read the answers before one is added
    own = asks[ranks.rank :: ranks.size]
    target, whole_bytes = (path, kept.whole_bytes) if ranks.size == 1 else (_rank_file(folder, ranks.rank), 0)
    with (
        append_to(target, whole_bytes=whole_bytes, extra=extra) as writer,
        contextlib.ExitStack() as files,
        progress(item.card.protocol, len(own), unit="answers", shown=ranks.rank == 0) as bar,
    ):
        for identity, answer in cached.items() if ranks.rank == 0 else ():
            shown_as = _shown(wanted[identity], item)
            writer.write(Prediction(identity, answer.response, requests[identity], answer.cut, shown=shown_as))
        usage = None
        backend = backend.in_folder(folder) if isinstance(backend, InFolder) else backend
        for answer in backend.answers(own, shown) if own else ():
            shown_as = _shown(wanted[answer.id], item)
            request = requests[answer.id]
            writer.write(Prediction(answer.id, answer.response, request, answer.cut, answer.refused, shown_as))
            if cache and not answer.refused:
                cache.add(requests[answer.id], CachedAnswer(answer.response, answer.cut))
            if answer.usage:
                usage = usage or files.enter_context((folder / "usage.jsonl").open("a", encoding="utf-8"))
                usage.write(json.dumps({"id": answer.id, **answer.usage}) + "\n")
            bar.advance()
    ranks.wait()
    if ranks.rank == 0:
        merge_ranks(folder)


def ask_of(turn: Turn, seed: int) -> Ask:
    """Return what a backend is asked; each sample has a seed of its own, counted from `seed`."""
    question = turn.question
    own = seed + turn.sample - 1 if turn.sample else None
    return Ask(turn.id, question.prompt, question.images, question.continuations, question.turns, own)


def _request(turn: Turn, guards: Mapping[str, str], shaping: Mapping[str, Any]) -> str:
    sampled = {"sample": turn.sample} if turn.sample else {}
    images = tuple(guards[digest] for digest in turn.question.images)
    before = {"turns": turn.question.turns} if turn.question.turns else {}
    return request_digest(turn.question.prompt, images, {**shaping, **sampled, **before})


def _shown(turn: Turn, item: Record) -> tuple[str, ...]:
    """Return the options of a turn for its line, where they may stand in another order than the question's."""
    return turn.question.choices if variant_of(item.card.variant).order != "published" else ()


def _rank_file(folder: Path, rank: int) -> Path:
    return folder / f"predictions.rank-{rank}.jsonl"


def merge_ranks(folder: Path) -> None:
    """Append what the ranks of a data-parallel run wrote to the folder's predictions, of a killed run too.

    A kill in between leaves some answers in both files; they are the same and are written once.
    """
    files = sorted(folder.glob("predictions.rank-*.jsonl"))
    if not files:
        return
    path = folder / "predictions.jsonl"
    kept = read_own(path)
    written = set(kept.by_id)
    with path.open("ab") as target:
        target.truncate(kept.whole_bytes)
        if kept.whole_bytes and not path.read_bytes().endswith(b"\n"):
            target.write(b"\n")
        for file in files:
            with file.open("rb") as lines:
                for line in bounded_lines(lines):
                    try:
                        identity = str(json.loads(unframed(line or b"") or b"")["id"])
                    except (ValueError, KeyError, TypeError, RecursionError):
                        continue  # damaged, and asked again
                    if identity not in written and line is not None and line.endswith(b"\n"):
                        written.add(identity)
                        target.write(line)
        target.flush()
        os.fsync(target.fileno())
    for file in files:
        file.unlink()
