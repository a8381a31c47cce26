"""READ THIS FIRST: load questions ▶ predict ▶ extract ▶ score ▶ aggregate ▶ report.

`ask_and_report` is `gmai bench --model`, `score_file` is `gmai bench score`, `report.build.rebuild` is
`gmai bench report`; all three end in the same report of the same output folder.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmai_cli.console import say
from gmai_cli.run_lock import hold
from gmai_formats.errors import UserError
from gmai_formats.pictures.picture import PICTURES_VERSION
from gmai_formats.run_record import write_run_record

from gmai_bench.answers.asking import PROMPT_VERSION, ask_missing, ask_of, merge_ranks
from gmai_bench.answers.cache import AnswerCache
from gmai_bench.answers.guards import claim, refuse_other_revision, refuse_twins
from gmai_bench.answers.imported import digest_of, read_answers
from gmai_bench.answers.matching import answers_to
from gmai_bench.answers.predictions import Kept, append_to
from gmai_bench.answers.records import Keys
from gmai_bench.backends.asks import Backend
from gmai_bench.backends.ranks import Ranks
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.errata import Errata, unused
from gmai_bench.benchmarks.question import Benchmark, KeepImage
from gmai_bench.benchmarks.record import Record
from gmai_bench.benchmarks.variants import Order, Variant, turns, varied
from gmai_bench.images import Ablation, ImageStore, Shown, check, images_of_others
from gmai_bench.report.build import folder_of, rebuild
from gmai_bench.scoring.results import ScoredBenchmark, score_benchmark
from gmai_bench.tools.contamination import FILE, ImagePrints, contamination

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
    """Seed of the noise images, of shuffled options and of the first sample; nothing else is random."""
    option_order: Order = "published"
    samples: int = 1
    """How often each question is asked."""
    trained_on: Path | None = None
    """Samples that the model was trained on, in which the benchmarks' images and questions are looked for."""

    @property
    def variant(self) -> Variant:
        """How questions are asked otherwise than their protocols say."""
        return Variant(self.option_order, self.samples, self.seed)


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
    asked = _shaping_of(backend, settings)
    cache = AnswerCache(cache_folder, backend.digest) if cache_folder and backend.cacheable else None

    def ask(item: Record) -> None:
        others = images_of_others(item.questions) if settings.image_ablation == "other" else None
        shown = Shown(ImageStore(out / "images"), settings.image_ablation, settings.seed, others)
        ask_missing(item, backend, folder_of(out, item.card), asked, shown, cache, ranks)

    if ranks.rank > 0:
        if ranks.share(None) != "ready":
            raise UserError(f"rank {ranks.rank}: rank 0 could not start; its message says why.")
        for benchmark in benchmarks:
            ask(record.read(folder_of(out, varied(benchmark.card, settings.variant))))
        return []
    with hold(out), _sharing_the_outcome(ranks) as tell:
        claim(out, asked)
        for benchmark in benchmarks:
            refuse_other_revision(out, varied(benchmark.card, settings.variant))
        keepers = _keepers(benchmarks, ImageStore(out / "images").add, settings)
        records = [_load(benchmark, own.keep, settings) for benchmark, own in zip(benchmarks, keepers, strict=True)]
        _report_unused(settings.errata, records)
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
        while records:  # each is let go of when it is answered: the report reads them from the disk
            ask(records.pop(0))
        _look_in_training(benchmarks, keepers, settings, out)
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
    asks = {
        item.card.protocol: [
            ask_of(turn, settings.seed) for question in item.questions for turn in turns(question, settings.variant)
        ]
        for item in items
    }
    total = {"together": [ask for own in asks.values() for ask in own]} if len(asks) > 1 else {}
    return {name: backend.estimate(own) for name, own in (asks | total).items()}


