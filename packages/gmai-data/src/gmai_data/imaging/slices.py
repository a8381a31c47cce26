"""Which slices of a labelled volume are worth a picture."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.grids import Volume, slice_count, take_slice
from gmai_data.sources.recipe import SliceRule


def choose_slices(mask: Volume, rule: SliceRule) -> list[int]:
    """Return the indices of the slices to export, ascending.

    Args:
        mask: Labels in the display convention, 0 is background.
        rule: See `SliceRule`; every rule chooses among slices that hold a labelled pixel.
    """
    areas = [np.count_nonzero(take_slice(mask, rule.axis, index)) for index in range(slice_count(mask, rule.axis))]
    positive = [index for index, area in enumerate(areas) if area > 0]
    if not positive:
        return []
    if rule.rule == "every_n":
        return positive[:: rule.n]
    if rule.rule == "centre":
        return [positive[len(positive) // 2]]
    if rule.rule == "top_k":
        return sorted(sorted(positive, key=lambda index: (-areas[index], index))[: rule.k])
    if rule.rule == "max_area":
        return sorted(_largest_per_label(mask, rule, positive))
    return positive


def _largest_per_label(mask: Volume, rule: SliceRule, positive: list[int]) -> set[int]:
    best: dict[int, tuple[int, int]] = {}
    for index in positive:
        picture: npt.NDArray[Any] = take_slice(mask, rule.axis, index)
        ids, counts = np.unique(picture, return_counts=True)
        for label, count in zip(ids.tolist(), counts.tolist(), strict=True):
            if label != 0 and count > best.get(label, (0, 0))[0]:
                best[label] = (count, index)
    return {index for _, index in best.values()}
