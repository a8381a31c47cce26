"""Boxes of annotation files ▶ whole pixels of their picture."""

import numpy as np

from gmai_data.ledger import SourceError


def whole_pixels(
    xyxy: tuple[float, float, float, float], size_px: tuple[int, int], where: str, file: str
) -> tuple[int, int, int, int]:
    """Return the whole pixels that a box covers; up to one pixel beyond the border is rounding and is cut off.

    Raises:
        SourceError: Not finite, without area, or outside the image.
    """
    x1, y1, x2, y2 = xyxy
    words = f"{where} spans x {x1:g}–{x2:g}, y {y1:g}–{y2:g}"
    if not all(np.isfinite(xyxy)) or x2 <= x1 or y2 <= y1:
        raise SourceError("degenerate box", f"{words}; the maximum must be above the minimum", file)
    width_px, height_px = size_px
    if x1 < -1 or y1 < -1 or x2 > width_px + 1 or y2 > height_px + 1 or x1 >= width_px or y1 >= height_px:
        raise SourceError("box outside the image", f"{words}, but the image is {width_px}×{height_px}", file)
    left, top = max(int(np.floor(x1 + 1e-6)), 0), max(int(np.floor(y1 + 1e-6)), 0)
    right, bottom = min(int(np.ceil(x2 - 1e-6)), width_px), min(int(np.ceil(y2 - 1e-6)), height_px)
    return left, top, max(right, left + 1), max(bottom, top + 1)
