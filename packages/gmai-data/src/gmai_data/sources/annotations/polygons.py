"""Outlines ▶ masks: a pixel belongs to a polygon when its centre lies inside."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmai_data.ledger import SourceError

MOST_POINTS = 500_000
"""Of the outlines of one object, which take seconds; the largest known, of regions in slides, have some 50,000."""


def polygon_mask(outline: npt.NDArray[np.float64], shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the mask of one polygon; where it crosses itself the even-odd rule holds.

    Vertices are coordinates of pixel edges, as COCO's are: the square from 10 to 20 covers the pixels 10 to 19
    (https://github.com/cocodataset/cocoapi/issues/659). What lies outside the picture is cut off.

    Args:
        outline: `[n, 2]`, x and y.
        shape: Rows and columns of the mask.
    """
    height, width = shape
    flips = np.zeros((height, width + 1), np.int32)
    others = np.roll(outline, -1, axis=0)
    # Edges beside the picture's rows, or right of it, change nothing; of large outlines those are nearly all.
    below = np.minimum(outline[:, 1], others[:, 1]) < height
    reaches = (np.maximum(outline[:, 1], others[:, 1]) > 0) & (np.minimum(outline[:, 0], others[:, 0]) < width)
    edges = below & reaches & (outline[:, 1] != others[:, 1])
    for (x1, y1), (x2, y2) in zip(outline[edges].tolist(), others[edges].tolist(), strict=True):
        top, bottom = sorted((y1, y2))
        # A row is crossed when its centre lies in the half-open [top, bottom): a shared vertex counts once.
        rows = np.arange(max(int(np.ceil(top - 0.5)), 0), min(int(np.ceil(bottom - 0.5)), height))
        crossings = x1 + (rows + 0.5 - y1) * ((x2 - x1) / (y2 - y1))
        first = np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.int64)
        np.add.at(flips, (rows, first), 1)
    return (np.cumsum(flips[:, :width], axis=1) & 1).astype(np.uint8)


def outlines_mask(
    outlines: Sequence[npt.NDArray[np.float64]], size_px: tuple[int, int], where: str, file: str
) -> npt.NDArray[np.uint8]:
    """Return the mask of one object's polygons together.

    Args:
        outlines: Each `[n, 2]`, x and y in the shown picture.
        size_px: Its width and height.
        where: Which object, in words.
        file: Named in the reasons.

    Raises:
        SourceError: A polygon is none, or reaches out of the picture by more than a pixel, or holds no pixel's
            centre, or they have more than `MOST_POINTS` points.
    """
    points = sum(map(len, outlines))
    if points > MOST_POINTS:
        detail = f"{where} has {points} points, where at most {MOST_POINTS} are read; simplify its outline"
        raise SourceError("segmentation unreadable", detail, file)
    if not outlines or any(len(outline) < 3 for outline in outlines):
        raise SourceError("segmentation unreadable", f"{where}: a polygon has at least three points", file)
    if not all(np.isfinite(outline).all() for outline in outlines):
        raise SourceError("segmentation unreadable", f"{where}: a point of a polygon is no number", file)
    width, height = size_px
    low = min(float(outline.min()) for outline in outlines)
    right, bottom = (max(float(outline[:, side].max()) for outline in outlines) for side in (0, 1))
    if low < -1 or right > width + 1 or bottom > height + 1:
        detail = f"{where} reaches {right:g}, {bottom:g}; the image is {width}×{height}"
        raise SourceError("polygon outside the image", detail, file)
    mask = np.zeros((height, width), np.uint8)
    for outline in outlines:
        mask |= polygon_mask(outline, (height, width))  # one by one: together, overlapping parts would cancel out
    if not mask.any():
        raise SourceError("polygon without a pixel", f"{where} holds the centre of no pixel", file)
    return mask
