"""What a reader lists (`Item`) and what it makes of one (`ItemImage`, or the turns of a text)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy.typing as npt
from gmai_formats.errors import did_you_mean
from gmai_formats.pictures.picture import Pixels

from gmai_data.annotation import Box
from gmai_data.imaging.boxes import regions
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.card import Card
from gmai_data.vocabulary import Split


class Item(NamedTuple):
    """One thing of a source that is read as a whole: an image file, a case, a DICOM series, a text.

    `key` is unique in the source and stable (its path); `group` is the patient, study or case that a split must not
    divide, or empty where the key itself is the group; `split` is the publisher's own, where there is one.
    """  # a named tuple: of ten million items, making them is a large part of a listing

    key: str
    files: tuple[str, ...]
    group: str = ""
    split: Split | None = None
    raw_labels: tuple[str, ...] = ()
    position: int = 0
    """Which entry of `files[0]` this is, for files that hold many (JSON Lines), from 0."""
    part: str = ""
    """The array or split that the entry is in, or the entry itself, where it is text."""
    pattern: str = ""
    """Path of the masks with `{label}` in it, where the card gives one path for all structures."""
    structures: tuple[str, ...] | None = None
    """Raw label of each file but the first, where there is one file per structure."""
    uncertain: tuple[str, ...] = ()
    """Raw labels of which the source leaves open whether they hold."""
    problem: tuple[str, str] | None = None
    """Rule and detail of what was found wrong while listing: the item goes to the quarantine unread."""
    set_aside: str = ""
    """Why the item is sound, but not meant to be used."""
    masks: tuple[str, ...] = ()
    """Files that mark its images and name them: DICOM SEG, RTSTRUCT, LIDC XML."""
    group_number: int = 0
    """Stands for the group in what is published; 0 before the whole source is listed."""


@dataclass(frozen=True)
class ItemImage:
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
    more_files: tuple[str, ...] = ()
    """Files that the picture was read from beside those of its item."""
    uncertain: tuple[str, ...] = ()
    """Labels that are neither present nor absent: the source leaves it open."""
    masks: tuple[npt.NDArray[Any], ...] = ()
    """The masks that the boxes come from, `[height, width]`, for looking at; they are not written."""


NOT_IN_THE_MAP = "label not in the map"


def full_name(card: Card, raw: str, file: str) -> str:
    """Return the full English name of a raw label.

    Raises:
        SourceError: The recipe's map does not have it.
    """
    name = card.labels.get(raw)
    if name is None:
        hint = did_you_mean(raw, card.labels) if len(card.labels) <= 20 else ""
        raise SourceError(NOT_IN_THE_MAP, f'"{raw}" is not in the labels of {card.name}.{hint}', file)
    return name.en


def left_open(card: Card, uncertain: Sequence[str], labels: Sequence[str], file: str) -> tuple[str, ...]:
    """Return the full names of uncertain raw labels, without those of labels that are present.

    Raises:
        SourceError: As `full_name`.
    """
    named = dict.fromkeys(full_name(card, raw, file) for raw in uncertain)
    return tuple(name for name in named if name not in labels)


SMALL_PART = -1
"""Stands in place of the area of a region that is too small in the volume."""


class BoxCounter:
    """Collects the labels and boxes of one picture under the rule of the card, and accounts for each region.

    Args:
        card: Gives names, background and the rule.
        ledger: Takes the account.
        file: Named in the reasons.
        size_px: Width and height of the picture.
        pixel_mm: Side of a (square) pixel, or None where it is not known.
    """

    def __init__(
        self, card: Card, ledger: Ledger, file: str, size_px: tuple[int, int], pixel_mm: float | None = None
    ) -> None:
        self._card, self._ledger, self._file = card, ledger, file
        self._share_px, self._pixel_mm = size_px[0] * size_px[1], pixel_mm
        self._present: dict[str, None] = {}
        self._incomplete: set[str] = set()
        self._boxes: list[Box] = []
        self.has_ignored = False
        """Whether a part of the picture is none that was looked at."""
        self.masks: list[npt.NDArray[Any]] = []
        """What was looked at, for `ItemImage.masks`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the full names of what is present."""
        return tuple(self._present)

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Return the boxes."""
        return tuple(self._boxes)

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Return the labels that have regions without a box, or may have where nobody looked."""
        return tuple(sorted(self._present if self.has_ignored else self._incomplete))

    @property
    def uncertain(self) -> tuple[str, ...]:
        """Return the raw labels that may be where nobody looked."""
        return tuple(self._card.labels) if self.has_ignored else ()

    def add(self, found: Sequence[tuple[str, tuple[int, int, int, int], int]]) -> None:
        """Add regions: (raw label, box, area in pixels).

        Raises:
            SourceError: A raw label that the card does not name.
        """
        for raw, xyxy, area_px in found:
            if raw in self._card.background:
                continue
            if raw in self._card.ignore:
                self.has_ignored = True
                continue
            label = full_name(self._card, raw, self._file)
            self._present[label] = None
            self._ledger.boxes.read += 1
            reason = self._too_small(area_px)
            if reason is not None:
                self._incomplete.add(label)
                self._ledger.boxes.dropped[reason] += 1
                continue
            self._ledger.boxes.kept += 1
            self._boxes.append(Box(label, xyxy))

    def _too_small(self, area_px: int) -> str | None:
        rule = self._card.boxes
        if area_px == SMALL_PART:
            return f"smaller than {rule.min_mm3:g} mm³"
        if area_px < rule.min_px:
            return f"smaller than {rule.min_px} px"
        if self._pixel_mm is not None and area_px * self._pixel_mm**2 < rule.min_mm2:
            return f"smaller than {rule.min_mm2:g} mm²"
        if area_px < rule.min_share * self._share_px:
            return f"smaller than {rule.min_share:.2%} of the picture"
        return None


def boxes_of_mask(
    mask: npt.NDArray[Any], card: Card, ledger: Ledger, file: str, names: Mapping[int, str] | None = None
) -> BoxCounter:
    """Return what a 2-D label mask shows; `names` gives the raw label of each id where the id itself is none.

    Raises:
        SourceError: A label id that the recipe does not name.
    """
    counter = BoxCounter(card, ledger, file, (mask.shape[1], mask.shape[0]))
    found = regions(mask, whole_labels=card.boxes.per == "class")
    counter.masks.append(mask)
    counter.add([(str(label) if names is None else names[label], box, area_px) for label, box, area_px in found])
    return counter
