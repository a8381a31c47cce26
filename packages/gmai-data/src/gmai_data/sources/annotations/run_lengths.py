"""Masks as run lengths: COCO's lists of numbers and its compressed text."""

import itertools

import numpy as np
import numpy.typing as npt


def decode_rle(counts: list[int], shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the mask of COCO's run lengths: columns first, beginning with background.

    Raises:
        ValueError: The runs do not add up to the image.
    """
    lengths = np.asarray(counts, dtype=np.int64)
    if (shortest := int(lengths.min(initial=0))) < 0:
        raise ValueError(f"a run of {shortest} pixels")
    if int(lengths.sum()) != shape[0] * shape[1]:
        raise ValueError(f"the runs add up to {int(lengths.sum())} pixels of {shape[0] * shape[1]}")
    flat = np.repeat(np.arange(len(lengths)) % 2, lengths)
    return flat.reshape(shape, order="F").astype(np.uint8)


_MOST_BITS = 60
"""Of a number in compressed run lengths; no picture has as many pixels."""


def unpack_counts(text: str, most: int) -> list[int]:
    """Return the run lengths of COCO's compressed text.

    Args:
        text: As COCO's tools write it.
        most: Pixels of the mask, of which each run but the first holds one at least.

    Each number is written in groups of 5 bits, lowest first, as characters from `0` (48) on; bit 6 says that more
    follow, and from the third on a number is the difference to the one before the last.

    Raises:
        ValueError: The text ends within a number, or holds more runs or longer ones than any mask of that size.
    """
    counts: list[int] = []
    position = 0
    while position < len(text):
        if len(counts) > most + 1:
            raise ValueError(f"compressed run lengths hold more runs than the {most} pixels of their mask")
        value, shift, more = 0, 0, True
        while more:
            if position >= len(text):
                raise ValueError("compressed run lengths end within a number")
            if shift > _MOST_BITS:
                raise ValueError("compressed run lengths hold a number of more bits than any picture has pixels")
            group = ord(text[position]) - 48
            value |= (group & 0x1F) << shift
            more = bool(group & 0x20)
            position, shift = position + 1, shift + 5
            if not more and group & 0x10:
                value |= -1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts


def runs_of(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Return lengths of background and mark by turns, along the rows, beginning with background."""
    flat = mask.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]])))
    ends = [0, *edges.tolist()] if flat.size and flat[-1] else [0, *edges.tolist(), int(flat.size)]
    return [end - start for start, end in itertools.pairwise(ends)]
