"""The size that an annotation states beside that of its picture: equal, turned by EXIF, resized, or refused."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from gmai_data.imaging.raster import Raster
from gmai_data.ledger import SourceError
from gmai_data.sources.card import Card

ANOTHER_SIZE = "annotated at another size"
Size = tuple[int, int]
"""Width and height in pixels."""
_ROUNDING_PX = 1.0
Turned = Literal["unknown", "shown", "stored"]
"""See `BoxRule.turned`."""


@dataclass(frozen=True)
class Fit:
    """The way from the coordinates of an annotation to the pixels of its picture as it is shown.

    A point of the stored picture is turned as its EXIF orientation says (CIPA DC-008, 4.6.5.1.6), then scaled.
    """

    annotated: Size
    """Size of the picture that was annotated."""
    shown: Size
    orientation: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What was done, for the provenance."""
    undecided: SourceError | None = None
    """Why it is not known; raised by whatever is asked for."""

    def points(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return points (x, y) of the annotation as points of the shown picture."""
        self._require_decided()
        width, height = self.annotated
        x, y = points[..., 0], points[..., 1]
        turned_x, turned_y = {
            1: (x, y),
            2: (width - x, y),
            3: (width - x, height - y),
            4: (x, height - y),
            5: (y, x),
            6: (height - y, x),
            7: (height - y, width - x),
            8: (y, width - x),
        }[self.orientation]
        size = self.annotated if self.orientation < 5 else self.annotated[::-1]
        if size == self.shown:
            return np.stack([turned_x, turned_y], axis=-1)
        return np.stack([turned_x * self.shown[0] / size[0], turned_y * self.shown[1] / size[1]], axis=-1)

    def box(self, xyxy: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """Return a box of the annotation as a box of the shown picture."""
        self._require_decided()
        if self.orientation == 1 and self.annotated == self.shown:
            return xyxy
        (x1, y1), (x2, y2) = self.points(np.array(xyxy, np.float64).reshape(2, 2)).tolist()
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)

    def _require_decided(self) -> None:
        if self.undecided is not None:
            raise self.undecided

    def mask(self, mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a mask of the annotated picture as one of the shown picture."""
        self._require_decided()
        turned = {
            1: mask,
            2: mask[:, ::-1],
            3: mask[::-1, ::-1],
            4: mask[::-1],
            5: mask.T,
            6: mask[::-1].T,
            7: mask[::-1, ::-1].T,
            8: mask.T[::-1],
        }[self.orientation]
        if turned.shape[::-1] == self.shown:
            return np.ascontiguousarray(turned)
        columns, rows = (
            ((np.arange(wanted) + 0.5) * given / wanted).astype(np.int64)
            for wanted, given in zip(self.shown, turned.shape[::-1], strict=True)
        )
        return np.ascontiguousarray(turned[np.ix_(rows, columns)])


def fit_of(
    stated: Size | None, shown: Size, root: Path, file: str, turned: Turned = "shown", *, is_as_stored: bool = False
) -> Fit:
    """Return how an annotation that states a size fits its picture.

    Args:
        stated: The size, or None where the annotation states none.
        shown: Size of the picture, turned as its EXIF orientation says.
        root: The source's folder.
        file: The picture.
        turned: What an annotation means whose size does not tell whether it was made for the picture as shown.
        is_as_stored: The picture was decoded without a turn, so that there is nothing to ask.

    Raises:
        SourceError: The size is neither that of the picture, shown or stored, nor a multiple of it by one factor.
    """
    may_be_shown = stated is None or stated == shown
    if may_be_shown and (turned == "shown" or is_as_stored):
        return Fit(shown, shown)
    orientation = 1 if is_as_stored else _exif_orientation(root / file)
    stored = shown if orientation < 5 else (shown[1], shown[0])
    if may_be_shown and (orientation == 1 or stated not in (None, stored)):
        return Fit(shown, shown)
    if may_be_shown and turned == "stored":
        return Fit(stored, shown, orientation, {"boxes_turned": orientation})
    if may_be_shown:
        return Fit(stored, shown, 1, {}, _turned_or_not(orientation, file))
    stated = stated or shown
    stated_size = f"{stated[0]}×{stated[1]}"
    if orientation > 1 and stated == stored:
        return Fit(stated, shown, orientation, {"annotated_size": stated_size, "boxes_turned": orientation})
    if min(stated) > 0:
        of_both = orientation > 1 and _is_multiple(stated, shown) and _is_multiple(stated, stored)
        if of_both and turned == "unknown":
            return Fit(stated, shown, 1, {}, _turned_or_not(orientation, file))
        if _is_multiple(stated, shown) and not (of_both and turned == "stored"):
            factor = round(shown[0] / stated[0], 6)
            return Fit(stated, shown, 1, {"annotated_size": stated_size, "boxes_scaled": factor})
        if orientation > 1 and _is_multiple(stated, stored):
            factor = round(stored[0] / stated[0], 6)
            facts = {"annotated_size": stated_size, "boxes_turned": orientation, "boxes_scaled": factor}
            return Fit(stated, shown, orientation, facts)
    found = f"it was annotated at {stated_size}, but the picture is {shown[0]}×{shown[1]}"
    rule = "they must be equal, turned by EXIF, or resized by one factor; get the picture that was annotated"
    raise SourceError(ANOTHER_SIZE, f"{found}; {rule}", file)


def _turned_or_not(orientation: int, file: str) -> SourceError:
    detail = (
        f"EXIF orientation {orientation}; the size of the annotation does not tell whether it was made for the "
        "picture as shown or as stored: say so in the card, by `boxes.turned`"
    )
    return SourceError("turned by EXIF, or not", detail, file)


def _is_multiple(stated: Size, size: Size) -> bool:
    by_width, by_height = size[0] / stated[0], size[1] / stated[1]
    return abs(stated[1] * by_width - size[1]) <= _ROUNDING_PX and abs(stated[0] * by_height - size[0]) <= _ROUNDING_PX


def _exif_orientation(path: Path) -> int:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # only the header is read
            with Image.open(path) as image:
                orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # no raster, such as DICOM: nothing is turned
        return 1
    return orientation if orientation in range(2, 9) else 1


def fitted_mask(
    mask: npt.NDArray[Any], raster: Raster, card: Card, root: Path, image: str, file: str
) -> tuple[npt.NDArray[Any], Mapping[str, Any]]:
    """Return (a mask as the picture is shown, what was done to it), for masks of the picture as stored, or resized.

    A mask that differs from its picture by one factor is scaled, each pixel taking the value of the nearest.

    Args:
        mask: `[height, width]`.
        raster: The picture.
        card: Says what masks mean that fit both ways.
        root: The source's folder.
        image: The picture's file.
        file: The mask's.

    Raises:
        SourceError: The sizes differ otherwise, scaling loses a value, or nothing tells whether it is to be turned.
    """
    size, shown = (mask.shape[1], mask.shape[0]), raster.annotated_px
    try:
        fit = fit_of(size, shown, root, image, card.boxes.turned, is_as_stored=raster.is_as_stored)
        fitted = fit.mask(mask)
    except SourceError as problem:
        if problem.rule != ANOTHER_SIZE:
            raise
    else:
        if fit.facts.get("boxes_scaled", 1) < 1 and (lost := np.setdiff1d(mask, fitted)).size:
            detail = (
                f"scaled from {size[0]}×{size[1]} to {shown[0]}×{shown[1]} it loses {', '.join(map(str, lost[:6]))}; "
                "get the picture that was annotated"
            )
            raise SourceError("mask loses a structure", detail, file)
        return fitted, fit.facts
    found = f"image {shown[0]}×{shown[1]}, mask {size[0]}×{size[1]}"
    raise SourceError(
        "image and mask sizes differ", f"{found}; they must be equal, turned by EXIF, or resized by one factor", file
    )


def facts_of_masks(facts: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what was done to the masks of a picture: once where it is the same for all, else by file."""
    done = {file: found for file, found in facts.items() if found}
    alike = len(done) == len(facts) and all(found == next(iter(done.values())) for found in done.values())
    return next(iter(done.values()), {}) if alike else {"masks": done} if done else {}
