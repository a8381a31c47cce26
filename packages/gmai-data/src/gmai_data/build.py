"""READ THIS FIRST: `gmai data build`, in order. Raw datasets ▶ annotations ▶ samples ▶ the files of formats.md.

    1. resolve    recipes and their folders                       sources/cards/
    2. list       what each source holds, by its layout's reader  sources/kept_listing.py, sources/layouts/
    3. plan       items ▶ shards, fixed by a hash of their keys   shards.py
    4. work       read ▶ picture ▶ annotation ▶ samples ▶ check   shards.py, annotating.py, generation/, checks/
    5. screen     the same picture twice: one stays               checks/duplicates.py
    6. write      with a model, what is not left to templates     generation/writing.py
    7. publish    shards ▶ Parquet, benchmark, mixture            publishing/release.py
    8. account    items read = kept + dropped + quarantined       account.py, ledger.py

A kill at any moment loses at most the shards in work: the same command goes on with the missing ones and ends with the
same bytes. What was built stands in OUT; what is needed to go on stands in OUT/.build. Two builds never work on one OUT
at once; the tasks of a job array do (build_lock.py).
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmai_cli.console import progress, say
from gmai_cli.exit_codes import EXIT_OK, EXIT_USER_ERROR
from gmai_formats.errors import UserError
from gmai_formats.fingerprints.perceptual import HASH
from gmai_formats.run_record import NAME as RUN_RECORD
from gmai_formats.run_record import write_run_record
from gmai_formats.state import DamagedError, read_state, write_state
from pydantic import BaseModel, ConfigDict, Field

from gmai_data import array_status, build_lock
from gmai_data.account import account, exit_code, spent_usd
from gmai_data.annotating import TOOL
from gmai_data.checks.duplicates import LEFT_OUT, screen
from gmai_data.checks.samples import added_checks
from gmai_data.executors import build_and_return, guarded, local_processes
from gmai_data.generation.assembling import assemble
from gmai_data.generation.balance import thin
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.generation.wording import wording
from gmai_data.generation.writers import WriterOptions
from gmai_data.generation.writing import WriteJob
from gmai_data.imaging.raster import digest
from gmai_data.markers import BUILT, COMPLETE, SCREENED, WRITTEN, has_marker, lost, set_marker
from gmai_data.publishing.blind import is_answered_by_words, text_only
from gmai_data.publishing.record import RECORDS, build_record, is_begun, read_manifest
from gmai_data.publishing.release import STEPS, publish, published_files
from gmai_data.publishing.statistics import untrained_labels
from gmai_data.shards import ShardJob, shard_count, shard_of
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.kept_listing import KeptListing, forget_items, keep_listing
from gmai_data.sources.listing import Listing
from gmai_data.sources.source_state import written_since
from gmai_data.vocabulary import Kind, Language


class BuildSettings(BaseModel):
    """What shapes the output; an existing OUT is continued only with the same settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chinese_share: float = Field(default=0.2, ge=0, le=1)
    """Share of the samples written in Chinese, where the recipe has the names."""
    text_share: float = Field(default=0.15, ge=0, le=1)
    """Share of the annotations whose record is also written as a text-only sample."""
    limit: int | None = Field(default=None, ge=1)
    """Items per source, chosen by hash; None takes all."""
    seed: int = 0
    """Draws other questions, paraphrases and option orders; never moves a split."""
    leakage: str | None = None
    """SHA-256 of the list of benchmark fingerprints whose images and questions are left out."""
    writing: WritingSettings | None = None
    """The model that writes all kinds but perception; None leaves them to the offline writer."""


