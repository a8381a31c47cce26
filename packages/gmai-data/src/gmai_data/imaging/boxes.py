"""Masks ▶ boxes: one box per 8-connected region of a label, in half-open absolute pixels."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.untyped import ndimage, opencv

Region = tuple[int, tuple[int, int, int, int], int]
"""(label id, `[x1, y1, x2, y2)` in pixels, area in pixels)."""


def regions(mask: npt.NDArray[Any], *, whole_labels: bool = False) -> list[Region]:
    """Return every 8-connected region of every label of a 2-D mask, sorted by label id, then y1, then x1.

    Each label is looked at only within its own extent, so the cost is that of the labelled area and not of
    labels × picture. Label ids are kept in the mask's own integer type (ids above 255 stay what they are).

    Args:
        mask: `[height, width]`, integers; 0 is background.
        whole_labels: One region per label, around all of it.
    """
    ids, compact = _compact(mask)
    found: list[Region] = []
    for position, extent in enumerate(ndimage.find_objects(compact), start=1):
        if extent is None:
            continue
        label, top, left = int(ids[position - 1]), extent[0].start, extent[1].start
        crop = (compact[extent] == position).astype(np.uint8)
        if whole_labels:
            box = (left, top, extent[1].stop, extent[0].stop)
            found.append((label, box, int(np.count_nonzero(crop))))
            continue
        _, _, statistics, _ = opencv.connectedComponentsWithStats(crop, connectivity=8)
        # Row 0 of the statistics is the crop's background.
        for x, y, width, height, area in statistics.tolist()[1:]:
            found.append((label, (left + x, top + y, left + x + width, top + y + height), area))
    return sorted(found, key=lambda region: (region[0], region[1][1], region[1][0], region[1]))


_TABLE_SIZE = 2**16


def _compact(mask: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return (ids, mask with the position of each id instead of the id, counted from 1)."""
    low, high = int(mask.min()), int(mask.max())
    if low < 0 or high >= _TABLE_SIZE:
        ids = np.unique(mask[mask != 0])
        return ids, np.where(mask == 0, 0, np.searchsorted(ids, mask) + 1).astype(np.int32)
    # A table is 20 times as fast as sorting the pixels.
    seen = np.zeros(high + 1, np.bool_)
    seen[mask.ravel()] = True
    seen[0] = False
    ids = np.flatnonzero(seen)
    table = np.zeros(high + 1, np.int32)
    table[ids] = np.arange(1, len(ids) + 1)
    return ids, table[mask]
