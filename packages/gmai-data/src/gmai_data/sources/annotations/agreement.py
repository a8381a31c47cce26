"""Boxes of several readers ▶ the pixels that enough of them marked, as nodules of several readers are read by voxel."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gmai_data.sources.annotations.fits import Size

PixelBox = tuple[int, int, int, int]


def agreed_pixels(boxes: Mapping[str, Sequence[PixelBox]], size_px: Size, readers: int) -> npt.NDArray[np.uint8]:
    """Return a mask (height, width) of the pixels that lie in boxes of so many readers.

    Args:
        boxes: Reader ▶ boxes as x1, y1, x2, y2 in pixels, the end excluded. Boxes of one reader count once.
        size_px: Width and height of the picture.
        readers: How many must have marked a pixel.
    """
    width, height = size_px
    count = np.zeros((height, width), np.uint8)
    for of_reader in boxes.values():
        own = np.zeros((height, width), np.bool_)
        for x1, y1, x2, y2 in of_reader:
            own[y1:y2, x1:x2] = True
        count += own
    return (count >= readers).astype(np.uint8)


def seen_by(readings: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return label ▶ the readers who saw it, of pairs of a reader and a label."""
    found: dict[str, set[str]] = {}
    for reader, label in readings:
        found.setdefault(label, set()).add(reader)
    return found
