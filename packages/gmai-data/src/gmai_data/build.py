"""READ THIS FIRST: `gmai data build`, in order. Raw datasets ▶ annotations ▶ samples ▶ the files of formats.md.

    1. resolve    recipes and their folders                       sources/catalogue.py, sources/recipe.py
    2. list       what each source holds, by its layout's reader  sources/readers.py
    3. plan       items ▶ shards, fixed by a hash of their keys   shards.py
    4. work       read ▶ picture ▶ annotation ▶ samples ▶ check   shards.py, imaging/, generation/, checks/
    5. screen     the same picture twice: one stays               checks/duplicates.py
    6. write      with a model, what is not left to templates     generation/writing.py
    7. publish    shards ▶ Parquet, benchmark, mixture            publishing/release.py
    8. account    items read = kept + dropped + quarantined       sources/problems.py

A kill at any moment loses at most the shards in work: the same command goes on with the missing ones and ends with the
same bytes. What was built stands in OUT; what is needed to go on stands in OUT/.build.
"""

import contextlib
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmai_cli.console import progress, say
from gmai_cli.errors import EXIT_OK, EXIT_PARTIAL, EXIT_REQUEUE, UserError
from gmai_cli.files import write_json, write_run_record, write_text
from pydantic import BaseModel, ConfigDict, Field

from gmai_data import array_status
from gmai_data.checks.duplicates import left_out, screen
from gmai_data.draws import fraction
from gmai_data.executors import build_and_return, local_processes
from gmai_data.generation.estimate import Line, estimate
from gmai_data.generation.prices import budget_for, load_table
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.generation.wording import wording
from gmai_data.generation.writers import WriterOptions, ask
from gmai_data.generation.writing import WriteJob, assemble
from gmai_data.imaging.raster import digest
from gmai_data.publishing.release import STEPS, publish
from gmai_data.shards import TOOL, ShardJob, build_shard, shard_count, shard_of
from gmai_data.sources.catalogue import Source
from gmai_data.sources.items import Item
from gmai_data.sources.problems import SourceError, add_counts, add_up, without
from gmai_data.sources.readers import READERS
from gmai_data.sources.splits import split_of
from gmai_data.vocabulary import Kind, Language, Split, Task


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
        executor: Runs the shards elsewhere (Ray); None runs them in local processes.
        share: (position, count) of this task in a job array: it works on every count-th shard and publishes nothing;
            the same command without an array does what is missing and publishes.
        writer: Of the model that writes.
        leakage: The list of `BuildSettings.leakage`.
        prompts: Folder of prompts in place of the bundled ones.
    """

    workers: int = 1
    executor: "Executor | None" = None
    share: tuple[int, int] | None = None
    writer: WriterOptions = field(default_factory=WriterOptions)
    leakage: Path | None = None
    prompts: Path | None = None


Executor = Callable[[Sequence[ShardJob]], Iterator[ShardJob]]
"""Works on shards anywhere that sees the same folders, and yields each as it is done."""


@dataclass(frozen=True)
class Listing:
    """A source and its items, in order."""

    source: Source
    items: tuple[Item, ...]

    @property
    def digest(self) -> str:
        """Return a digest of the items' keys and file sizes: another download, or a new file, changes it."""
        lines: list[str] = []
        for item in self.items:
            sizes = [_size_bytes(path) for path in map(self.source.root.joinpath, item.files)]
            lines.append(json.dumps([item.key, item.files, sizes, item.group, item.split, item.raw_labels]))
        return digest("\n".join(lines).encode())