@dataclass(frozen=True)
class RunOptions:
    """What a run is given and the output does not depend on.

    Attributes:
        workers: Local processes.
        guarded: Read the sources in processes of their own even with one worker, so that a file that crashes a decoder
            costs that file; with several they always are.
        executor: Runs the shards elsewhere (Ray); None runs them in local processes.
        share: (position, count) of this task in a job array: it works on every count-th shard and publishes nothing;
            the same command without an array does what is missing and publishes.
        writer: Settings of the model that writes the text.
        leakage: The list of `BuildSettings.leakage`.
        prompts: Folder of prompts in place of the bundled ones.
        knowledge: File of knowledge over the bundled one.
    """

    workers: int = 1
    guarded: bool = False
    executor: "Executor | None" = None
    share: tuple[int, int] | None = None
    writer: WriterOptions = field(default_factory=WriterOptions)
    leakage: Path | None = None
    prompts: Path | None = None
    knowledge: Path | None = None


_BEGAN = "began_ns"
"""Of `run.json`: when the last run of a build began, in nanoseconds since 1970."""
Executor = Callable[[Sequence[ShardJob]], Iterator[ShardJob]]
"""Works on shards anywhere that sees the same folders, and yields each as it is done."""


def build(
    sources: Sequence[Source],
    out: Path,
    settings: BuildSettings,
    options: RunOptions = RunOptions(),
) -> int:
    """Build everything that the sources give.

    Args:
        sources: Recipes with their folders.
        out: Output folder: new, or one that an equal command began.
        settings: See `BuildSettings`.
        options: See `RunOptions`.

    Returns:
        `EXIT_OK`; `EXIT_PARTIAL` when something stands in the quarantine; `EXIT_USER_ERROR` when the cap on the cost
        is reached.

    Raises:
        UserError: A source is not what its recipe says, or OUT belongs to another build or is being worked on.
    """
    for source in sources:
        if out.resolve().is_relative_to(source.root.resolve()):
            raise UserError(
                f"--out {out} lies inside {source.root}, the data of {source.recipe.name}. What is written must not "
                "be read again. Give an --out outside of it."
            )
    work = out / ".build"
    _require_own(out, work)
    without_items = _fingerprint(sources, {}, settings)
    del without_items["items"]
    _require_same(out, work, without_items)  # before a listing of something else is written

    def listed(*, with_items: bool) -> list[KeptListing]:
        return [
            keep_listing(source, settings.limit, work, shard_count, shard_of, with_items=with_items)
            for source in sources
        ]

    is_done = (work / "complete.json").is_file()
    listings = listed(with_items=not is_done)
    digests = {listing.source.recipe.name: listing.digest for listing in listings}
    fingerprint = _fingerprint(sources, digests, settings)
    if not _is_complete(out, work, fingerprint):
        with build_lock.exclusive(work, options.share[0] if options.share else None):
            if not _is_complete(out, work, fingerprint):  # what another run did while this one waited
                listings = listed(with_items=True) if is_done else listings
                return _build(listings, fingerprint, out, work, settings, options)
    forget_items(work)  # those of a listing that was damaged and written anew
    say(f"{out}: this build is complete; nothing to do.")
    if options.share is None or options.share[0] == 0:  # a look at every file, of which each task would say the same
        _say_what_changed(sources, out)
    return exit_code(read_manifest(out))


