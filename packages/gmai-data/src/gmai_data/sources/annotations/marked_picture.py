"""A picture whose boxes an annotation file gives: labels and boxes are collected, and each is accounted for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.annotation import Box
from gmai_data.imaging.boxes import regions
from gmai_data.imaging.raster import Raster
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.fits import Size, fit_of
from gmai_data.sources.annotations.pixel_boxes import whole_pixels
from gmai_data.sources.card import Card
from gmai_data.sources.files.pictures import load_picture
from gmai_data.sources.items import BoxCounter, ItemImage, full_name, left_open

CROWD = "region of many objects"
DIFFICULT = "marked as difficult"
"""Reasons for which a box is left out: its label holds, but nothing can be counted."""
GUESS = "a model's guess"
"""Rule by which a box with a confidence is refused: nobody said that it is so, and its label is left open."""
REPEATED = "the same box a second time"
"""Reason for which a box is left out that is there already: tools export an object twice
(https://github.com/ultralytics/yolov5/pull/5210), and nobody sees two where one is."""


def is_guess(score: Any) -> bool:
    """Return whether a score is the confidence of a model: what people drew has none, or 1."""
    return isinstance(score, int | float) and not isinstance(score, bool) and 0 < score < 1


class MarkedPicture:
    """One picture on the way.

    Args:
        card: Gives names and rules.
        ledger: Takes the account of the boxes.
        root: The source's folder.
        image: The picture's file.
        named: The file that is named in the reasons.
        stated: Size of the picture that was annotated, where the annotation states it.
        raster: The picture, where it is not a file's only one.
        is_as_shown: Whoever annotated saw the picture turned by EXIF, unless the card says otherwise.

    Raises:
        SourceError: The picture is unreadable, or was annotated at a size that does not fit it.
    """

    def __init__(
        self,
        card: Card,
        ledger: Ledger,
        root: Path,
        image: str,
        named: str,
        stated: Size | None = None,
        raster: Raster | None = None,
        *,
        is_as_shown: bool = False,
    ) -> None:
        self._card, self._ledger, self._image, self._named = card, ledger, image, named
        self._raster = raster or load_picture(root, image, card)
        height_px, width_px = self._raster.pixels.shape[:2]
        self.size_px: Size = (width_px, height_px)
        # Boxes are made for the stored pixels, of which those of a DICOM file were made square.
        turned = "shown" if is_as_shown and card.boxes.turned == "unknown" else card.boxes.turned
        fit = fit_of(stated, self._raster.annotated_px, root, image, turned, is_as_stored=self._raster.is_as_stored)
        self.fit = replace(fit, shown=self.size_px)
        self._labels: dict[str, None] = {}
        self._incomplete: set[str] = set()
        self._doubted: set[str] = set()
        self._boxes: list[Box] = []
        self._objects: set[tuple[str, tuple[float, ...]]] = set()
        """Label and place of each object, by which a second one at the same place is known."""
        self._masks: list[npt.NDArray[Any]] = []

    def add_label(self, raw: str) -> str:
        """Note that a label holds, and return its full name.

        Raises:
            SourceError: The card does not name it.
        """
        label = full_name(self._card, raw, self._named)
        self._labels[label] = None
        return label

    def add_box(self, raw: str, xyxy: tuple[float, float, float, float], where: str) -> None:
        """Add a box in the annotation's coordinates; an unusable one goes to the quarantine, its label stays."""
        label = self.add_label(raw)
        if self._is_repeated(label, xyxy):
            return
        try:
            box = Box(label, whole_pixels(self.fit.box(xyxy), self.size_px, where, self._named))
        except SourceError as problem:
            self.refuse_box(raw, problem)
        else:
            self._ledger.keep_box()
            self._boxes.append(box)

    def add_mask(self, raw: str, mask: npt.NDArray[np.uint8], *, is_one_object: bool = False) -> None:
        """Add the regions of a mask of the shown picture, or all of it as one object, in however many parts."""
        label = self.add_label(raw)
        if is_one_object and not mask.any():
            self.refuse_box(raw, SourceError("mask without a pixel", f'an object "{raw}" marks nothing', self._named))
            return
        counter = BoxCounter(self._card, self._ledger, self._named, self.size_px)
        whole = is_one_object or self._card.boxes.per == "class"
        found = [(raw, box, area) for _, box, area in regions(mask, whole_labels=whole)]
        if is_one_object and self._is_repeated(label, (*found[0][1], found[0][2])):
            return
        counter.add(found)
        self._boxes += counter.boxes
        self._incomplete.update(counter.incomplete)
        self._masks.append(mask)

    def _is_repeated(self, label: str, place: tuple[float, ...]) -> bool:
        """Return whether an object is there already, and count it as dropped then."""
        if (label, place) not in self._objects:
            self._objects.add((label, place))
            return False
        self._ledger.boxes.read += 1
        self._ledger.boxes.dropped[REPEATED] += 1
        return True

    def refuse_box(self, raw: str, problem: SourceError) -> None:
        """Put a box into the quarantine; its label holds, but its objects must not be counted."""
        self._incomplete.add(self.add_label(raw))
        self._ledger.quarantine_box(problem)

    def doubt_box(self, raw: str, problem: SourceError) -> None:
        """Put a box into the quarantine that says nothing of the picture, and whose label must not be counted."""
        self._doubted.add(full_name(self._card, raw, self._named))
        self._ledger.quarantine_box(problem)

    def leave_out_box(self, raw: str, reason: str) -> None:
        """Count a box as dropped that marks no single object; its label holds, but its objects must not be counted."""
        self._incomplete.add(self.add_label(raw))
        self._ledger.boxes.read += 1
        self._ledger.boxes.dropped[reason] += 1

    def drop_box(self, raw: str, reason: str) -> None:
        """Count a box as dropped that says nothing of the picture; where its label holds, it must not be counted."""
        self._doubted.add(full_name(self._card, raw, self._named))
        self._ledger.boxes.read += 1
        self._ledger.boxes.dropped[reason] += 1

    def picture(
        self, origin: str, uncertain: Sequence[str] = (), more_files: tuple[str, ...] = (), name: str = ""
    ) -> ItemImage:
        """Return the picture.

        Args:
            origin: Where the boxes come from, for the provenance.
            uncertain: Raw labels that are left open.
            more_files: See `ItemImage`.
            name: Of the picture, where it is not the file's.
        """
        labels = tuple(self._labels)
        geometry: dict[str, Any] = {"box_origin": origin, **self._raster.geometry, **self.fit.facts}
        return ItemImage(
            name or PurePosixPath(self._image).name,
            self._raster.pixels,
            labels,
            tuple(self._boxes),
            tuple(sorted(self._incomplete | self._doubted & {*labels})),
            self._raster.encoded,
            geometry,
            more_files,
            left_open(self._card, uncertain, labels, self._named),
            tuple(self._masks),
        )
