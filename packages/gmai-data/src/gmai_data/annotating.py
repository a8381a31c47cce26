"""The pictures of an item ▶ annotations; a picture that must not be published is dropped with its reason."""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from gmai_formats import limits
from gmai_formats.fingerprints.perceptual import perceptual_hash, thumbnail

from gmai_data.annotation import Annotation, annotation_id
from gmai_data.checks.duplicates import hash_of, named_hash
from gmai_data.checks.leakage import Benchmarks
from gmai_data.imaging.deidentify import words_in_picture
from gmai_data.imaging.raster import digest, encode_png, nothing_to_see
from gmai_data.ledger import Ledger
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.digests import source_digests
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.reading import read_pictures
from gmai_data.sources.splits import split_of
from gmai_data.vocabulary import Split

TOOL = f"gmai-data {importlib.metadata.version('gmai-data')}"


def annotations_of(
    item: Item, recipe: Recipe, root: Path, ledger: Ledger, benchmarks: Benchmarks | None
) -> Iterator[Annotation]:
    """Yield the annotated pictures of an item.

    Raises:
        SourceError: The item cannot be used.
        SetAside: It is sound, but not meant to be used.
    """
    split = split_of(item, recipe)  # an item without a place is refused before its pixels are read
    for picture in read_pictures(item, recipe, root, ledger):
        limits.beat()
        ledger.images.read += 1
        ledger.uncertain.update(picture.uncertain)
        check, detail = reason_to_leave_out(picture, item, recipe)
        if not check:
            annotation = annotation_of(picture, item, recipe, root, split)
            known = annotation.provenance
            met = None
            if benchmarks is not None:
                met = benchmarks.image(known["image_sha256"], hash_of(known["phash"]), annotation.thumbnail)
            if met is None:
                ledger.images.kept += 1
                yield annotation
                continue
            alone = ", by its hash alone" if met.by_hash_alone else ""
            check, detail = f"image of a benchmark{alone}: {met.protocol}", met.how
        ledger.drop_image(_id(picture, item, recipe), check, detail)


def reason_to_leave_out(picture: ItemImage, item: Item, recipe: Recipe) -> tuple[str, str]:
    """Return (check, what it found) of the first check that refuses a picture, or two empty texts."""
    if contradiction := recipe.contradiction(picture.labels):
        return "labels contradict one another", contradiction
    if reason := nothing_to_see(picture.pixels):
        return reason, ""
    if recipe.deidentification.ocr and words_in_picture(picture.pixels, item.key):
        return "held back: words in the picture", ""
    return "", ""


def annotation_of(picture: ItemImage, item: Item, recipe: Recipe, root: Path, split: Split) -> Annotation:
    """Return the record of a picture; `split` is that of its item."""
    encoded = picture.encoded or encode_png(picture.pixels)
    height_px, width_px = picture.pixels.shape[:2]
    known = (*picture.labels, *picture.uncertain)
    left_open = {"uncertain": list(picture.uncertain)} if picture.uncertain else {}
    small = thumbnail(picture.pixels)
    return Annotation(
        id=_id(picture, item, recipe),
        image=encoded,
        width_px=width_px,
        height_px=height_px,
        modality=recipe.modality,
        department=recipe.department,
        clinical_task=recipe.clinical_task,
        anatomy=recipe.anatomy.en,
        task=recipe.task,
        labels=picture.labels,
        absent=recipe.absent(known),
        incomplete=picture.incomplete,
        boxes=picture.boxes,
        split=split,
        group=str(item.group_number),
        source=recipe.name,
        license=recipe.license,
        provenance={
            "item": item.key,
            "files": source_digests(root, (*item.files, *item.masks, *picture.more_files)),
            "image_sha256": digest(encoded),
            "phash": named_hash(perceptual_hash(small)),
            "recipe_version": recipe.version,
            "tool": TOOL,
            **left_open,
            **picture.geometry,
        },
        thumbnail=small.round().astype(np.uint8).tobytes(),
    )


def _id(picture: ItemImage, item: Item, recipe: Recipe) -> str:
    folder = item.key.removesuffix(picture.name).rstrip("/")
    return annotation_id(recipe.task, recipe.modality, recipe.name, folder, picture.labels, picture.name)
