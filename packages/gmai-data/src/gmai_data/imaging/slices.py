"""Which slices of a labelled volume are worth a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.grids import PLANES, Axis, Volume, slice_count, slice_spacing_mm, take_slice
from gmai_data.imaging.large import release
from gmai_data.imaging.rules import SliceRule


def planes_of(volume: Volume, rule: SliceRule) -> tuple[Axis, ...]:
    """Return the planes of a volume that are exported, each once, in the order of the rule."""
    acquired: Axis = next(axis for axis in PLANES if slice_spacing_mm(volume, axis) >= 0.98 * max(volume.spacing_mm))
    planes: list[Axis] = [acquired if axis == "acquired" else axis for axis in rule.axes]
    return tuple(dict.fromkeys(planes))


def choose_slices(masks: Sequence[Volume], rule: SliceRule, axis: Axis) -> list[int]:
    """Return the indices of the slices to export, ascending.

    Args:
        masks: Labels in the display convention, 0 is background; several where structures overlap.
        rule: See `SliceRule`; every rule chooses among slices that hold a labelled pixel, and adds its negatives.
        axis: The plane.
    """
    count = slice_count(masks[0], axis)
    areas = [sum(_area(mask, axis, index) for mask in masks) for index in range(count)]
    positive = [index for index, area in enumerate(areas) if area > 0]
    step_mm = slice_spacing_mm(masks[0], axis)
    chosen = _spaced(_by_rule(masks, rule, axis, positive, areas, step_mm), areas, rule.min_gap_mm, step_mm)
    empty = [index for index in range(count) if areas[index] == 0]
    return sorted({*chosen, *spread(empty, round(rule.negatives * len(chosen)))})


def choose_unlabelled(volume: Volume, rule: SliceRule, axis: Axis) -> list[int]:
    """Return the slices of a volume without a mask: all of them count as labelled, and equally."""
    everything, step_mm = list(range(slice_count(volume, axis))), slice_spacing_mm(volume, axis)
    if rule.rule == "top_k":
        return spread(everything, rule.k)
    return _spaced(_by_rule((), rule, axis, everything, [1] * len(everything), step_mm), [], rule.min_gap_mm, step_mm)


def spread(indices: Sequence[int], count: int) -> list[int]:
    """Return at most `count` of the indices, evenly spread."""
    count = min(count, len(indices))
    return [indices[(2 * number + 1) * len(indices) // (2 * count)] for number in range(count)]


def _area(mask: Volume, axis: Axis, index: int) -> int:
    area = int(np.count_nonzero(take_slice(mask, axis, index)))
    release(mask.array)
    return area


def _by_rule(
    masks: Sequence[Volume], rule: SliceRule, axis: Axis, positive: list[int], areas: list[int], step_mm: float
) -> list[int]:
    if not positive:
        return []
    if rule.rule == "every_n":
        step = max(round(rule.every_mm / step_mm), 1) if rule.every_mm is not None else rule.n
        return positive[::step]
    if rule.rule == "centre" or (rule.rule == "max_area" and not masks):
        return [positive[len(positive) // 2]]
    if rule.rule == "top_k":
        return sorted(sorted(positive, key=lambda index: (-areas[index], index))[: rule.k])
    if rule.rule == "max_area":
        return sorted(set[int]().union(*(_largest_per_label(mask, axis, positive) for mask in masks)))
    return positive


def _spaced(chosen: list[int], areas: list[int], gap_mm: float, step_mm: float) -> list[int]:
    if gap_mm <= 0:
        return chosen
    kept: list[int] = []
    for index in sorted(chosen, key=lambda index: (-areas[index] if areas else 0, index)):
        if all(abs(index - other) * step_mm >= gap_mm for other in kept):
            kept.append(index)
    return sorted(kept)


def _largest_per_label(mask: Volume, axis: Axis, positive: list[int]) -> set[int]:
    best: dict[int, tuple[int, int]] = {}
    for index in positive:
        picture: npt.NDArray[Any] = take_slice(mask, axis, index)
        ids, counts = np.unique(picture, return_counts=True)
        release(mask.array)
        for label, count in zip(ids.tolist(), counts.tolist(), strict=True):
            if label != 0 and count > best.get(label, (0, 0))[0]:
                best[label] = (count, index)
    return {index for _, index in best.values()}