def _build(
    listings: Sequence[Listing | KeptListing],
    fingerprint: dict[str, Any],
    out: Path,
    work: Path,
    settings: BuildSettings,
    options: RunOptions,
) -> int:
    began_ns = time.time_ns()  # what earlier runs read is held against its files from here on
    for record in (out / name for name in RECORDS):
        if not record.is_file():
            write_state(record, fingerprint)
    for listing in listings:
        found, recipe = listing.used, listing.source.recipe
        if settings.limit is None and recipe.expected.items not in (None, found):
            say(f"{recipe.name}: {found} items, but {recipe.expected.items} are published. Is the download complete?")
    jobs = plan(listings, work, settings, options.leakage)
    with local_processes(options.workers) as pool:
        if options.share is not None:
            with array_status.task(work, jobs, options.share[0]):
                return _do_share(jobs, fingerprint, settings, options, work, pool)
        for line in array_status.summary(out):
            say(line)
        _work(jobs, options, work)
        _screen(jobs, work, settings.seed)
        written = write_jobs(jobs, fingerprint, settings, options, work)
        if not _write(written, settings, options, work, pool):
            return EXIT_USER_ERROR  # the same command alone would not get further
        with progress("publish", STEPS, unit="files") as bar:
            run = map if pool is None else pool.map
            benchmark = publish([job.folder for job in jobs], out, settings.seed, run, bar)
    words = text_only(out)
    manifest = account(jobs, out, {**benchmark, "text_only": words} if words else benchmark)
    for family, found in words.items():
        too_often = is_answered_by_words(found)
        say(
            f"{'warning: ' if too_often else ''}perception, {family}: words alone answer {found['text_only']:.1%} "
            f"({found['low']:.1%} to {found['high']:.1%}; chance {found['chance']:.1%}) of {found['questions']:.0f}"
            + (": a model can learn these without looking." if too_often else ".")
        )
    for name, labels in untrained_labels(out).items():
        shown = ", ".join(labels[:5]) + (" …" if len(labels) > 5 else "")
        say(
            f"{name}: {len(labels)} labels without a training image: {shown}. All groups of such a label were drawn as "
            "validation or held out; more groups, or another `split` in the card, would change that."
        )
    inputs = {listing.source.recipe.name: listing.digest for listing in listings}
    spent = {} if settings.writing is None else {"spent_usd": round(spent_usd(jobs), 6)}
    write_run_record(
        out, config=settings.model_dump(mode="json"), inputs=inputs, seed=settings.seed, **{_BEGAN: began_ns}, **spent
    )
    if passing := sum(job.passing() for job in written):
        say(
            f"{passing} requests got no reply for reasons that may pass; their samples are in the quarantine. The same "
            "command asks again and publishes anew."
        )
        return exit_code(manifest)
    set_marker(out, COMPLETE, {"complete": True}, published_files(out))
    (work / SCREENED).unlink(missing_ok=True)
    shutil.rmtree(work / "shards")
    forget_items(work)
    return exit_code(manifest)


def _do_share(
    jobs: Sequence[ShardJob],
    fingerprint: dict[str, Any],
    settings: BuildSettings,
    options: RunOptions,
    work: Path,
    pool: ProcessPoolExecutor | None,
) -> int:
    """Do the part of one task of a job array; what is written depends on the pictures of all tasks."""
    position, count = options.share or (0, 1)
    mine = jobs[position::count]
    _work(mine, options, work)
    message = f"{work.parent}: {len(mine)} of {len(jobs)} shards are this task's, and done."
    if settings.writing is not None:
        missing = sum(not job.done for job in jobs)
        if missing:
            say(f"{message} {missing} of other tasks are not. Run the same array once more to write their samples.")
            return EXIT_OK
        _screen(jobs, work, settings.seed)
        if not _write(write_jobs(mine, fingerprint, settings, options, work), settings, options, work, pool):
            return EXIT_USER_ERROR  # the same command alone would not get further
        message += " Their samples are written."
    say(f"{message} Run it without an array to publish.")
    return EXIT_OK


def _screen(jobs: Sequence[ShardJob], work: Path, seed: int) -> None:
    """Leave duplicates and unbalanced questions out, once; every task of a job array comes to the same result."""
    if not has_marker(work, SCREENED):
        count = screen([job.folder for job in jobs])
        thin([job.folder for job in jobs], seed)
        left_out = [str((job.folder / LEFT_OUT).relative_to(work)) for job in jobs]
        set_marker(work, SCREENED, {"duplicates": count}, left_out)


