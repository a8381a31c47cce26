"""What is seen before a build: `--dry-run` (items, groups, shards, cost of a model), and a page of a card's items."""

import contextlib
import itertools
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from gmai_formats.chat.prices import budget_for, load_table
from gmai_formats.files import write_text
from gmai_formats.pages.shell import page, table

from gmai_data.annotating import annotation_of, reason_to_leave_out
from gmai_data.build import BuildSettings, RunOptions, plan, write_jobs
from gmai_data.checks.samples import reason_to_drop
from gmai_data.generation.estimate import Line, estimate
from gmai_data.generation.held_out_offers import held_out_offers
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.publishing.figures import STYLE, Text, figure, text_figure
from gmai_data.sample import Sample
from gmai_data.seeded import hash_fraction
from gmai_data.shards import build_shard, shard_count
from gmai_data.source_texts import text_samples
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.items import Item
from gmai_data.sources.listing import Listing, list_sources
from gmai_data.sources.reading import read_pictures
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
    listings = [_written_about(listing) for listing in list_sources(sources, settings.limit)]
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


def _written_about(listing: Listing) -> Listing:
    """Return the items that a model writes about, which are not held out, in the order an estimate takes them."""
    recipe = listing.source.recipe
    items: list[Item] = []
    for item in listing.items:
        with contextlib.suppress(SourceError):  # the build counts it in the quarantine
            if recipe.task == Task.TEXT or split_of(item, recipe) != Split.HELD_OUT:
                items.append(item)
    return Listing(listing.source, tuple(sorted(items, key=lambda item: hash_fraction("limit", recipe.name, item.key))))


PICTURES = 3
"""Pictures that are shown of an item that gives many."""
PREVIEW_CHINESE = 0.5
"""Share of the samples in Chinese on that page, so that both languages are seen."""


def write_preview(source: Source, file: Path, count: int) -> tuple[int, int]:
    """Write a page with a few items of a source as a card reads them, before anything is built.

    Args:
        source: A card and its folder.
        file: The page to write.
        count: Items, drawn by hash.

    Returns:
        The number of items that gave something to see, and of those that did not, with their reasons on the page.
    """
    (listing,) = list_sources([source], None)
    recipe = source.recipe
    used = [item for item in listing.items if not item.set_aside]
    chosen = sorted(used, key=lambda item: hash_fraction("preview", recipe.name, item.key))[:count]
    modalities = () if recipe.modality is None else (recipe.modality,)
    writer = TemplateWriter(PREVIEW_CHINESE, BuildSettings().text_share, modalities, 0)
    figures: list[str] = []
    refused: list[tuple[str, str, str]] = []
    parts = Ledger()
    for item in chosen:
        mark = parts.mark()
        try:
            figures += _figures(item, source, writer, parts)
        except SourceError as problem:
            parts.roll_back(mark)
            refused.append((item.key, problem.rule, f"quarantine: {problem.detail}"))
        except SetAside as reason:
            parts.roll_back(mark)
            refused.append((item.key, reason.rule, "dropped"))
    of_items = [(each["file"], each["reason"]) for each in parts.quarantine]
    ((_, items, groups, shards, splits),) = preview([listing])
    aside = Counter(item.set_aside for item in listing.items if item.set_aside)
    facts = [
        ("items", items), ("groups (patients)", groups), ("shards", shards),
        *((f"items: {split}", number) for split, number in splits.items()),
        *((f"left out: {reason}", number) for reason, number in aside.most_common()),
    ]  # fmt: skip
    body = [
        f"<p>{len(chosen)} of {len(used)} items, at most {PICTURES} pictures of each, half of the texts in Chinese "
        "where the card has the names. What a mask marks is blue. Nothing is built.</p>",
        table(("the whole folder", ""), facts),
        "<h2>What was not used</h2>" + table(("item", "reason", "what becomes of it"), refused) if refused else "",
        "<h2>What was not used of the items below</h2>" + table(("file", "quarantine"), of_items) if of_items else "",
        f'<h2>Pictures</h2><div class="cards">{"".join(figures)}</div>',
    ]
    write_text(file, page(f"{recipe.title}: a look before the build", body, style=STYLE))
    return len(chosen) - len(refused), len(refused)


def _figures(item: Item, source: Source, writer: TemplateWriter, ledger: Ledger) -> list[str]:
    """Return the figures of an item; boxes and the like that cannot be used go into the ledger.

    Raises:
        SourceError: It cannot be used.
        SetAside: It is sound, but not meant to be used.
    """
    recipe, root = source.recipe, source.root
    split_of(item, recipe)
    figures: list[str] = []
    for picture in itertools.islice(read_pictures(item, recipe, root, ledger), PICTURES):
        check, detail = reason_to_leave_out(picture, item, recipe)
        if check:
            raise SetAside(f"{check}: {detail}" if detail else check, item.key)
        annotation = annotation_of(picture, item, recipe, root, split_of(item, recipe))
        if annotation.split == Split.HELD_OUT:
            offers = map(json.loads, held_out_offers(annotation, recipe, writer.modalities, writer.seed))
            texts = [Text("offered to the benchmark", "en", ((each["question"], each["answer"]),)) for each in offers]
        else:
            texts = [_text(sample) for sample in writer.samples(annotation, recipe)]
        figures.append(figure(annotation.row(), {}, texts, picture.masks))
    for sample in text_samples(item, recipe, root):
        about = {
            "labels": [],
            "modality": recipe.modality or "text",
            "source": recipe.name,
            "split": sample.about.split,
        }
        figures.append(text_figure(sample.id, about, [_text(sample)]))
    return figures


def _text(sample: Sample) -> Text:
    reason = reason_to_drop(sample, None)
    return Text(str(sample.kind), str(sample.language), sample.turns, ": ".join(filter(None, reason or ())))
