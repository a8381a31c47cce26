"""Which pixels a mask of one structure marks: the higher of its two values, and nothing that is not understood."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from gmai_data.ledger import SourceError

Values = npt.NDArray[Any]
_EDGE_VALUES, _EDGE_SPAN, _EDGE_PX, _NOISE = 17, 128, 16, 2
"""A mask that was resized smoothly, or saved as JPEG, has many values (at least so many) between two far ones; they lie
near an edge, and those that are neither dark nor bright form no plateau. Numbers of structures do, or are fewer; a JPEG
holds no numbers, so that its values may be few, too."""
_SHOWN = 6
_FLOAT_STEPS = 1000
"""Floats are compared in such parts of their range: what a resampling leaves of 1 is often 0.99999994."""


def marked_pixels(mask: Values, file: str, *, inverted: bool = False) -> npt.NDArray[np.uint8]:
    """Return 1 where a mask marks its structure, else 0.

    Args:
        mask: `[height, width]` or `[height, width, channels]`, as stored; alpha never marks.
        file: Named in the reason.
        inverted: The structure is dark.

    Raises:
        SourceError: The mask has more than two values that no smooth edge explains, or differs in its alpha only.
    """
    values = _brightness(mask, file)
    steps = _steps(values, file)
    found = np.unique(steps)
    low, high = int(found[0]), int(found[-1])
    if len(found) == 1:
        marked = np.full(values.shape, bool(values.flat[0] > 0))
    elif len(found) == 2:
        marked = steps == high
    else:
        marked = steps >= (low + high) / 2
        few = len(found) < _EDGE_VALUES and not file.lower().endswith((".jpg", ".jpeg", ".jfif"))
        if few or high - low < _EDGE_SPAN or not _only_edges(steps, marked):
            raise _several_values(values, file)
    return (~marked if inverted else marked).astype(np.uint8)


def marked_voxels(values: Values, file: str) -> npt.NDArray[np.bool_]:
    """Return where the volume of one structure marks it: the higher of two values.

    Raises:
        SourceError: It has more than two values.
    """
    low, high = (float(limit) for limit in (values.min(), values.max())) if values.size else (0.0, 0.0)
    if low == high:
        return np.full(values.shape, high > 0)
    near = (high - low) / _FLOAT_STEPS if values.dtype.kind == "f" else 0
    marked = values >= high - near
    if not np.all(marked | (values <= low + near)):
        raise _several_values(values, file)
    return marked


def _brightness(mask: Values, file: str) -> Values:
    if mask.ndim == 2:
        return mask
    colours, alpha = (mask[..., :-1], mask[..., -1]) if mask.shape[2] in (2, 4) else (mask, None)
    first = colours[..., 0]
    if np.all(colours == colours[..., :1]):
        values = first
    else:
        values = colours.astype(np.int64).sum(axis=2)
        if values.min() == values.max():
            raise SourceError("mask of several colours", "they are equally bright; read it as `encoding: colour`", file)
    if alpha is not None and values.min() == values.max() and alpha.min() != alpha.max():
        detail = "its colours are all the same, and alpha never marks; save the mask in black and white"
        raise SourceError("mask in its alpha channel only", detail, file)
    return values


def _steps(values: Values, file: str) -> npt.NDArray[np.int64]:
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    if not np.isfinite(values).all():
        raise SourceError("mask is not a label mask", "it has values that are no numbers", file)
    span = float(values.max() - values.min())
    return np.rint((values - values.min()) * (_FLOAT_STEPS / span if span else 1)).astype(np.int64)


def _only_edges(steps: npt.NDArray[np.int64], marked: npt.NDArray[np.bool_]) -> bool:
    """Return whether every value between the two extremes belongs to a smooth edge of what is marked."""
    low, high = int(steps.min()), int(steps.max())
    values, eighth = steps.astype(np.float32), (high - low) / 8
    flat = ~_varies(values, 3)
    if np.any(flat & (steps > low + eighth) & (steps < high - eighth)):
        return False
    near = _varies(marked.astype(np.uint8), 2 * _EDGE_PX + 1)
    return not np.any((steps > low + _NOISE) & (steps < high - _NOISE) & ~near)


def _varies(values: npt.NDArray[Any], side: int) -> npt.NDArray[np.bool_]:
    """Return where a square of `side` pixels around a pixel holds more than one value."""
    picture = Image.fromarray(values)
    highest, lowest = (picture.filter(each(side)) for each in (ImageFilter.MaxFilter, ImageFilter.MinFilter))
    return np.asarray(highest) != np.asarray(lowest)


def _several_values(values: Values, file: str) -> SourceError:
    found = np.unique(values)
    shown = ", ".join(f"{value:g}" for value in found[:_SHOWN].tolist()) + (" …" if len(found) > _SHOWN else "")
    detail = f"{len(found)} values ({shown}); one structure has two. Read it as `encoding: index`, or save it with two"
    return SourceError("mask has several values", detail, file)
