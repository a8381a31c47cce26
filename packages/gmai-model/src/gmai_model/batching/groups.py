"""The groups that losses are kept apart for: the source of a sample and its kind."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

KINDS = (
    "", "image_caption", "region_caption", "free_instruction", "dialogue", "visual_perception", "text_only",
)  # fmt: skip
"""Kinds of samples, as docs/reference/formats.md lists them; the first stands for a sample whose id names none."""
_IN_ID = re.compile(r"#(" + "|".join(KINDS[1:]) + r")#\d+$")


def kind_of(sample_id: str) -> int:
    """Return the number of a sample's kind in `KINDS`; the ids that `gmai data build` gives end with it."""
    found = _IN_ID.search(sample_id)
    return KINDS.index(found[1]) if found else 0


@dataclass(frozen=True)
class LossGroup:
    """One source and kind."""

    source: str
    kind: str


def groups_of(sources: Sequence[str]) -> list[LossGroup]:
    """Return every group; that of source s and kind k has the number `s · len(KINDS) + k`."""
    return [LossGroup(source, kind) for source in sources for kind in KINDS]


def number_of(source: int, sample_id: str) -> int:
    """Return the number of a sample's group."""
    return source * len(KINDS) + kind_of(sample_id)


def by_source(groups: Sequence[LossGroup], losses: Sequence[tuple[float, int]]) -> dict[str, float]:
    """Return the loss per target of each source that has targets."""
    return _mean(groups, losses, lambda group: group.source)


def by_kind(groups: Sequence[LossGroup], losses: Sequence[tuple[float, int]]) -> dict[str, float]:
    """Return the loss per target of each kind that has targets."""
    return _mean(groups, losses, lambda group: group.kind or "other")


def _mean(
    groups: Sequence[LossGroup], losses: Sequence[tuple[float, int]], name: Callable[[LossGroup], str]
) -> dict[str, float]:
    sums: dict[str, np.ndarray] = {}
    for group, (loss, count) in zip(groups, losses, strict=True):
        if count:
            sums[name(group)] = sums.get(name(group), np.zeros(2)) + np.array([loss * count, count])
    return {key: round(float(total / count), 6) for key, (total, count) in sums.items()}
