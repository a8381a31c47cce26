"""Where each label of an array lies, and which parts of a volume are connected."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.untyped import opencv

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


def connected_parts(marked: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int32], int]:
    """Number the parts of a volume that are connected by faces, edges or corners (26 neighbours).

    Args:
        marked: `[z, y, x]`.

    Returns:
        The number of each voxel's part, from 1 in the order of the parts' first voxels, 0 outside; how many there are.
    """
    numbered = np.zeros(marked.shape, np.int32)
    parent = [0]  # of each part of a slice: one of the same volume part with a smaller number
    for z, layer in enumerate(marked):
        count, parts = opencv.connectedComponents(layer.view(np.uint8), connectivity=8, ltype=opencv.CV_32S)
        numbered[z] = np.where(parts > 0, parts + (len(parent) - 1), 0)
        parent.extend(range(len(parent), len(parent) + count - 1))
        if z:
            for one, other in _touching(numbered[z - 1], numbered[z]):
                first, second = sorted((_root(parent, one), _root(parent, other)))
                parent[second] = first
    merged = np.array([_root(parent, part) for part in range(len(parent))], np.int32)[numbered]
    flat = merged.reshape(-1)
    begins = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
    kept, where = np.unique(flat[begins], return_index=True)
    in_order = kept[np.argsort(where)]
    in_order = in_order[in_order != 0]
    names = np.zeros(len(parent), np.int32)
    names[in_order] = np.arange(1, len(in_order) + 1)
    return names[merged], len(in_order)


def _touching(below: npt.NDArray[np.int32], above: npt.NDArray[np.int32]) -> set[tuple[int, int]]:
    """Return the pairs of parts of two neighbouring slices with voxels that are neighbours."""
    pairs: set[tuple[int, int]] = set()
    height, width = below.shape
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            one = below[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
            other = above[max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
            both = np.flatnonzero((one > 0) & (other > 0))
            if both.size:
                found = np.stack([one.reshape(-1)[both], other.reshape(-1)[both]])
                first = np.flatnonzero(np.any(found[:, 1:] != found[:, :-1], axis=0)) + 1  # of each run of one pair
                pairs.update((a, b) for a, b in found[:, [0, *first.tolist()]].T.tolist())
    return pairs


def _root(parent: list[int], part: int) -> int:
    while parent[part] != part:
        parent[part] = parent[parent[part]]
        part = parent[part]
    return part
