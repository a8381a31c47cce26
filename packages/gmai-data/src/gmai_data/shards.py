"""One shard: some items of one source ▶ annotations, samples and offered questions, written once and for all.

A shard's items are fixed by a hash of their keys, never by the number of workers. Its folder is complete when it holds
`done.json`, which is written last.
"""

import dataclasses
import importlib.metadata
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_formats.files import write_text

from gmai_data.annotation import Annotation, annotation_id, boxes_of, certainly_absent
from gmai_data.checks.image_prints import THUMBNAILS, image_print, thumbnail
from gmai_data.checks.leakage import load_benchmarks
from gmai_data.checks.samples import reason_to_drop
from gmai_data.generation.perception import label_offer, modality_offer, region_offer
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.generation.wording import Words
from gmai_data.imaging.deidentify import words_in_picture
from gmai_data.imaging.raster import digest, encode_png, nothing_to_see
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.markers import BUILT, has_marker, set_marker
from gmai_data.sample import Sample, qualified_id, tally
from gmai_data.seeded import choose, hash_fraction
from gmai_data.sources.digests import source_digests
from gmai_data.sources.items import Item, Picture
from gmai_data.sources.layouts.qa_text import read_turns
from gmai_data.sources.reading import read_pictures
from gmai_data.sources.recipe import Recipe
from gmai_data.sources.splits import split_of
from gmai_data.tables import ANNOTATIONS, SHARD_SAMPLES, TableFiles
from gmai_data.vocabulary import Kind, Language, Split, Task

TOOL = f"gmai-data {importlib.metadata.version('gmai-data')}"

SPILL_BYTES = 256 * 1024 * 1024
"""Encoded images of one item above this size wait in a temporary file."""
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
    items: tuple[Item, ...]
    folder: Path
    writer: TemplateWriter
    leakage: Path | None = None
    """Fingerprints of benchmarks whose images and questions are left out."""

    @property
    def done(self) -> bool:
        """Say whether an earlier run completed this shard."""
        return has_marker(self.folder, BUILT)


def shard_count(recipe: Recipe, items: int) -> int:
    """Return the number of shards of a source with so many items."""
    per_shard, count = SHARDS["volume" if recipe.layout.is_of_volumes else "picture"]
    while count * per_shard < items:
        count *= 2
    return count


def shard_of(item: Item, recipe: Recipe, shards: int) -> int:
    """Return the number of the shard that an item belongs to, whoever works on it."""
    return int(hash_fraction("shard", recipe.name, item.key) * shards)


def build_shard(job: ShardJob) -> None:
    """Read the items of a shard, write what becomes of them, and mark the shard done with its account."""
    ledger = Ledger()
    offers: list[str] = []
    thumbnails: list[bytes] = []
    with (
        TableFiles(job.folder, "annotations", ANNOTATIONS, single=True) as annotations,
        TableFiles(job.folder, "samples", SHARD_SAMPLES, single=True) as samples,
    ):
        for item in job.items:
            ledger.items.read += 1
            # A volume is judged as a whole: a problem in its last slice must not leave half of it in the output.
            before = ledger.mark()
            try:
                made = Spill(_annotations(item, job, ledger))
                texts = list(_text_samples(item, job))
            except SourceError as problem:
                ledger.roll_back(before)
                ledger.quarantine_item(problem)
                continue
            except SetAside as reason:
                ledger.roll_back(before)
                ledger.drop_item(item.key, reason.rule)
                continue
            if not made and not texts:
                ledger.drop_item(item.key, "no picture left")
                continue
            ledger.items.kept += 1
            for annotation in made:
                number = annotations.rows
                annotations.add_rows([annotation.row()])
                thumbnails.append(annotation.thumbnail)
                if annotation.split == Split.HELD_OUT:
                    offers.extend(_offers(annotation, job))
                else:
                    made_of = job.writer.samples(annotation, job.recipe)
                    samples.add_rows(_checked(made_of, job, ledger, number))
            samples.add_rows(_checked(iter(texts), job, ledger, None))
    ledger.check()
    write_text(job.folder / "offers.jsonl", "".join(f"{line}\n" for line in offers))
    (job.folder / THUMBNAILS).write_bytes(b"".join(thumbnails))
    files = ("annotations.parquet", "samples.parquet", "offers.jsonl", THUMBNAILS)
    set_marker(job.folder, BUILT, {"account": ledger.to_json()}, files)


class Spill:
    """The annotations of one item, complete before the first is used; their images wait in a file once there are many.

    A ten-minute video gives hundreds of images, and none of them may be written before the last one is sound.
    """

    def __init__(self, annotations: Iterable[Annotation]) -> None:
        self._entries: list[tuple[Annotation, int]] = []
        self._file = tempfile.SpooledTemporaryFile(max_size=SPILL_BYTES, prefix="gmai-spill-")  # noqa: SIM115
        for annotation in annotations:
            self._file.write(annotation.image)
            self._entries.append((dataclasses.replace(annotation, image=b""), len(annotation.image)))

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Annotation]:
        self._file.seek(0)
        for annotation, size_bytes in self._entries:
            yield dataclasses.replace(annotation, image=self._file.read(size_bytes))


