"""The perceptual hash (pHash): 63 bits that a resize, another file format or mild compression hardly change.

Source: the usual pHash (grey, 32 × 32, two-dimensional DCT-II, the lowest 8 × 8 coefficients but the mean, each above
or below their median) with two changes, because the usual one is partly noise
(https://github.com/JohannesBuchner/imagehash/issues/89 and /181). The picture is shrunk by exact area means, so that a
mirrored picture gives the mirrored thumbnail and a small one is spread without a filter's ringing. A bit is set only
well above the median: in a symmetric picture half of the coefficients are zero but for rounding, and the median is one
of them.
"""

import functools
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

HASH = "gmai-phash-2"
"""Name of the hash. It changes with any change that changes a bit; hashes of two names are never compared."""
NEAR_BITS = 6
"""Hashes that differ in at most so many of their 63 bits may be of the same picture."""
EDGE_PX = 64
"""Height and width of a thumbnail."""
_HASHED_PX, _KEPT = 32, 8
_DEAD_ZONE = 0.05
"""Part of the coefficients' root mean square by which one must exceed the median."""
_LEAST = 1.0
"""Below this root mean square (grey levels) the coefficients are those of rounding, not of a picture."""


def thumbnail(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return a picture in grey, `EDGE_PX` × `EDGE_PX`, each value the mean of its area (0–255, not rounded).

    Args:
        pixels: Height × width, or height × width × 3 in RGB order.
    """
    grey = pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))
    rows, columns = _area_means(grey.shape[0], EDGE_PX), _area_means(grey.shape[1], EDGE_PX)
    return np.asarray(rows @ grey.astype(np.float32) @ columns.T, np.float32)


def perceptual_hash(small: npt.NDArray[np.float32]) -> int | None:
    """Return the hash of a thumbnail, or None for a picture without contrast that could be recognised."""
    matrix = _to_lowest()
    low = (matrix.T @ small.astype(np.float64) @ matrix).ravel()[1:]  # the first one is the mean shade
    spread = math.sqrt(np.mean(low**2))
    if spread < _LEAST:
        return None
    median = np.sort(low)[len(low) // 2]  # of an odd number of values
    bits = np.packbits(low > median + _DEAD_ZONE * spread)  # filled up to whole bytes
    return int.from_bytes(bits.tobytes()) >> (-len(low) % 8)


@functools.cache
def _to_lowest() -> npt.NDArray[np.float64]:
    """Return the matrix that takes rows or columns of a thumbnail to their lowest coefficients."""
    return _area_means(EDGE_PX, _HASHED_PX).T @ _dct().T


@functools.lru_cache(maxsize=64)
def _area_means(length: int, edge_px: int) -> npt.NDArray[np.float32]:
    """Return the matrix that makes `edge_px` means of `length` values, parts of a value by their part."""
    bounds = np.arange(edge_px + 1) * (length / edge_px)
    places = np.arange(length)
    covered = np.minimum(bounds[1:, None], places + 1) - np.maximum(bounds[:-1, None], places)
    return (np.clip(covered, 0, None) * (edge_px / length)).astype(np.float32)


@functools.cache
def _dct() -> npt.NDArray[np.float64]:
    """Return the lowest rows of the orthonormal DCT-II."""
    place = np.arange(_HASHED_PX)
    rows = np.cos(np.pi * (2 * place + 1) * np.arange(_KEPT)[:, None] / (2 * _HASHED_PX)) * np.sqrt(2 / _HASHED_PX)
    rows[0] /= np.sqrt(2)
    return rows
