"""One shard: some items of one source ▶ annotations, samples and offered questions, written once and for all.

A shard's items are fixed by a hash of their keys, never by the number of workers. Its folder is complete when it holds
`done.json`, which is written last. Only that is waited for until the disk has it: its seals tell of files that a power
cut tore, and such a shard is built again.
"""

import dataclasses
import errno
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_formats import limits
from gmai_formats.files import replace_atomically

from gmai_data.annotating import annotations_of
from gmai_data.checks.duplicates import THUMBNAILS
from gmai_data.checks.leakage import Benchmarks, load_benchmarks
from gmai_data.checks.samples import reason_to_drop
from gmai_data.generation.held_out_offers import held_out_offers
from gmai_data.generation.pairs import LOOK_BACK, Numbered
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.markers import BUILT, has_marker, read_marker, set_marker
from gmai_data.sample import Sample, Tallies
from gmai_data.seeded import hash_fraction
from gmai_data.source_texts import text_samples
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.digests import state_of
from gmai_data.sources.items import Item
from gmai_data.sources.kept_listing import ItemsOfShard
from gmai_data.spill import Spill
from gmai_data.tables import ANNOTATIONS, SHARD_SAMPLES, TableFiles
from gmai_data.vocabulary import Split

_INPUT = "input"
SHARDS = {"picture": (64, 4), "volume": (4, 16)}
"""(items per shard aimed at, least number of shards); a source has a power of two of shards."""


@dataclass(frozen=True)
class ShardJob:
    """Everything a worker needs; it is sent to another process as it is."""

    recipe: Recipe
    root: Path
    number: int
    count: int
    """Shards of the source; this one is `number` of them."""
    items: tuple[Item, ...] | ItemsOfShard
    folder: Path
    writer: TemplateWriter
    leakage: Path | None = None
    """Fingerprints of benchmarks whose images and questions are left out."""

    @property
    def done(self) -> bool:
        """Return whether an earlier run completed this shard."""
        return has_marker(self.folder, BUILT)

    def has_other_input(self) -> bool:
        """Return whether files that a finished shard was made from have another size or time than when it read them."""
        read = read_marker(self.folder, BUILT).get(_INPUT, {})
        return any(state_of(self.root, file) != state for file, state in read.items())


def shard_count(recipe: Recipe, items: int) -> int:
    """Return the number of shards of a source with so many items."""
    per_shard, count = SHARDS["volume" if recipe.layout.is_of_volumes else "picture"]
    while count * per_shard < items:
        count *= 2
    return count


def shard_of(item: Item, recipe: Recipe, shards: int) -> int:
    """Return the number of the shard that an item belongs to, whoever works on it."""
    return int(hash_fraction("shard", recipe.name, item.key) * shards)


def build_shard(job: ShardJob, begin: Callable[[Item], None] = lambda item: None) -> None:
    """Read the items of a shard, write what becomes of them, and mark the shard done with its account.

    Args:
        job: The shard.
        begin: Called before each item is read.
    """
    ledger, tallies = Ledger(), Tallies()
    benchmarks = None if job.leakage is None else load_benchmarks(job.leakage)
    offers: list[str] = []
    thumbnails: list[bytes] = []
    read: dict[str, str] = {}
    earlier: deque[Numbered] = deque(maxlen=LOOK_BACK)
    held_out: deque[Numbered] = deque(maxlen=LOOK_BACK)
    with (
        TableFiles(job.folder, "annotations", ANNOTATIONS, single=True, durable=False) as annotations,
        TableFiles(job.folder, "samples", SHARD_SAMPLES, single=True, durable=False) as samples,
    ):
        for item in job.items:
            begin(item)
            for file in (*item.files, *item.masks):
                if file not in read:
                    read[file] = state_of(job.root, file)
            found = _read(item, job, ledger, benchmarks)
            if found is None:
                continue
            made, texts = found
            for annotation in made:
                row = annotations.rows
                annotations.add_rows([annotation.row()])
                thumbnails.append(annotation.thumbnail)
                for file in annotation.provenance["files"]:  # among them pictures that only the annotation names
                    if file not in read and (state := state_of(job.root, file)):
                        read[file] = state
                if annotation.split == Split.HELD_OUT:
                    asked = (job.recipe, job.writer.modalities, job.writer.seed, held_out)
                    offers.extend(held_out_offers(annotation, *asked))
                else:
                    written = job.writer.samples(annotation, job.recipe, row, earlier)
                    samples.add_rows(_checked(written, ledger, tallies, benchmarks, row))
                seen = held_out if annotation.split == Split.HELD_OUT else earlier
                seen.append((row, dataclasses.replace(annotation, image=b"", thumbnail=b"")))
            samples.add_rows(_checked(texts, ledger, tallies, benchmarks, None))
    ledger.check()
    tallies.add_to(ledger)
    beside = {"offers.jsonl": [f"{line}\n".encode() for line in offers], THUMBNAILS: thumbnails}
    for name, parts in beside.items():
        with replace_atomically(job.folder / name, durable=False) as file:
            file.writelines(parts)
    files = ("annotations.parquet", "samples.parquet", "offers.jsonl", THUMBNAILS)
    set_marker(job.folder, BUILT, {"account": ledger.to_json(), _INPUT: read}, files)


def _read(
    item: Item, job: ShardJob, ledger: Ledger, benchmarks: Benchmarks | None
) -> tuple[Spill, list[Sample]] | None:
    """Return what an item gives; None, with the reason in the ledger, where that is nothing."""
    ledger.items.read += 1
    # A volume is judged as a whole: a problem in its last slice must not leave half of it in the output.
    before = ledger.mark()
    try:
        made = Spill(annotations_of(item, job.recipe, job.root, ledger, benchmarks))
        texts = list(text_samples(item, job.recipe, job.root))
    except SourceError as problem:
        ledger.roll_back(before)
        ledger.quarantine_item(problem)
        return None
    except (MemoryError, OSError) as error:
        if not limits.is_limited() or not (isinstance(error, MemoryError) or error.errno == errno.ENOMEM):
            raise
        ledger.roll_back(before)
        place = item.files[0] if item.files else item.key
        ledger.quarantine_item(SourceError(limits.TOO_MUCH, limits.too_much(), place))
        return None
    except SetAside as reason:
        ledger.roll_back(before)
        ledger.drop_item(item.key, reason.rule)
        return None
    if not made and not texts:
        ledger.drop_item(item.key, "no picture left")
        return None
    ledger.items.kept += 1
    return made, texts


def _checked(
    samples: Iterable[Sample],
    ledger: Ledger,
    tallies: Tallies,
    benchmarks: Benchmarks | None,
    annotation_row: int | None,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for sample in samples:
        ledger.samples.read += 1
        reason = reason_to_drop(sample, benchmarks)
        if reason is not None:
            text = "\n".join(part for turn in sample.turns for part in turn)
            ledger.drop_sample(sample.id, str(sample.kind), str(sample.language), *reason, text)
            continue
        ledger.samples.kept += 1
        rows.append(sample.row(annotation_row))
        tallies.count(sample)
    return rows