def write_jobs(
    jobs: Sequence[ShardJob], fingerprint: dict[str, Any], settings: BuildSettings, options: RunOptions, work: Path
) -> list[WriteJob]:
    """Return the shards as work for the model that writes; none where there is none."""
    if settings.writing is None:
        return []
    prompts = load_prompts(options.prompts)
    build_id = digest(json.dumps(fingerprint, sort_keys=True).encode())[:8]
    journals = options.writer.cache or work / "journal"
    return [
        WriteJob(
            job.recipe, job.number, job.count, job.folder, journals, build_id, settings.writing, prompts,
            settings.text_share, settings.seed, options.leakage, options.knowledge,
        )
        for job in jobs
    ]  # fmt: skip


def _write(
    jobs: Sequence[WriteJob],
    settings: BuildSettings,
    options: RunOptions,
    work: Path,
    pool: ProcessPoolExecutor | None,
) -> bool:
    """Let the model write the shards' samples; False when the cap on the cost is reached first."""
    if settings.writing is None:
        return True
    _assemble([job for job in jobs if job.known], pool)
    if not all(job.done for job in jobs):
        # A build that asks nothing loads nothing that speaks to a network.
        from gmai_data.generation.collecting import ask

        if not ask(jobs, settings.writing, options.writer, work, options.share[1] if options.share else 1):
            return False
    if unanswered := _assemble(jobs, pool):
        raise RuntimeError(f"{unanswered[0].folder}: asked, and not all of it is answered")
    return True


def _assemble(jobs: Sequence[WriteJob], pool: ProcessPoolExecutor | None) -> list[WriteJob]:
    """Assemble the shards whose answers are all there, and return the others."""
    missing = [job for job in jobs if not job.done]
    with progress("assemble", len(missing), unit="shards") as bar:
        run = map if pool is None else pool.map
        for _ in run(assemble, missing):
            bar.advance()
    return [job for job in missing if not job.assembled]


def plan(
    listings: Sequence[Listing | KeptListing], work: Path, settings: BuildSettings, leakage: Path | None = None
) -> list[ShardJob]:
    """Divide the items into shards; the same items give the same shards."""
    named = {listing.source.recipe.modality for listing in listings}
    modalities = tuple(sorted(modality for modality in named if modality is not None))
    kinds = tuple(Kind) if settings.writing is None else (Kind.VISUAL_PERCEPTION,)
    writer = TemplateWriter(settings.chinese_share, settings.text_share, modalities, settings.seed, kinds)
    jobs: list[ShardJob] = []
    for listing in listings:
        recipe = listing.source.recipe
        count, shards = listing.by_shard(shard_count, shard_of)
        for number, items in shards:
            folder = work / "shards" / f"{recipe.name}-{number:05d}-of-{count:05d}"
            jobs.append(ShardJob(recipe, listing.source.root, number, count, items, folder, writer, leakage))
    return jobs


def _forget_changed(jobs: Sequence[ShardJob], work: Path) -> None:
    """Take back the shards whose pictures were changed in place, and what was made of them with all others."""
    changed = [job for job in jobs if job.done and job.has_other_input()]
    if not changed:
        return
    say(f"{len(changed)} finished shards were made from files that have changed since. They are built again.")
    for job in changed:
        (job.folder / BUILT).unlink()
    (work / SCREENED).unlink(missing_ok=True)
    for made in (LEFT_OUT, WRITTEN):
        for path in (work / "shards").glob(f"*/{made}"):
            path.unlink(missing_ok=True)


def _work(jobs: Sequence[ShardJob], options: RunOptions, work: Path) -> None:
    _forget_changed(jobs, work)
    missing = [job for job in jobs if not job.done]
    if len(missing) < len(jobs):
        say(f"{len(jobs) - len(missing)} of {len(jobs)} shards were already done in an earlier run.")
    if cleared := sum((job.folder / BUILT).is_file() for job in missing):
        say(f"{cleared} finished shards have lost files since, as where old ones are cleared. They are built again.")
    with progress("build", sum(len(job.items) for job in missing), unit="items") as bar:
        if options.executor is not None:
            done = options.executor(missing)
        elif options.workers > 1 or options.guarded:
            done = guarded(missing, options.workers)
        else:
            done = map(build_and_return, missing)
        for job in done:
            bar.advance(len(job.items), note=job.recipe.name)


