"""Values of a label mask that smoothing or JPEG left on the edges of what was drawn: found, or given to the nearest."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from gmai_data.ledger import SourceError

Values = npt.NDArray[np.int64]
_TOLERANCE = 12
"""Grey levels (of each colour) that JPEG adds to, or takes from, a value far from any edge."""
_FEW = 4
"""So many values that lie on edges only may be thin structures; more of them than of others are none."""
_REACH_PX = 16
_MENDED_PX, _SIDE = 2, 3
"""So far an edge is moved to where values fit, since the side that reached it first may be the wrong one, and so many
neighbours are a side: with fewer, a third label would creep along the edge between two others."""
_NEAR_PX = 8
"""How far JPEG carries an edge: the side of its blocks."""
_BETWEEN = 0.9
"""Share of what lies on edges that is between the values on both sides, which no thin structure is."""


def _gaps(known: Sequence[Sequence[int]]) -> list[int]:
    pairs = itertools.combinations(known, 2)
    return [max(abs(a - b) for a, b in zip(one, other, strict=True)) for one, other in pairs]


def fringe_values(mask: npt.NDArray[np.integer]) -> Values:
    """Return the values of a mask that lie on edges only, between those on both sides; none where they are few.

    Args:
        mask: `[height, width]`, a number for each pixel: a label, or a colour.
    """
    found = np.unique(mask)
    plateaus = np.unique(mask[1:-1, 1:-1][_flat(mask)])
    fringes = np.setdiff1d(found, plateaus)
    are_fringes = len(fringes) > max(_FEW, len(plateaus)) and len(plateaus) > 1 and _are_between(mask, plateaus)
    return fringes.astype(np.int64) if are_fringes else np.empty(0, np.int64)


def _are_between(mask: npt.NDArray[np.integer], plateaus: npt.NDArray[np.integer]) -> bool:
    """Return whether other values than those of plateaus lie between those nearby, in each channel of a colour."""
    is_plateau = np.isin(mask, plateaus)
    between, near_edge = ~is_plateau, np.zeros(mask.shape, np.bool_)
    colours = int(mask.max()) > 0xFFFF
    for shift in (0, 8, 16) if colours else (0,):
        values = ((mask >> shift & 255) if colours else mask).astype(np.float32)
        side = 2 * _NEAR_PX + 1
        least = Image.fromarray(np.where(is_plateau, values, np.float32(0xFFFF))).filter(ImageFilter.MinFilter(side))
        most = Image.fromarray(np.where(is_plateau, values, np.float32(-1))).filter(ImageFilter.MaxFilter(side))
        low, high = np.asarray(least), np.asarray(most)
        beyond = np.maximum(_TOLERANCE, (high - low) / 8)  # both overshoot at an edge
        between &= (values >= low - beyond) & (values <= high + beyond)
        near_edge |= low < high
    return bool((between & near_edge).sum() >= _BETWEEN * np.count_nonzero(~is_plateau))


def drawn_values(mask: npt.NDArray[np.integer], *, lossy: bool) -> tuple[Values, int]:
    """Return (the values of a mask that were drawn, how many others lie on edges only).

    Args:
        mask: As for `fringe_values`.
        lossy: It was saved as JPEG: what was drawn is the middle of something, and of values within a few grey levels
            the most frequent.
    """
    found, counts = np.unique(mask, return_counts=True)
    others = np.setdiff1d(found, mask[1:-1, 1:-1][_flat(mask)]) if lossy else fringe_values(mask)
    if not lossy and not len(others):
        return found.astype(np.int64), 0
    order = np.argsort(-counts, kind="stable")
    kept: list[int] = []
    for value in found[order].tolist():
        near = lossy and any(_distance(value, other) <= _TOLERANCE for other in kept)
        if not near and value not in others:
            kept.append(value)
    return np.array(sorted(kept), np.int64), len(found) - len(kept)


def _distance(one: int, other: int) -> int:
    """Return the greatest difference of two colours' channels, or of two numbers below 256."""
    return max(abs((one >> shift & 255) - (other >> shift & 255)) for shift in (0, 8, 16))


def _flat(mask: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Return which of the inner pixels have the value of all of their eight neighbours."""
    height, width = mask.shape
    inner = mask[1:-1, 1:-1]
    flat = np.ones(inner.shape, np.bool_)
    for row in range(3):
        for column in range(3):
            flat &= mask[row : row + height - 2, column : column + width - 2] == inner
    return flat


def nearest_labels(mask: npt.NDArray[np.integer], known: Sequence[Sequence[int]], file: str) -> tuple[Values, set[int]]:
    """Return (the number of the known value of each pixel, numbers that may or may not be in the mask).

    What lies in the middle of its like keeps its value, within a few grey levels; every other pixel takes that of the
    nearest such pixel. A known value that only thin parts have may be drawn or an edge: it is left open.

    Args:
        mask: `[height, width, channels]`.
        known: The values that mean something, those of the background with them, channels each.
        file: Named in the reason.

    Raises:
        SourceError: A part of the mask is far from anything known.
    """
    tolerance = min(_TOLERANCE, min(_gaps(known), default=_TOLERANCE) // 3)
    distances = np.stack([np.abs(mask.astype(np.int64) - np.array(value)).max(axis=2) for value in known])
    number = np.argmin(distances, axis=0)
    close = np.min(distances, axis=0) <= tolerance
    padded = np.pad(np.where(close, number, -1), 1, mode="edge")
    labels = np.where(_flat(padded) & close, number, -1)
    doubted = set(np.unique(number[close]).tolist()) - set(np.unique(labels).tolist())
    on_edge = labels < 0
    best = np.full(labels.shape, np.iinfo(np.int64).max)
    for _ in range(_REACH_PX):
        if not (open_ := labels < 0).any():
            break
        labels, best = _from_beside(labels, best, distances, open_, least=1)
    for _ in range(_MENDED_PX):
        labels, best = _from_beside(labels, best, distances, on_edge & (labels >= 0), least=_SIDE)
    if (labels < 0).any():
        rows, columns = np.nonzero(labels < 0)
        value = mask[rows[0], columns[0]].tolist()
        detail = f"{len(rows)} pixels, such as {value} at x {columns[0]}, y {rows[0]}, are near no label of the card"
        raise SourceError("mask has unknown values", detail, file)
    return labels, doubted


def _from_beside(
    labels: Values, best: Values, distances: Values, may_change: npt.NDArray[np.bool_], *, least: int
) -> tuple[Values, Values]:
    """Return labels and how far from their values pixels are, once each took that of a neighbour that fits better.

    Of its eight neighbours at least `least` have the label that a pixel takes.
    """
    height, width = labels.shape
    padded = np.pad(labels, 1, constant_values=-1)
    around = [padded[row : row + height, column : column + width] for row in range(3) for column in range(3)]
    del around[4]
    for each in (around[3], around[4], around[1], around[6]):
        apart = np.take_along_axis(distances, np.maximum(each, 0)[None], axis=0)[0]
        wins = may_change & (each >= 0) & (apart < best)
        if least > 1:
            wins &= sum(other == each for other in around) >= least
        labels, best = np.where(wins, each, labels), np.where(wins, apart, best)
    return labels, best
