"""A perceptual hash: 63 bits that a resize, another file format or mild compression hardly change.

Source: the usual pHash: grey 32 × 32, two-dimensional DCT-II, the lowest 8 × 8 coefficients but the mean, each above
or below their median.
"""

import functools
import io
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

NEAR_BITS = 6
"""Hashes that differ in at most so many of their 63 bits are taken for the same picture."""
_SHIFTS = tuple(range(0, 63, 9))
_BAND = 0x1FF
"""Seven bands of nine bits."""
_EDGE_PX = 32
_KEPT = 8
_FLAT = 1e-3
"""Below this contrast (grey levels) an image has no picture to recognise."""


@functools.cache
def _dct_matrix() -> npt.NDArray[np.float64]:
    """Return the orthonormal DCT-II of `_EDGE_PX` points, its lowest `_KEPT` rows."""
    place = np.arange(_EDGE_PX)
    rows = np.cos(np.pi * (2 * place + 1) * np.arange(_KEPT)[:, None] / (2 * _EDGE_PX)) * np.sqrt(2 / _EDGE_PX)
    rows[0] /= np.sqrt(2)
    return rows


def perceptual_hash(encoded: bytes) -> int | None:
    """Return the hash of an encoded image, `None` for one that cannot be decoded or is of one shade."""
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            grey = image.convert("L").resize((_EDGE_PX, _EDGE_PX), Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    pixels = np.asarray(grey, dtype=np.float64)
    if pixels.std() < _FLAT:
        return None
    matrix = _dct_matrix()
    low = (matrix @ pixels @ matrix.T).ravel()[1:]  # the first one is the mean shade
    bits = low > np.median(low)
    return int("".join("1" if bit else "0" for bit in bits), 2)


class NearHashes:
    """Hashes with names, to be found by hashes that differ in at most `NEAR_BITS` bits.

    Two hashes that differ in six bits agree in one of seven bands at least, so only those that do are compared.
    """

    def __init__(self, hashes: Mapping[str, int]) -> None:
        """Take name ▶ hash."""
        self._names = list(hashes)
        self._values = np.array([hashes[name] for name in self._names], dtype=np.uint64)
        self._bands: list[dict[int, npt.NDArray[np.intp]]] = [self._band(shift) for shift in _SHIFTS]

    def _band(self, shift: int) -> dict[int, npt.NDArray[np.intp]]:
        members: dict[int, list[int]] = defaultdict(list)
        for place, name_value in enumerate(self._values.tolist()):
            members[(name_value >> shift) & _BAND].append(place)
        return {part: np.array(places, dtype=np.intp) for part, places in members.items()}

    def find(self, value: int) -> set[str]:
        """Return the names of all hashes near `value`."""
        found: set[str] = set()
        for band, shift in zip(self._bands, _SHIFTS, strict=True):
            places = band.get((value >> shift) & _BAND)
            if places is not None:
                near = np.bitwise_count(self._values[places] ^ np.uint64(value)) <= NEAR_BITS
                found.update(self._names[place] for place in places[near].tolist())
        return found