def _size_bytes(path: Path) -> int:
    """Return the size of a file, of all files of a folder, or -1 where there is nothing."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return path.stat().st_size if path.is_file() else -1


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
        `EXIT_OK`; `EXIT_PARTIAL` when something stands in the quarantine; `EXIT_REQUEUE` when the cap on the cost is
        reached.

    Raises:
        UserError: A source is not what its recipe says, or OUT belongs to another build.
    """
    for source in sources:
        if out.resolve().is_relative_to(source.root.resolve()):
            raise UserError(
                f"--out {out} lies inside {source.root}, the data of {source.recipe.name}. What is written must not "
                "be read again. Give an --out outside of it."
            )
    listings = list_sources(sources, settings.limit)
    fingerprint = _fingerprint(listings, settings)
    work = out / ".build"
    if _claim(out, work, fingerprint):
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        say(f"{out}: this build is complete; nothing to do.")
        return _exit_code(manifest)
    jobs = plan(listings, work, settings, options.leakage)
    with local_processes(options.workers) as pool:
        if options.share is not None:
            with array_status.task(work, jobs, options.share[0]):
                return _do_share(jobs, fingerprint, settings, options, work, pool)
        for line in array_status.summary(out):
            say(line)
        _work(jobs, pool, options.executor)
        _screen(jobs, work)
        if not _write(_write_jobs(jobs, fingerprint, settings, options, work), settings, options, work, pool):
            return EXIT_REQUEUE
        with progress("publish", STEPS, unit="files") as bar:
            run = map if pool is None else pool.map
            benchmark = publish([job.folder for job in jobs], out, settings.seed, run, bar)
    manifest = _account(jobs, benchmark)
    _write_lines(out / "quarantine.jsonl", manifest, "quarantine")
    _write_lines(out / "dropped.jsonl", {"recipes": _set_aside(jobs, "dropped")}, "dropped", empty=False)
    _write_lines(out / "judged.jsonl", {"recipes": _set_aside(jobs, "judged")}, "judged", empty=False)
    write_json(out / "manifest.json", manifest)
    inputs = {listing.source.recipe.name: listing.digest for listing in listings}
    spent = {} if settings.writing is None else {"spent_usd": round(_spent_usd(jobs), 6)}
    write_run_record(out, config=settings.model_dump(mode="json"), inputs=inputs, seed=settings.seed, **spent)
    write_json(work / "complete.json", {"complete": True})
    shutil.rmtree(work / "shards")
    return _exit_code(manifest)


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
    _work(mine, pool, options.executor)
    told = f"{work.parent}: {len(mine)} of {len(jobs)} shards are this task's, and done."
    if settings.writing is not None:
        missing = sum(not job.done for job in jobs)
        if missing:
            say(f"{told} {missing} of other tasks are not. Run the same array once more to write their samples.")
            return EXIT_OK
        _screen(jobs, work)
        if not _write(_write_jobs(mine, fingerprint, settings, options, work), settings, options, work, pool):
            return EXIT_REQUEUE
        told += " Their samples are written."
    say(f"{told} Run it without an array to publish.")
    return EXIT_OK


def _screen(jobs: Sequence[ShardJob], work: Path) -> None:
    """Leave duplicates out, once; every task of a job array comes to the same result."""
    mark = work / "screened.json"
    if not mark.is_file():
        write_json(mark, {"duplicates": screen([job.folder for job in jobs])})