def _annotations(item: Item, job: ShardJob, ledger: Ledger) -> Iterator[Annotation]:
    recipe = job.recipe
    split, group = split_of(item, recipe)
    for picture in read_pictures(item, recipe, job.root, ledger):
        ledger.images.read += 1
        ledger.uncertain.update(picture.uncertain)
        reason = nothing_to_see(picture.pixels)
        if reason is not None:
            ledger.drop_image(_annotation_id(picture, item, recipe), reason)
            continue
        if recipe.deidentification.ocr and words_in_picture(picture.pixels, item.key):
            ledger.drop_image(_annotation_id(picture, item, recipe), "held back: words in the picture")
            continue
        annotation = _annotation(picture, item, job, split, group)
        if job.leakage is not None:
            known = annotation.provenance
            protocol = load_benchmarks(job.leakage).image(known["image_sha256"], known["phash"])
            if protocol is not None:
                ledger.drop_image(annotation.id, f"image of a benchmark: {protocol}")
                continue
        ledger.images.kept += 1
        yield annotation


def _annotation(picture: Picture, item: Item, job: ShardJob, split: Split, group: str) -> Annotation:
    recipe = job.recipe
    encoded = picture.encoded or encode_png(picture.pixels)
    height_px, width_px = picture.pixels.shape[:2]
    known = (*picture.labels, *picture.uncertain)
    absent = certainly_absent(recipe.label_names, known) if recipe.exhaustive else ()
    left_open = {"uncertain": list(picture.uncertain)} if picture.uncertain else {}
    small = thumbnail(picture.pixels)
    return Annotation(
        id=_annotation_id(picture, item, recipe),
        image=encoded,
        width_px=width_px,
        height_px=height_px,
        modality=recipe.modality,
        department=recipe.department,
        clinical_task=recipe.clinical_task,
        anatomy=recipe.anatomy.en,
        task=recipe.task,
        labels=picture.labels,
        absent=absent,
        incomplete=picture.incomplete,
        boxes=picture.boxes,
        split=split,
        group=group,
        source=recipe.name,
        license=recipe.license,
        provenance={
            "item": item.key,
            "files": source_digests(job.root, (*item.files, *picture.more_files)),
            "image_sha256": digest(encoded),
            "phash": image_print(small),
            "recipe_version": recipe.version,
            "tool": TOOL,
            **left_open,
            **picture.geometry,
        },
        thumbnail=small.tobytes(),
    )


def _annotation_id(picture: Picture, item: Item, recipe: Recipe) -> str:
    folder = item.key.removesuffix(picture.name).rstrip("/")
    return annotation_id(recipe.task, recipe.modality, recipe.name, folder, picture.labels, picture.name)


def _text_samples(item: Item, job: ShardJob) -> Iterator[Sample]:
    recipe = job.recipe
    if recipe.task != Task.TEXT:
        return
    split, group = split_of(item, recipe)
    language, turns = read_turns(item, job.root)
    # A text has no question for the benchmark, so what is held out is still good for validation.
    split = Split.VALIDATION if split == Split.HELD_OUT else split
    annotation = Annotation(
        id=annotation_id(recipe.task, recipe.modality, recipe.name, item.files[0], (), f"{item.position:06d}"),
        image=b"", width_px=0, height_px=0, modality=recipe.modality, department=recipe.department,
        clinical_task=recipe.clinical_task, anatomy=recipe.anatomy.en, task=recipe.task, labels=(), absent=(),
        incomplete=(), boxes=(), split=split, group=group,
        source=recipe.name, license=recipe.license, provenance={"item": item.key},
    )  # fmt: skip
    provenance = {"writer": "source", "item": item.key}
    sample_id = qualified_id(annotation, Kind.TEXT_ONLY, 0)
    yield Sample(sample_id, annotation, tuple(turns), Kind.TEXT_ONLY, Language(language), (), provenance)


def _checked(samples: Iterator[Sample], job: ShardJob, ledger: Ledger, annotation: int | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    benchmarks = None if job.leakage is None else load_benchmarks(job.leakage)
    for sample in samples:
        ledger.samples.read += 1
        reason = reason_to_drop(sample, benchmarks)
        if reason is not None:
            said = "\n".join(part for turn in sample.turns for part in turn)
            ledger.drop_sample(sample.id, str(sample.kind), str(sample.language), *reason, said)
            continue
        ledger.samples.kept += 1
        rows.append(sample.row(annotation))
        tally(sample, ledger)
    return rows


def _offers(annotation: Annotation, job: ShardJob) -> Iterator[str]:
    """Yield the questions that a held-out image could be asked; publishing makes a balanced choice of them."""
    words = Words(annotation, job.recipe, Language.EN, job.writer.seed)
    offers = [modality_offer(annotation, words, job.writer.modalities, only_these=True)]
    offers += [label_offer(annotation, words, label, f"held out {label}") for label in annotation.labels]
    for label in annotation.labels:
        boxes = boxes_of(annotation, label)
        if boxes:
            box = choose(boxes, job.writer.seed, annotation.id, "held out region")
            offers.append(region_offer(annotation, words, box, f"held out region {label}"))
    for number, offer in enumerate(offers):
        yield json.dumps(
            {
                "id": f"{annotation.id}#held_out#{number}",
                "annotation": annotation.id,
                "image_id": annotation.image_id,
                "asks": offer.family,
                "question": offer.question,
                "answer": offer.answer,
                "wrong": list(offer.wrong),
                "modality": str(annotation.image_modality),
                "department": str(annotation.department),
                "source": annotation.source,
                "license": annotation.license,
            },
            ensure_ascii=False,
        )
