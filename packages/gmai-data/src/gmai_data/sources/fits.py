"""The size that an annotation states beside that of its picture: equal, turned by EXIF, resized, or refused."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from gmai_data.ledger import SourceError
from gmai_data.untyped import opencv

Size = tuple[int, int]
"""Width and height in pixels."""
_ROUNDING_PX = 1.0


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

    def points(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return points (x, y) of the annotation as points of the shown picture."""
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
        if self.orientation == 1 and self.annotated == self.shown:
            return xyxy
        (x1, y1), (x2, y2) = self.points(np.array(xyxy, np.float64).reshape(2, 2)).tolist()
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)

    def mask(self, mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return a mask of the annotated picture as one of the shown picture."""
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
        return opencv.resize(np.ascontiguousarray(turned), self.shown, interpolation=opencv.INTER_NEAREST)


def fit_of(stated: Size | None, shown: Size, root: Path, file: str) -> Fit:
    """Return how an annotation that states a size fits its picture.

    Args:
        stated: The size, or None where the annotation states none; then its coordinates are those of the shown picture.
        shown: Size of the picture, turned as its EXIF orientation says.
        root: The source's folder.
        file: The picture.

    Raises:
        SourceError: The size is neither that of the picture, shown or stored, nor a multiple of it by one factor.
    """
    if stated is None or stated == shown:
        return Fit(shown, shown)
    orientation = _exif_orientation(root / file)
    stored = shown if orientation < 5 else (shown[1], shown[0])
    said = f"{stated[0]}×{stated[1]}"
    if orientation > 1 and stated == stored:
        return Fit(stated, shown, orientation, {"annotated_size": said, "boxes_turned": orientation})
    if min(stated) > 0:
        if _is_multiple(stated, shown):
            factor = round(shown[0] / stated[0], 6)
            return Fit(stated, shown, 1, {"annotated_size": said, "boxes_scaled": factor})
        if orientation > 1 and _is_multiple(stated, stored):
            factor = round(stored[0] / stated[0], 6)
            facts = {"annotated_size": said, "boxes_turned": orientation, "boxes_scaled": factor}
            return Fit(stated, shown, orientation, facts)
    found = f"it was annotated at {said}, but the picture is {shown[0]}×{shown[1]}"
    rule = "they must be equal, turned by EXIF, or resized by one factor; get the picture that was annotated"
    raise SourceError("annotated at another size", f"{found}; {rule}", file)


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
