"""What a reader lists (`Item`) and what it makes of one (`Picture`, or the turns of a text)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gmai_cli.errors import did_you_mean
from pydantic import BaseModel

from gmai_data.annotation import Box
from gmai_data.imaging.boxes import regions
from gmai_data.imaging.raster import Pixels
from gmai_data.sources.problems import Ledger, SourceError
from gmai_data.sources.recipe import Recipe
from gmai_data.vocabulary import Split


@dataclass(frozen=True)
class Item:
    """One thing of a source that is read as a whole: an image file, a case, a DICOM series, a text.

    `key` is unique in the source and stable (its path); `group` is the patient, study or case that a split must not
    divide, or empty where the key itself is the group; `split` is the publisher's own, where there is one.
    """

    key: str
    files: tuple[str, ...]
    group: str = ""
    split: Split | None = None
    raw_labels: tuple[str, ...] = ()
    position: int = 0
    """Which entry of `files[0]` this is, for files that hold many (JSON Lines), from 0."""


@dataclass(frozen=True)
class Picture:
    """One exported 2-D image with its labels and boxes, in the display convention.

    `encoded` are the source's own bytes where they are published as they are; `geometry` goes into the provenance.
    """

    name: str
    pixels: Pixels
    labels: tuple[str, ...]
    boxes: tuple[Box, ...] = ()
    incomplete: tuple[str, ...] = ()
    encoded: bytes | None = None
    geometry: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Reader(Protocol):
    """Reads one layout. Listing is cheap and touches no pixels; reading takes one item at a time."""

    @property
    def settings(self) -> type[BaseModel]:
        """The model of the layout's settings."""
        ...

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield what the source holds, in a stable order.

        Raises:
            UserError: The source as a whole is not what the recipe describes (no such folder, table or column).
        """
        ...

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the pictures of one item; unusable boxes go to the ledger.

        Raises:
            SourceError: The item cannot be used.
        """
        ...


def full_name(recipe: Recipe, raw: str, file: str) -> str:
    """Return the full English name of a raw label.

    Raises:
        SourceError: The recipe's map does not have it.
    """
    name = recipe.labels.get(raw)
    if name is None:
        hint = did_you_mean(raw, recipe.labels) if len(recipe.labels) <= 20 else ""
        raise SourceError("label not in the map", f'"{raw}" is not in the labels of {recipe.name}.{hint}', file)
    return name.en


def boxes_of_mask(
    mask: Any, recipe: Recipe, ledger: Ledger, file: str
) -> tuple[tuple[str, ...], tuple[Box, ...], tuple[str, ...]]:
    """Return (labels present, boxes, labels with regions too small for a box) of a 2-D label mask.

    Raises:
        SourceError: A label id that the recipe does not name.
    """
    present: list[str] = []
    boxes: list[Box] = []
    incomplete: set[str] = set()
    for label_id, xyxy, area_px in regions(mask):
        raw = str(label_id)
        if raw in recipe.background:
            continue
        label = full_name(recipe, raw, file)
        present.append(label)
        ledger.boxes.read += 1
        if area_px < recipe.min_box_area_px:
            incomplete.add(label)
            ledger.boxes.dropped[f"smaller than {recipe.min_box_area_px} px"] += 1
            continue
        ledger.boxes.kept += 1
        boxes.append(Box(label, xyxy))
    return tuple(dict.fromkeys(present)), tuple(boxes), tuple(sorted(incomplete))
