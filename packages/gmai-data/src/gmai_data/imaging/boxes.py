"""Masks ▶ boxes: one box per 8-connected region of a label, in half-open absolute pixels."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.untyped import cc3d

Region = tuple[int, tuple[int, int, int, int], int]
"""(label id, `[x1, y1, x2, y2)` in pixels, area in pixels)."""


def regions(mask: npt.NDArray[Any], *, whole_labels: bool = False) -> list[Region]:
    """Return every 8-connected region of every label of a 2-D mask, sorted by label id, then y1, then x1.

    All labels are numbered in one pass over the marked part of the mask. Label ids are kept in the mask's own integer
    type (ids above 255 stay what they are).

    Args:
        mask: `[height, width]`, integers; 0 is background.
        whole_labels: One region per label, around all of it.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return []
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    marked = np.array(mask[top:bottom, left:right], order="C")  # a copy: cc3d takes no array that may not be written
    parts = _positions(marked) if whole_labels else cc3d.connected_components(marked, connectivity=8)
    measured = cc3d.statistics(parts, no_slice_conversion=True)
    boxes = measured["bounding_boxes"].astype(np.int64).tolist()  # first and last row, first and last column
    areas = measured["voxel_counts"].tolist()
    found: list[Region] = []
    for number in range(1, len(areas)):  # 0 is the background
        y1, y2, x1, x2 = boxes[number][:4]
        first = x1 + int(np.argmax(parts[y1, x1 : x2 + 1] == number))
        box = (left + x1, top + y1, left + x2 + 1, top + y2 + 1)
        found.append((int(marked[y1, first]), box, areas[number]))
    return sorted(found, key=lambda region: (region[0], region[1][1], region[1][0], region[1]))


def _positions(mask: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Return the mask with the position of each label id among those that occur, from 1, in place of the id."""
    ids = np.unique(mask)
    positions = np.searchsorted(ids[ids != 0], mask, side="right")
    return np.where(mask == 0, 0, positions).astype(np.uint32)
