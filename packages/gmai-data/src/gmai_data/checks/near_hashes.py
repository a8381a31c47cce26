"""64-bit hashes met one after another: was a nearly equal one there before?"""

from collections.abc import Iterator

NEAR_BITS = 3
"""Hashes that differ in at most so many bits are near."""
_BANDS = 4


class NearHashes:
    """The hashes met so far, each kept under four bands: near hashes differ in three bits, so one band agrees."""

    def __init__(self) -> None:
        """Begin with none."""
        self._bands: list[dict[int, list[tuple[int, str]]]] = [{} for _ in range(_BANDS)]

    def near(self, value: int) -> Iterator[str]:
        """Yield the names of the near hashes that were met, some more than once."""
        for members, part in zip(self._bands, self._parts(value), strict=True):
            for other, name in members.get(part, ()):
                if (other ^ value).bit_count() <= NEAR_BITS:
                    yield name

    def find(self, value: int) -> str | None:
        """Return the name of the first near hash that was met, or None."""
        for members, part in zip(self._bands, self._parts(value), strict=True):
            for other, name in members.get(part, ()):
                if (other ^ value).bit_count() <= NEAR_BITS:
                    return name
        return None

    def add(self, value: int, name: str) -> None:
        """Remember a hash under a name."""
        for members, part in zip(self._bands, self._parts(value), strict=True):
            members.setdefault(part, []).append((value, name))

    def _parts(self, value: int) -> tuple[int, int, int, int]:
        return value & 0xFFFF, value >> 16 & 0xFFFF, value >> 32 & 0xFFFF, value >> 48
