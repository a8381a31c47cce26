"""Outlines ▶ masks: a pixel belongs to a polygon when its centre lies inside."""

import numpy as np
import numpy.typing as npt


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
    for (x1, y1), (x2, y2) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        top, bottom = sorted((y1, y2))
        # A row is crossed when its centre lies in the half-open [top, bottom): a shared vertex counts once.
        rows = np.arange(max(int(np.ceil(top - 0.5)), 0), min(int(np.ceil(bottom - 0.5)), height))
        crossings = x1 + (rows + 0.5 - y1) * ((x2 - x1) / (y2 - y1))
        first = np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.int64)
        np.add.at(flips, (rows, first), 1)
    return (np.cumsum(flips[:, :width], axis=1) & 1).astype(np.uint8)
