"""Masks ▶ boxes: one box per 8-connected region of a label, in half-open absolute pixels."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.untyped import ndimage, opencv

Region = tuple[int, tuple[int, int, int, int], int]
"""(label id, `[x1, y1, x2, y2)` in pixels, area in pixels)."""


def regions(mask: npt.NDArray[Any]) -> list[Region]:
    """Return every 8-connected region of every label of a 2-D mask, sorted by label id, then y1, then x1.

    Each label is looked at only within its own extent, so the cost is that of the labelled area and not of
    labels × picture. Label ids are kept in the mask's own integer type (ids above 255 stay what they are).

    Args:
        mask: `[height, width]`, integers; 0 is background.
    """
    ids = np.unique(mask[mask != 0])
    compact = np.where(mask == 0, 0, np.searchsorted(ids, mask) + 1)
    found: list[Region] = []
    for position, extent in enumerate(ndimage.find_objects(compact), start=1):
        if extent is None:
            continue
        top, left = extent[0].start, extent[1].start
        crop = (compact[extent] == position).astype(np.uint8)
        _, _, statistics, _ = opencv.connectedComponentsWithStats(crop, connectivity=8)
        # Row 0 of the statistics is the crop's background.
        for x, y, width, height, area in statistics.tolist()[1:]:
            box = (left + x, top + y, left + x + width, top + y + height)
            found.append((int(ids[position - 1]), box, area))
    return sorted(found, key=lambda region: (region[0], region[1][1], region[1][0], region[1]))


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
