"""Soft packing: whole samples into rows of at most `pack_tokens`, by length alone."""

from bisect import bisect_left, insort
from typing import Literal

import numpy as np

Method = Literal["best_fit", "next_fit", "none"]
OPEN_PACKS = 64
"""Packs kept open by best fit; more fills little better (measured: 0.987 at 64 for stage III lengths at 2,048)."""


def pack(lengths: np.ndarray, pack_tokens: int, method: Method) -> list[list[int]]:
    """Group samples into packs.

    Args:
        lengths: Tokens of each sample in the order of arrival, each at most `pack_tokens`.
        pack_tokens: Room of a pack in tokens.
        method: `best_fit` puts a sample into the fullest of 64 open packs that still takes it; `next_fit` fills one
            pack at a time (the paper's soft packing); `none` gives every sample a pack of its own.

    Returns:
        For each pack the positions of its samples; every position occurs exactly once.

    Raises:
        ValueError: A sample is longer than a pack.
    """
    if len(lengths) and int(lengths.max()) > pack_tokens:
        raise ValueError(f"a sample of {int(lengths.max())} tokens does not fit a pack of {pack_tokens}")
    if method == "none":
        return [[position] for position in range(len(lengths))]
    if method == "next_fit":
        return _next_fit(lengths.tolist(), pack_tokens)
    return _best_fit(lengths.tolist(), pack_tokens)


def _next_fit(lengths: list[int], pack_tokens: int) -> list[list[int]]:
    packs: list[list[int]] = []
    room = -1
    for position, length in enumerate(lengths):
        if length > room:
            packs.append([])
            room = pack_tokens
        packs[-1].append(position)
        room -= length
    return packs


def _best_fit(lengths: list[int], pack_tokens: int) -> list[list[int]]:
    packs: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # (room left, pack) of the open packs, ascending
    for position, length in enumerate(lengths):
        found = bisect_left(rooms, (length, -1))
        if found < len(rooms):
            room, number = rooms.pop(found)
        else:
            if len(rooms) == OPEN_PACKS:
                rooms.pop(0)
            room, number = pack_tokens, len(packs)
            packs.append([])
        packs[number].append(position)
        if room > length:
            insort(rooms, (room - length, number))
    return packs
