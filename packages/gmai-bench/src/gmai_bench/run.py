"""READ THIS FIRST: load questions ▶ predict ▶ extract ▶ score ▶ aggregate ▶ report.

`ask_and_report` is `gmai bench --model`, `score_file` is `gmai bench score`, `report.build.rebuild` is
`gmai bench report`; all three end in the same report of the same output folder.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmai_cli.run_lock import hold
from gmai_formats.errors import UserError
from gmai_formats.pictures.picture import PICTURES_VERSION
from gmai_formats.run_record import write_run_record
from gmai_formats.state import write_state

from gmai_bench.answers.asking import PROMPT_VERSION, ask_missing, merge_ranks
from gmai_bench.answers.cache import AnswerCache
from gmai_bench.answers.guards import refuse_other_revision, refuse_other_settings, refuse_twins
from gmai_bench.answers.imported import digest_of, read_answers
from gmai_bench.answers.matching import answers_to
from gmai_bench.answers.predictions import Kept, append_to
from gmai_bench.answers.records import Keys
from gmai_bench.backends.asks import Ask, Backend
from gmai_bench.backends.ranks import Ranks
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.errata import Errata
from gmai_bench.benchmarks.question import Benchmark, KeepImage
from gmai_bench.benchmarks.record import Record
from gmai_bench.images import Ablation, ImageStore, Shown, check, images_of_others
from gmai_bench.report.build import folder_of, rebuild
from gmai_bench.scoring.results import ScoredBenchmark, score_benchmark

if TYPE_CHECKING:
    from gmai_bench.backends.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run asks, beside the model and the benchmarks."""

    limit: int | None = None
    """Ask the first so many questions of each benchmark only."""
    allow_partial: bool = False
    """Accept a copy of a benchmark with another count than the protocol is due."""
    expect: Mapping[str, int] = field(default_factory=dict[str, int])
    """Protocol ▶ questions due, where the shipped count is not verified."""
    errata: Errata = field(default_factory=dict[tuple[str, str], str])
    """Questions whose right answers are known to be wrong: the number without them stands beside."""
    image_ablation: Ablation = "none"
    seed: int = 0
    """Seed of the noise images; nothing else is random."""


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
    refuse_twins(benchmarks)
    ranks = ranks or Ranks()
    asked = _asked(backend, settings)
    cache = AnswerCache(cache_folder, backend.digest) if cache_folder and backend.cacheable else None

    def ask(item: Record) -> None:
        others = images_of_others(item.questions) if settings.image_ablation == "other" else None
        shown = Shown(ImageStore(out / "images"), settings.image_ablation, settings.seed, others)
        ask_missing(item, backend, folder_of(out, item.card), asked, shown, cache, ranks)

    if ranks.rank > 0:
        if ranks.share(None) != "ready":
            raise UserError(f"rank {ranks.rank}: rank 0 could not start; its message says why.")
        for benchmark in benchmarks:
            ask(record.read(folder_of(out, benchmark.card)))
        return []
    with hold(out), _telling_the_others(ranks) as tell:
        refuse_other_settings(out, asked)
        for benchmark in benchmarks:
            refuse_other_revision(out, benchmark.card)
        store = ImageStore(out / "images")
        records = [_load(benchmark, store.add, settings) for benchmark in benchmarks]
        write_state(out / "asked.json", asked)
        write_run_record(
            out,
            config={"asked": asked, "pictures": PICTURES_VERSION, **_coverage(settings)},
            inputs={item.card.protocol: _input(item) for item in records},
            seed=settings.seed,
        )
        for item in records:
            record.write(item, folder_of(out, item.card))
            merge_ranks(folder_of(out, item.card))
        tell("ready")
        for item in records:
            ask(item)
        return rebuild(out)


def estimate(benchmarks: Sequence[Benchmark], backend: "Endpoint", settings: Settings) -> dict[str, str]:
    """Return protocol ▶ the most that asking it takes, of every question; nothing is asked or written.

    Args:
        benchmarks: What would be asked.
        backend: The endpoint; nothing is sent to it.
        settings: The rest.

    Raises:
        UserError: A benchmark cannot be read.
    """
    items = [_load(benchmark, check, settings) for benchmark in benchmarks]
    asks = {i.card.protocol: [Ask(q.id, q.prompt, q.images, q.continuations) for q in i.questions] for i in items}
    total = {"together": [ask for own in asks.values() for ask in own]} if len(asks) > 1 else {}
    return {name: backend.estimate(own) for name, own in (asks | total).items()}


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
    predictions: Path,
    benchmarks: Sequence[Benchmark],
    out: Path | None,
    settings: Settings,
    *,
    model: str,
    data_root: Path | None = None,
    keys: Keys | None = None,
    in_order: bool = False,
) -> list[ScoredBenchmark]:
    """Score a file of answers, whoever gave them, under every protocol asked for; with `out`, write the report there.

    Args:
        predictions: The file; it may answer more than the protocols ask, as long as the rest is known.
        benchmarks: Under which protocols.
        out: Output folder, of one file of answers.
        settings: How much must be answered.
        model: What the report calls the model.
        data_root: Where the other protocols of the same benchmarks lie, whose answers are passed over.
        keys: Under which keys ids and answers stand, where they are not found by themselves.
        in_order: Take the answers in the order of the benchmark, whatever their ids.

    Raises:
        UserError: The file cannot be used, answers unknown questions, or leaves some unanswered (see `allow_partial`).
    """
    refuse_twins(benchmarks)
    answered = read_answers(predictions, keys)

    def match(items: Sequence[Record]) -> list[Kept]:
        return answers_to(
            items, answered, predictions, data_root, allow_partial=settings.allow_partial, by_order=in_order
        )

    if out is None:
        items = [_load(benchmark, check, settings) for benchmark in benchmarks]
        matched = match(items)
        return [score_benchmark(item, own) for item, own in zip(items, matched, strict=True)]
    with hold(out):
        asked = {"model": model, "model_digest": f"predictions:{digest_of(predictions)}", "image_ablation": "none"}
        refuse_other_settings(out, asked)
        for benchmark in benchmarks:
            refuse_other_revision(out, benchmark.card)
        items = [_load(benchmark, ImageStore(out / "images").add, settings) for benchmark in benchmarks]
        matched = match(items)
        write_state(out / "asked.json", asked)
        inputs = {item.card.protocol: _input(item) for item in items} | {"predictions": asked["model_digest"]}
        write_run_record(
            out, config={"asked": asked, "pictures": PICTURES_VERSION, **_coverage(settings)}, inputs=inputs
        )
        for item, own in zip(items, matched, strict=True):
            folder = folder_of(out, item.card)
            record.write(item, folder)
            with append_to(folder / "predictions.jsonl", whole_bytes=0, extra={}) as writer:
                for prediction in own.by_id.values():
                    writer.write(prediction)
        return rebuild(out)


def _load(benchmark: Benchmark, keep_image: KeepImage, settings: Settings) -> Record:
    return record.load(
        benchmark,
        keep_image,
        limit=settings.limit,
        allow_partial=settings.allow_partial,
        expect=settings.expect,
        errata=settings.errata,
    )


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
