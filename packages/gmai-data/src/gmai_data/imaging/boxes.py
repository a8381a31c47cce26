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


def to_thousandths(xyxy: tuple[int, int, int, int], width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """Return a box in 0–1000 of the width and height, as the InternVL family writes it.

    The minimum is rounded down and the maximum up, so a box never loses a pixel and never collapses.
    """
    x1, y1, x2, y2 = xyxy
    return (
        x1 * 1000 // width_px,
        y1 * 1000 // height_px,
        -(-x2 * 1000 // width_px),
        -(-y2 * 1000 // height_px),
    )


def box_text(label: str, boxes: list[tuple[int, int, int, int]], width_px: int, height_px: int) -> str:
    """Return `<ref>label</ref><box>[[x1, y1, x2, y2], …]</box>` with integers 0–1000 (InternVL's grounding format)."""
    return f"<ref>{label}</ref>{box_tag(boxes, width_px, height_px)}"


def box_tag(boxes: list[tuple[int, int, int, int]], width_px: int, height_px: int) -> str:
    """Return the `<box>[[x1, y1, x2, y2], …]</box>` part of `box_text`, for questions that must not name the label."""
    inner = ", ".join(f"[{', '.join(map(str, to_thousandths(box, width_px, height_px)))}]" for box in boxes)
    return f"<box>[{inner}]</box>"
