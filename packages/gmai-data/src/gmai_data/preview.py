"""What `--dry-run` shows: items, groups and shards of each source, and what a model would be asked and would cost."""

import contextlib
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from gmai_formats.chat.prices import budget_for, load_table

from gmai_data.build import BuildSettings, RunOptions, plan, write_jobs
from gmai_data.generation.estimate import Line, estimate
from gmai_data.ledger import SourceError
from gmai_data.seeded import hash_fraction
from gmai_data.shards import build_shard, shard_count
from gmai_data.sources.catalogue import Source
from gmai_data.sources.items import Item
from gmai_data.sources.listing import Listing, list_sources
from gmai_data.sources.splits import split_of
from gmai_data.vocabulary import Split, Task


def preview(listings: Sequence[Listing]) -> Iterator[tuple[str, int, int, int, dict[str, int]]]:
    """Yield (recipe, items, groups, shards, items by split) without reading any pixels, for `--dry-run`."""
    for listing in listings:
        splits: dict[str, int] = defaultdict(int)
        groups: set[int] = set()
        for item in listing.items:
            try:
                split = split_of(item, listing.source.recipe)
            except SourceError as problem:
                splits[problem.rule] += 1
            else:
                splits[split] += 1
                groups.add(item.group_number)
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
        written = write_jobs(jobs, {}, settings, options, out / ".build")
        weighted = [(job, times[job.recipe.name]) for job in written]
        yield from sorted(estimate(weighted, settings.writing, budget).items())


def _asked_about(listing: Listing) -> Listing:
    """Return the items that a model writes about, which are not held out, in the order an estimate takes them."""
    recipe = listing.source.recipe
    items: list[Item] = []
    for item in listing.items:
        with contextlib.suppress(SourceError):  # the build counts it in the quarantine
            if recipe.task == Task.TEXT or split_of(item, recipe) != Split.HELD_OUT:
                items.append(item)
    return Listing(listing.source, tuple(sorted(items, key=lambda item: hash_fraction("limit", recipe.name, item.key))))
