"""READ THIS FIRST: load questions ▶ predict ▶ extract ▶ score ▶ aggregate ▶ report.

`ask_and_report` is `gmai bench --model`, `score_file` is `gmai bench score`, `report.build.rebuild` is
`gmai bench report`; all three end in the same report of the same output folder.
"""

import contextlib
import json
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from gmai_cli.console import progress, say
from gmai_cli.run_lock import hold
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file, write_json, write_run_record

from gmai_bench import record
from gmai_bench.backends.asks import Ask, Backend
from gmai_bench.backends.ranks import Ranks
from gmai_bench.benchmarks.question import Benchmark, Card, KeepImage
from gmai_bench.cache import AnswerCache, CachedAnswer
from gmai_bench.foreign import read_answers
from gmai_bench.images import Ablation, ImageStore, Shown, check
from gmai_bench.predictions import Kept, Prediction, append_to, read_predictions, request_digest
from gmai_bench.protocols import PROMPT_VERSION
from gmai_bench.record import Record
from gmai_bench.report.build import folder_of, rebuild
from gmai_bench.scores import ScoredBenchmark, score_benchmark


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run asks, beside the model and the benchmarks."""

    limit: int | None = None
    """Ask the first so many questions of each benchmark only."""
    allow_partial: bool = False
    """Accept a copy of a benchmark with another count than the protocol is due."""
    expect: Mapping[str, int] = field(default_factory=dict[str, int])
    """Protocol ▶ questions due, where the shipped count is not verified."""
    image_ablation: Ablation = "none"
    seed: int = 0
    """Of the noise images; nothing else is random."""


def ask_and_report(
    benchmarks: Sequence[Benchmark],
    backend: Backend,
    out: Path,
    settings: Settings,
    *,
    cache_folder: Path | None = None,
    ranks: Ranks | None = None,
) -> list[ScoredBenchmark]:
    """Ask a model every question that `out` has no answer to yet, then write the report.

    Args:
        benchmarks: What to ask, each under its protocol.
        backend: The model.
        out: Output folder, of one model under one setting.
        settings: The rest.
        cache_folder: Where answers are shared with other runs; without it they are not.
        ranks: This process's place among those of a data-parallel run, already connected. Rank 0 reads the benchmarks
            and writes the report; each rank asks its share.

    Returns:
        The scored benchmarks of the whole folder, those of earlier runs of the same model too; none on other ranks.

    Raises:
        UserError: Bad input, another process at work in `out`, or answers there to other settings.
    """
    _refuse_twins(benchmarks)
    ranks = ranks or Ranks()
    asked = _asked(backend, settings)
    cache = AnswerCache(cache_folder, backend.digest) if cache_folder and backend.cacheable else None
    if ranks.rank > 0:
        if ranks.share(None) != "ready":
            raise UserError(f"rank {ranks.rank}: rank 0 could not start; its message says why.")
        for benchmark in benchmarks:
            _predict(record.read(folder_of(out, benchmark.card)), backend, out, asked, settings, cache, ranks)
        return []
    with hold(out), _telling_the_others(ranks) as tell:
        _refuse_other_settings(out, asked)
        for benchmark in benchmarks:
            _refuse_other_revision(out, benchmark.card)
        store = ImageStore(out / "images")
        records = [_load(benchmark, store.add, settings) for benchmark in benchmarks]
        write_json(out / "asked.json", asked)
        write_run_record(
            out,
            config={"asked": asked, **_coverage(settings)},
            inputs={item.card.protocol: _input(item) for item in records},
            seed=settings.seed,
        )
        for item in records:
            record.write(item, folder_of(out, item.card))
            merge_ranks(folder_of(out, item.card))
        tell("ready")
        for item in records:
            _predict(item, backend, out, asked, settings, cache, ranks)
        return rebuild(out)


@contextlib.contextmanager
def _telling_the_others(ranks: Ranks) -> Generator[Callable[[str], None]]:
    """Let the waiting ranks go on, or end when rank 0 fails before it told them to."""
    told: list[str] = []

    def tell(word: str) -> None:
        told.append(word)
        ranks.share(word)

    try:
        yield tell
    finally:
        if not told:
            ranks.share("failed")


def score_file(
    predictions: Path, benchmark: Benchmark, out: Path | None, settings: Settings, *, model: str
) -> list[ScoredBenchmark]:
    """Score a file of answers, whoever gave them; with `out`, write the report there too.

    Raises:
        UserError: The file cannot be used, answers unknown questions, or leaves some unanswered (see `allow_partial`).
    """
    kept = read_answers(predictions)
    if out is None:
        item = _load(benchmark, check, settings)
        _refuse_mismatch(predictions, item, kept, settings)
        return [score_benchmark(item, kept)]
    with hold(out):
        asked = {"model": model, "model_digest": f"predictions:{sha256_file(predictions)}", "image_ablation": "none"}
        _refuse_other_settings(out, asked)
        _refuse_other_revision(out, benchmark.card)
        item = _load(benchmark, ImageStore(out / "images").add, settings)
        _refuse_mismatch(predictions, item, kept, settings)
        write_json(out / "asked.json", asked)
        inputs = {item.card.protocol: _input(item), "predictions": asked["model_digest"]}
        write_run_record(out, config={"asked": asked, **_coverage(settings)}, inputs=inputs)
        folder = folder_of(out, item.card)
        record.write(item, folder)
        with append_to(folder / "predictions.jsonl", whole_bytes=0, extra={}) as writer:
            for prediction in kept.by_id.values():
                writer.write(prediction)
        return rebuild(out)


def cross_table(
    predictions: Path, benchmark: Benchmark, settings: Settings, extractors: Sequence[str]
) -> Mapping[str, ScoredBenchmark]:
    """Score one file of answers under several extractors."""
    kept = read_answers(predictions)
    item = _load(benchmark, check, settings)
    _refuse_mismatch(predictions, item, kept, settings)
    return {name: score_benchmark(item, kept, extractor=name) for name in extractors}


def _load(benchmark: Benchmark, keep_image: KeepImage, settings: Settings) -> Record:
    return record.load(
        benchmark, keep_image, limit=settings.limit, allow_partial=settings.allow_partial, expect=settings.expect
    )


def _predict(
    item: Record,
    backend: Backend,
    out: Path,
    asked: Mapping[str, Any],
    settings: Settings,
    cache: AnswerCache | None,
    ranks: Ranks,
) -> None:
    """Ask the questions without an answer; append each answer as it comes."""
    path = folder_of(out, item.card) / "predictions.jsonl"
    kept = read_predictions(path) if path.exists() else Kept({}, 0, 0)
    # not the name: a checkpoint that was moved gives the same answers
    shaping = {key: value for key, value in asked.items() if key != "model"}
    requests = {q.id: request_digest(q.prompt, q.images, shaping) for q in item.questions}
    for identity, request in requests.items():
        earlier = kept.by_id.get(identity)
        if earlier is not None and earlier.request != request:
            raise UserError(
                f'{path}: the answer to "{identity}" was given to another prompt, image or setting than is asked now. '
                f"Answers are reused only for the very same request. Use another --out, or remove {path.parent}."
            )
    missing = [q for q in item.questions if q.id not in kept.by_id]
    cached = {q.id: hit for q in missing if cache and (hit := cache.get(requests[q.id]))}
    asks = [Ask(q.id, q.prompt, q.images, q.continuations) for q in missing if q.id not in cached]
    if kept.by_id or cached:
        torn = " (one half-written line dropped)" if kept.torn_lines else ""
        from_cache = f", {len(cached)} from the cache" if cached else ""
        news = f"{item.card.protocol}: {len(kept.by_id)} answers kept{torn}{from_cache}, {len(asks)} to ask"
        if ranks.rank == 0:
            say(news)
    open_image = Shown(ImageStore(out / "images"), settings.image_ablation, settings.seed)
    extra = {} if settings.image_ablation == "none" else {"image_ablation": settings.image_ablation}
    ranks.wait()  # every rank has read the answers before one is added
    own = asks[ranks.rank :: ranks.size]
    target, whole_bytes = (path, kept.whole_bytes) if ranks.size == 1 else (_rank_file(path.parent, ranks.rank), 0)
    with (
        append_to(target, whole_bytes=whole_bytes, extra=extra) as writer,
        progress(item.card.protocol, len(own), unit="answers", shown=ranks.rank == 0) as bar,
    ):
        for identity, answer in cached.items() if ranks.rank == 0 else ():
            writer.write(Prediction(identity, answer.response, requests[identity], answer.cut))
        for answer in backend.answers(own, open_image) if own else ():
            writer.write(Prediction(answer.id, answer.response, requests[answer.id], answer.cut))
            if cache:
                cache.add(requests[answer.id], CachedAnswer(answer.response, answer.cut))
            bar.advance()
    ranks.wait()
    if ranks.rank == 0:
        merge_ranks(path.parent)


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
    kept = read_predictions(path) if path.exists() else Kept({}, 0, 0)
    written = set(kept.by_id)
    with path.open("ab") as target:
        target.truncate(kept.whole_bytes)
        if kept.whole_bytes and not path.read_bytes().endswith(b"\n"):
            target.write(b"\n")
        for file in files:
            for line in file.read_bytes().split(b"\n")[:-1]:
                identity = str(json.loads(line)["id"])
                if identity not in written:
                    written.add(identity)
                    target.write(line + b"\n")
        target.flush()
        os.fsync(target.fileno())
    for file in files:
        file.unlink()


def _asked(backend: Backend, settings: Settings) -> dict[str, Any]:
    """Return all that shapes an answer beside prompt and images; part of every request digest."""
    return {
        "model": backend.name,
        "model_digest": backend.digest,
        "generation": dict(backend.generation),
        "image_ablation": settings.image_ablation,
        "ablation_seed": settings.seed if settings.image_ablation == "noise" else None,
        "prompt_version": PROMPT_VERSION,
    }


def _refuse_other_settings(out: Path, asked: Mapping[str, Any]) -> None:
    path = out / "asked.json"
    if not path.exists():
        return
    try:
        earlier = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UserError(f"{path}: not readable as JSON ({error}). Remove the file if its answers are yours.") from error
    differing = [
        f"{key} was {earlier.get(key)}, is {asked.get(key)}"
        for key in sorted({*asked, *earlier} - {"model"})
        if earlier.get(key) != asked.get(key)
    ]
    if differing:
        raise UserError(
            f"{out}: holds answers to other settings ({'; '.join(differing)}). One output folder is one model under "
            f"one setting, so that its report means one thing. Use another --out, or remove {out}."
        )


def _refuse_twins(benchmarks: Sequence[Benchmark]) -> None:
    protocols = [benchmark.card.protocol for benchmark in benchmarks]
    twins = sorted({protocol for protocol in protocols if protocols.count(protocol) > 1})
    if twins:
        raise UserError(
            f"--benchmarks: {', '.join(twins)} is asked for twice. A protocol names one folder of answers. "
            f"Give each benchmark once, and each YAML file its own `protocol`."
        )


def _refuse_mismatch(path: Path, item: Record, kept: Kept, settings: Settings) -> None:
    known = {question.id for question in item.questions}
    unknown = [identity for identity in kept.by_id if identity not in known]
    if unknown and item.coverage.limit is None:
        raise UserError(
            f'{path}: answers {len(unknown)} questions that {item.card.protocol} does not ask, such as "{unknown[0]}". '
            f"Ids must be those of the benchmark. Check that the file belongs to {item.card.source}."
        )
    missing = [identity for identity in known if identity not in kept.by_id]
    if missing and not settings.allow_partial:
        raise UserError(
            f'{path}: has no answer to {len(missing)} of {len(known)} questions, such as "{min(missing)}". A number '
            f"of a protocol stands for all of its questions. Answer them, or pass --allow-partial (the report says so)."
        )


def _refuse_other_revision(out: Path, card: Card) -> None:
    """Refuse a benchmark whose commit on the Hub is not the one that the answers in the folder were given to."""
    folder = folder_of(out, card)
    before = record.read(folder).card.revision if (folder / "benchmark.json").exists() else ""
    if before and card.revision and before != card.revision:
        raise UserError(
            f"{folder}: its questions are those of {card.hub} at {before}, and now they would be read at "
            f"{card.revision}. A number must not change its questions silently. "
            f"Pass --revision {card.protocol}={before}, or use another --out."
        )


def _coverage(settings: Settings) -> dict[str, Any]:
    return {"limit": settings.limit, "allow_partial": settings.allow_partial, "expect": dict(settings.expect)}


def _input(item: Record) -> dict[str, Any]:
    return {
        "source": item.card.source,
        "revision": item.card.revision or None,
        "questions": item.coverage.asked,
        "expected": item.coverage.expected,
        "expected_from": item.card.count_source or None,
    }
