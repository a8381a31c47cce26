"""Boxes of annotation files ▶ whole pixels of their picture."""

from collections.abc import Sequence

import numpy as np

from gmai_data.ledger import SourceError


def whole_pixels(
    xyxy: tuple[float, float, float, float], size_px: tuple[int, int], where: str, file: str
) -> tuple[int, int, int, int]:
    """Return the whole pixels that a box covers; up to one pixel beyond the border is rounding and is cut off.

    Raises:
        SourceError: Not finite, without area, or outside the image.
    """
    require_pixels(xyxy, where, file)
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


def require_pixels(xyxy: Sequence[float], where: str, file: str) -> None:
    """Refuse four numbers that can only be shares of the picture.

    Raises:
        SourceError: All lie between 0 and 1, and some are no whole numbers.
    """
    if all(0 <= value <= 1 for value in xyxy) and any(value % 1 for value in xyxy):
        found = ", ".join(f"{value:g}" for value in xyxy)
        raise SourceError("box unreadable", f"{where}: {found} are shares of the picture, not pixels", file)
