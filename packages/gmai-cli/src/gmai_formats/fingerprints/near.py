"""64-bit hashes met one after another: which nearly equal ones were there before?"""

import itertools
from array import array

import numpy as np


class NearHashes:
    """Hashes with names, found again by hashes that differ in a few bits.

    Hashes that differ in n bits agree in one of n + 1 bands at least, so only those that share a band are compared.
    """

    def __init__(self, bits: int) -> None:
        """Begin with none.

        Args:
            bits: Hashes that differ in at most so many bits are near.
        """
        edges = [64 * band // (bits + 1) for band in range(bits + 2)]
        self._bits = bits
        self._names: list[str] = []
        self._cuts = [(low, (1 << (high - low)) - 1) for low, high in itertools.pairwise(edges)]
        self._bands: list[dict[int, tuple[array[int], array[int]]]] = [{} for _ in self._cuts]

    def add(self, value: int, name: str) -> None:
        """Remember a hash under a name."""
        for band, (low, mask) in zip(self._bands, self._cuts, strict=True):
            values, places = band.setdefault(value >> low & mask, (array("Q"), array("Q")))
            values.append(value)
            places.append(len(self._names))
        self._names.append(name)

    def near(self, value: int) -> list[str]:
        """Return the names of the near hashes, the nearest first, equally near ones as they were added."""
        found: dict[int, int] = {}
        for band, (low, mask) in zip(self._bands, self._cuts, strict=True):
            members = band.get(value >> low & mask)
            if members is None:
                continue
            distances = np.bitwise_count(np.frombuffer(members[0], np.uint64) ^ np.uint64(value))
            for place in np.flatnonzero(distances <= self._bits).tolist():
                found[members[1][place]] = int(distances[place])
        return [self._names[place] for place in sorted(found, key=lambda place: (found[place], place))]