@contextlib.contextmanager
def _sharing_the_outcome(ranks: Ranks) -> Generator[Callable[[str], None]]:
    """Let the waiting ranks go on, or end when rank 0 fails before it told them to."""
    lines: list[str] = []

    def tell(word: str) -> None:
        lines.append(word)
        ranks.share(word)

    try:
        yield tell
    finally:
        if not lines:
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
    match = functools.partial(
        answers_to,
        path=predictions,
        data_root=data_root,
        allow_partial=settings.allow_partial,
        by_order=in_order,
    )
    if out is None:
        items = [_load(benchmark, check, settings) for benchmark in benchmarks]
        _report_unused(settings.errata, items)
        matched = match(items, answered)
        return [score_benchmark(item, own) for item, own in zip(items, matched, strict=True)]
    with hold(out):
        asked = {"model": model, "model_digest": f"predictions:{digest_of(predictions)}", "image_ablation": "none"}
        claim(out, asked)
        for benchmark in benchmarks:
            refuse_other_revision(out, benchmark.card)
        keepers = _keepers(benchmarks, ImageStore(out / "images").add, settings)
        items = [_load(benchmark, own.keep, settings) for benchmark, own in zip(benchmarks, keepers, strict=True)]
        _report_unused(settings.errata, items)
        matched = match(items, answered)
        inputs = {item.card.protocol: _input(item) for item in items} | {"predictions": asked["model_digest"]}
        write_run_record(
            out, config={"asked": asked, "pictures": PICTURES_VERSION, **_coverage(settings)}, inputs=inputs
        )
        del answered
        while items:  # each is let go of when it is written: the report reads all of it from the disk
            _write_matched(out, items.pop(0), matched.pop(0))
        _look_in_training(benchmarks, keepers, settings, out)
        return rebuild(out)


@dataclass(frozen=True, slots=True)
class _Keeper:
    """What is done with the images of a benchmark as it is read."""

    keep: KeepImage
    prints: ImagePrints | None
    """Their hashes, where they are looked for in training samples."""


def _keepers(benchmarks: Sequence[Benchmark], keep_image: KeepImage, settings: Settings) -> list[_Keeper]:
    if settings.trained_on is None:
        return [_Keeper(keep_image, None) for _ in benchmarks]
    prints = [ImagePrints(keep_image) for _ in benchmarks]
    return [_Keeper(own.keep, own) for own in prints]


def _look_in_training(
    benchmarks: Sequence[Benchmark], keepers: Sequence[_Keeper], settings: Settings, out: Path
) -> None:
    if settings.trained_on is not None:
        watched = [
            keeper.prints.of(
                benchmark.card.protocol, record.read(folder_of(out, varied(benchmark.card, settings.variant))).questions
            )
            for benchmark, keeper in zip(benchmarks, keepers, strict=True)
            if keeper.prints is not None
        ]
        contamination(watched, settings.trained_on, out / FILE)


def _write_matched(out: Path, item: Record, own: Kept) -> None:
    folder = folder_of(out, item.card)
    record.write(item, folder)
    with append_to(folder / "predictions.jsonl", whole_bytes=0, extra={}) as writer:
        for prediction in own.by_id.values():
            writer.write(prediction)


def _report_unused(errata: Errata, items: Sequence[Record]) -> None:
    if notes := unused(errata, items):
        say(notes)


def _load(benchmark: Benchmark, keep_image: KeepImage, settings: Settings) -> Record:
    read = record.load(
        benchmark,
        keep_image,
        limit=settings.limit,
        allow_partial=settings.allow_partial,
        expect=settings.expect,
        errata=settings.errata,
    )
    return dataclasses.replace(read, card=varied(read.card, settings.variant))


def _shaping_of(backend: Backend, settings: Settings) -> dict[str, Any]:
    """Return all that shapes an answer beside prompt and images; part of every request digest."""
    temperature = backend.generation.get("temperature")  # False: the server's own
    if settings.samples > 1 and not temperature and temperature is not False:
        raise UserError(
            f"--samples {settings.samples}: at temperature 0 every sample is the same answer. Give --temperature, "
            "such as 0.7."
        )
    sampling = {"sample_seed": settings.seed} if settings.samples > 1 else {}
    return sampling | {
        "model": backend.name,
        "model_digest": backend.digest,
        "generation": dict(backend.generation),
        "image_ablation": settings.image_ablation,
        "ablation_seed": settings.seed if settings.image_ablation == "noise" else None,
        "prompt_version": PROMPT_VERSION,
    }


def _coverage(settings: Settings) -> dict[str, Any]:
    return {
        "limit": settings.limit,
        "allow_partial": settings.allow_partial,
        "expect": dict(settings.expect),
        "variant": settings.variant.name,
    }


def _input(item: Record) -> dict[str, Any]:
    return {
        "source": item.card.source,
        "revision": item.card.revision or None,
        "questions": item.coverage.asked,
        "expected": item.coverage.expected,
        "expected_from": item.card.count_source or None,
    }