def _fingerprint(sources: Sequence[Source], digests: dict[str, str], settings: BuildSettings) -> dict[str, Any]:
    recipes = {source.recipe.name: source.recipe.model_dump(mode="json") for source in sources}
    for recipe in recipes.values():
        recipe["background"].sort()  # a set, whose order changes from process to process
    return {
        # Another version may write other bytes; the two must not meet in one folder.
        "versions": {
            "gmai-data": TOOL,
            "perceptual hash": HASH,
            **added_checks(),
            **{str(language): wording(language)["version"] for language in Language},
        },
        "settings": settings.model_dump(mode="json"),
        "recipes": recipes,
        "items": digests,
    }


def _say_what_changed(sources: Sequence[Source], out: Path) -> None:
    try:
        began_ns: int = read_state(out / RUN_RECORD)[_BEGAN]
    except (FileNotFoundError, DamagedError, KeyError):  # builds of older versions do not tell
        return
    for source in sources:
        count, first = written_since(source.root, began_ns)
        if count:
            say(
                f"warning: {source.root}: {count} file(s) were written after this build began to read them, the first "
                f"is {first}. It holds what they were and is left as it is. To build from what they are now, give "
                "another --out, or delete this one."
            )


def _is_whole(out: Path) -> bool:
    """Return whether a build was completed and what it published is as it was; otherwise its shards are built again."""
    try:
        found = lost(out, COMPLETE)
    except FileNotFoundError:
        return False
    except DamagedError as error:
        say(f"{error}; this build is done again.")
        return False
    if "mix.yaml" in found and (out / "mix.yaml").is_file():  # a user may well change the shares
        say(f"{out / 'mix.yaml'} differs from what was built, and is left as it is. Remove it to have it built again.")
        del found["mix.yaml"]
    for name, reason in found.items():
        say(f"{out / name}: {reason}; this build is done again.")
    return not found


def _is_complete(out: Path, work: Path, fingerprint: dict[str, Any]) -> bool:
    """Return whether OUT holds this build, complete; it may hold none yet, but no other.

    Raises:
        UserError: It holds another.
    """
    _require_same(out, work, fingerprint)
    return (work / "build.json").is_file() and _is_whole(out)


def _require_same(out: Path, work: Path, fingerprint: dict[str, Any]) -> None:
    """Refuse to go on with a build that was begun with something else; parts that are not given are not compared.

    Raises:
        UserError: OUT holds another build.
    """
    if not is_begun(out):
        return
    fingerprint = json.loads(json.dumps(fingerprint))
    begun = build_record(out)
    changed = [
        f"{part}.{name}"
        for part in fingerprint
        for name in sorted({*fingerprint[part], *begun[part]})
        if fingerprint[part].get(name) != begun[part].get(name)
    ]
    if changed:
        raise UserError(
            f"{out}: was built with other values of {', '.join(changed)}. One folder holds one build: its settings, "
            "recipes and inputs stay the same. Give another --out, or delete this one."
        )


def _require_own(out: Path, work: Path) -> None:
    """Refuse an output folder that holds something else, before anything is written there.

    Raises:
        UserError: It is not empty, and no build was begun in it.
    """
    if is_begun(out):
        return
    # The tasks of a job array start together: one may find the folder that another is about to claim.
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: a file, and --out is a folder. Give another --out.")
    if out.exists() and any(path.name != work.name for path in out.iterdir()):
        raise UserError(
            f"{out}: not empty, and not begun by `gmai data build`. The output folder is new, or that of a build to "
            "go on with. Give another --out."
        )
