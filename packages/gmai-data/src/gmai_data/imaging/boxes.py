"""Masks ▶ boxes: one box per 8-connected region of a label, in half-open absolute pixels."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.extents import extents
from gmai_data.untyped import opencv

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
    for position, extent in enumerate(extents(compact), start=1):
        if extent is None:
            continue
        label = position if ids is None else int(ids[position - 1])
        top, left = extent[0].start, extent[1].start
        crop = (compact[extent] == position).view(np.uint8)
        # Most labels are one region without a hole, which a single outline proves in a third of the time.
        outlines, _ = opencv.findContours(crop, opencv.RETR_LIST, opencv.CHAIN_APPROX_SIMPLE)
        if whole_labels or len(outlines) == 1:
            box = (left, top, extent[1].stop, extent[0].stop)
            found.append((label, box, opencv.countNonZero(crop)))
            continue
        numbers = opencv.CV_16U if crop.size < _FITS_16_BITS else opencv.CV_32S
        _, _, statistics, _ = opencv.connectedComponentsWithStats(crop, connectivity=8, ltype=numbers)
        # Row 0 of the statistics is the crop's background.
        for x, y, width, height, area in statistics.tolist()[1:]:
            found.append((label, (left + x, top + y, left + x + width, top + y + height), area))
    return sorted(found, key=lambda region: (region[0], region[1][1], region[1][0], region[1]))


_SMALL_IDS = 2**10
_FITS_16_BITS = 250_000
"""So many pixels hold fewer than 65,536 regions: two of them have at least one pixel between them in each direction."""


def _compact(mask: npt.NDArray[Any]) -> tuple[npt.NDArray[Any] | None, npt.NDArray[Any]]:
    """Return (ids, mask with the position of each id instead of the id, counted from 1).

    Small ids are their own positions: then the mask is returned as it is, without ids. Sorting its pixels would take
    longer than all the rest.
    """
    if mask.dtype == np.uint8 or (int(mask.min()) >= 0 and int(mask.max()) < _SMALL_IDS):
        return None, np.ascontiguousarray(mask)
    ids = np.unique(mask[mask != 0])
    return ids, np.where(mask == 0, 0, np.searchsorted(ids, mask) + 1).astype(np.int32)