def _write_jobs(
    jobs: Sequence[ShardJob], fingerprint: dict[str, Any], settings: BuildSettings, options: RunOptions, work: Path
) -> list[WriteJob]:
    if settings.writing is None:
        return []
    prompts = load_prompts(options.prompts)
    build_id = digest(json.dumps(fingerprint, sort_keys=True).encode())[:8]
    journals = options.writer.cache or work / "journal"
    return [
        WriteJob(
            job.recipe, job.number, job.count, job.folder, journals, build_id, settings.writing, prompts,
            settings.text_share, settings.seed, options.leakage,
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
    tasks = options.share[1] if options.share else 1
    if not ask(jobs, settings.writing, options.writer, work, tasks):
        return False
    missing = [job for job in jobs if not job.done]
    with progress("assemble", len(missing), unit="shards") as bar:
        done = (
            map(assemble, missing)
            if pool is None
            else (task.result() for task in as_completed([pool.submit(assemble, job) for job in missing]))
        )
        for _ in done:
            bar.advance()
    return True


def list_sources(sources: Sequence[Source], limit: int | None) -> list[Listing]:
    """List the items of every source; with a limit, those whose keys have the smallest hashes.

    Raises:
        UserError: See `Reader.list_items`; or two items of a source have the same key.
    """
    listings: list[Listing] = []
    for source in sources:
        recipe = source.recipe
        items = list(READERS[recipe.layout.kind].list_items(recipe, source.root))
        seen: set[str] = set()
        for item in items:
            if item.key in seen:
                raise UserError(
                    f"{source.root}: {recipe.name} lists {item.key} twice. Keys are unique; fix the source."
                )
            seen.add(item.key)
        items.sort(key=lambda item: fraction("limit", recipe.name, item.key) if limit else 0.0)
        listings.append(Listing(source, tuple(sorted(items[:limit], key=lambda item: item.key))))
    return listings


def plan(
    listings: Sequence[Listing], work: Path, settings: BuildSettings, leakage: Path | None = None
) -> list[ShardJob]:
    """Divide the items into shards; the same items give the same shards."""
    modalities = tuple(sorted({listing.source.recipe.modality for listing in listings}))
    kinds = tuple(Kind) if settings.writing is None else (Kind.VISUAL_PERCEPTION,)
    writer = TemplateWriter(settings.chinese_share, settings.text_share, modalities, settings.seed, kinds)
    jobs: list[ShardJob] = []
    for listing in listings:
        recipe = listing.source.recipe
        count = shard_count(recipe, len(listing.items))
        shards: dict[int, list[Item]] = defaultdict(list)
        for item in listing.items:
            shards[shard_of(item, recipe, count)].append(item)
        for number, items in sorted(shards.items()):
            folder = work / "shards" / f"{recipe.name}-{number:05d}-of-{count:05d}"
            jobs.append(ShardJob(recipe, listing.source.root, number, count, tuple(items), folder, writer, leakage))
    return jobs


def preview(listings: Sequence[Listing]) -> Iterator[tuple[str, int, int, int, dict[str, int]]]:
    """Yield (recipe, items, groups, shards, items by split) without reading any pixels, for `--dry-run`."""
    for listing in listings:
        splits: dict[str, int] = defaultdict(int)
        groups: set[str] = set()
        for item in listing.items:
            try:
                split, group = split_of(item, listing.source.recipe)
            except SourceError as problem:
                splits[problem.rule] += 1
            else:
                splits[split] += 1
                groups.add(group)
        recipe, count = listing.source.recipe, len(listing.items)
        yield recipe.name, count, len(groups), shard_count(recipe, count), dict(splits)


_SAMPLED = 3
"""Items of each source that an estimate looks at."""


def preview_writing(
    sources: Sequence[Source], out: Path, settings: BuildSettings, options: RunOptions
) -> Iterator[tuple[str, Line]]:
    """Yield (kind, requests, tokens and money) of what a model would write, from a few items of each source."""
    if settings.writing is None:
        return
    listings = [_asked_about(listing) for listing in list_sources(sources, settings.limit)]
    sampled = [Listing(listing.source, listing.items[:_SAMPLED]) for listing in listings]
    models = [settings.writing.model, *([settings.writing.judge] if settings.writing.judge else [])]
    batch = settings.writing.writer == "openai-batch"
    budget = budget_for(models, load_table(options.writer.prices), cap_usd=None, batch=batch)
    with tempfile.TemporaryDirectory(prefix="gmai-estimate-") as folder:
        jobs = plan(sampled, Path(folder), settings)
        for job in jobs:
            build_shard(job)
        times = {
            all_.source.recipe.name: len(all_.items) / max(len(few.items), 1)
            for all_, few in zip(listings, sampled, strict=True)
        }
        written = _write_jobs(jobs, {}, settings, options, out / ".build")
        weighted = [(job, times[job.recipe.name]) for job in written]
        yield from sorted(estimate(weighted, settings.writing, budget).items())


def _asked_about(listing: Listing) -> Listing:
    """Return the items that a model writes about, which are not held out, in the order an estimate takes them."""
    recipe = listing.source.recipe
    items: list[Item] = []
    for item in listing.items:
        with contextlib.suppress(SourceError):  # the build counts it in the quarantine
            if recipe.task == Task.TEXT or split_of(item, recipe)[0] != Split.HELD_OUT:
                items.append(item)
    return Listing(listing.source, tuple(sorted(items, key=lambda item: fraction("limit", recipe.name, item.key))))


def _work(jobs: Sequence[ShardJob], pool: ProcessPoolExecutor | None, executor: Executor | None) -> None:
    missing = [job for job in jobs if not job.done]
    if len(missing) < len(jobs):
        say(f"{len(jobs) - len(missing)} of {len(jobs)} shards stand from an earlier run.")
    with progress("build", sum(len(job.items) for job in missing), unit="items") as bar:
        if executor is not None:
            done = executor(missing)
        elif pool is None:
            done = map(build_and_return, missing)
        else:
            # The largest first: no process is left with a long one at the end.
            ordered = sorted(missing, key=lambda job: -len(job.items))
            done = (task.result() for task in as_completed([pool.submit(build_and_return, job) for job in ordered]))
        for job in done:
            bar.advance(len(job.items), note=job.recipe.name)


def _fingerprint(listings: Sequence[Listing], settings: BuildSettings) -> dict[str, Any]:
    return {
        # Another version may write other bytes; the two must not meet in one folder.
        "versions": {"gmai-data": TOOL, **{str(language): wording(language)["version"] for language in Language}},
        "settings": settings.model_dump(mode="json"),
        "recipes": {entry.source.recipe.name: entry.source.recipe.model_dump(mode="json") for entry in listings},
        "items": {entry.source.recipe.name: entry.digest for entry in listings},
    }


def _claim(out: Path, work: Path, fingerprint: dict[str, Any]) -> bool:
    """Make OUT ours, or find that it is; return whether the build in it is complete."""
    record = work / "build.json"
    fingerprint = json.loads(json.dumps(fingerprint))
    for value in fingerprint["recipes"].values():
        value["background"].sort()
    if record.is_file():
        begun = json.loads(record.read_text(encoding="utf-8"))
        changed = [
            f"{part}.{name}"
            for part in fingerprint
            for name in sorted({*fingerprint[part], *begun[part]})
            if fingerprint[part].get(name) != begun[part].get(name)
        ]
        if changed:
            raise UserError(
                f"{out}: holds a build with other {', '.join(changed)}. One folder holds one build: its settings, "
                "recipes and inputs stay the same. Give another --out, or delete this one."
            )
        return (work / "complete.json").is_file()
    # The tasks of a job array start together: one may find the folder that another is about to claim.
    if out.exists() and (not out.is_dir() or any(path.name != work.name for path in out.iterdir())):
        raise UserError(
            f"{out}: not empty, and not begun by `gmai data build`. The output folder is new, or that of a build to "
            "go on with. Give another --out."
        )
    write_json(record, fingerprint)
    return False


def _account(jobs: Sequence[ShardJob], benchmark: dict[str, Any]) -> dict[str, Any]:
    by_recipe: dict[str, list[dict[str, Any]]] = defaultdict(list)
    written: dict[str, dict[str, Any]] = {}
    for job in jobs:
        name = job.recipe.name
        done = json.loads((job.folder / "done.json").read_text(encoding="utf-8"))
        by_recipe[name].append(without(done["account"], left_out(job.folder)["account"]))
        path = job.folder / "written.json"
        if path.is_file():
            part = json.loads(path.read_text(encoding="utf-8"))
            by_recipe[name].append(part["account"])
            total = written.setdefault(name, {"by_kind": {}, "opinions": {}})
            for kind, counts in part["by_kind"].items():
                add_counts(total["by_kind"].setdefault(kind, {}), counts)
            add_counts(total["opinions"], part["opinions"])
    recipes: dict[str, Any] = {}
    for name, accounts in by_recipe.items():
        total = add_up(accounts)
        listed = sum(len(job.items) for job in jobs if job.recipe.name == name)
        if total["items"]["read"] != listed:
            raise RuntimeError(f"{name}: {listed} items were listed, but {total['items']['read']} are accounted for")
        tallies = total.pop("tallies")
        recipes[name] = {**total, "samples_by_kind": tallies.get("kind", {}), "samples_by": tallies}
        if name in written:
            recipes[name]["written"] = written[name]
    return {"recipes": recipes, "benchmark": benchmark}


def _set_aside(jobs: Sequence[ShardJob], name: str) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return what checks dropped, or a judge found, by recipe; a dropped picture stands there, too."""
    recipes: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for job in jobs:
        entries = recipes.setdefault(job.recipe.name, {name: []})[name]
        if name == "dropped":
            left = left_out(job.folder)
            for id_, reason in zip(left["ids"], left["rows"].values(), strict=True):
                check, _, detail = reason.partition(": ")
                entries.append({"id": id_, "kind": "image", "check": check, "detail": detail})
        path = job.folder / f"{name}.jsonl"
        if path.is_file():
            entries += map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return recipes


def _write_lines(path: Path, manifest: dict[str, Any], name: str, *, empty: bool = True) -> None:
    """Move what each recipe set aside out of the manifest into a file of its own."""
    lines = [
        json.dumps({"recipe": recipe, **entry}, ensure_ascii=False)
        for recipe, account in manifest["recipes"].items()
        for entry in account.pop(name)
    ]
    if lines or empty:
        write_text(path, "".join(f"{line}\n" for line in lines))


def _spent_usd(jobs: Sequence[ShardJob]) -> float:
    return sum(json.loads((job.folder / "asked.json").read_text(encoding="utf-8"))["spent_usd"] for job in jobs)


def _exit_code(manifest: dict[str, Any]) -> int:
    kinds = ("items", "boxes", "samples")
    quarantined = sum(recipe[of]["quarantined"] for recipe in manifest["recipes"].values() for of in kinds)
    return EXIT_PARTIAL if quarantined else EXIT_OK
