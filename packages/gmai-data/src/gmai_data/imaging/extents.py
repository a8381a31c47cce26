"""Where each label of an array lies."""

from typing import Any

import numpy as np
import numpy.typing as npt

Extent = tuple[slice, ...]
"""One slice for each axis, half-open, around all elements of a label."""


def extents(labels: npt.NDArray[Any]) -> list[Extent | None]:
    """Return the extent of each label from 1 to the largest, None for one that does not occur.

    Rows are looked at as runs of equal values, so that the cost behind one comparison is that of the outlines.

    Args:
        labels: `[…, width]`, integers from 0, which is background.
    """
    found: list[Extent | None] = [None] * (int(labels.max()) if labels.size else 0)
    if not found:
        return found
    width = labels.shape[-1]
    rows = labels.reshape(-1, width)
    edges = np.ones((len(rows), width + 1), bool)  # every row begins and ends a run
    np.not_equal(rows[:, 1:], rows[:, :-1], out=edges[:, 1:-1])
    starts, stops = np.flatnonzero(edges[:, :-1]), np.flatnonzero(edges[:, 1:])
    values = rows.reshape(-1)[starts]
    order = np.flatnonzero(values)
    order = order[np.argsort(values[order], kind="stable")]
    values, starts, stops = values[order], starts[order], stops[order]
    first = np.flatnonzero(np.diff(values, prepend=0))
    axes = (*np.unravel_index(starts, labels.shape)[:-1], starts % width)
    ends = (*axes[:-1], stops % width)
    low = [np.minimum.reduceat(axis, first).tolist() for axis in axes]
    high = [np.maximum.reduceat(axis, first).tolist() for axis in ends]
    for position, value in enumerate(values[first].tolist()):
        found[value - 1] = tuple(slice(a[position], b[position] + 1) for a, b in zip(low, high, strict=True))
    return found
