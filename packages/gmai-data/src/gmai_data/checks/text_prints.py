"""Near-duplicate texts: a 64-bit simhash of each, and the pairs whose hashes hardly differ."""

import itertools
import re
import zlib
from collections.abc import Iterable

import numpy as np

from gmai_data.checks.facts import TAG

NEAR_BITS = 3
"""Texts whose hashes differ in at most so many of 64 bits are near-duplicates."""
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_BANDS = 4
_BAND_BITS = 16


def text_print(turns: Iterable[tuple[str, str]]) -> str:
    """Return the simhash of a conversation's pairs of words (Chinese: characters) in 16 hex digits, tags left out."""
    words = _WORD.findall(TAG.sub(" ", "\n".join(part for turn in turns for part in turn).lower()))
    shingles = {f"{one} {two}".encode() for one, two in itertools.pairwise(words)} or {b""}
    # The checksum of the bytes and of the reversed bytes make one 64-bit hash at the speed of C.
    hashes = np.array([zlib.crc32(each) << 32 | zlib.crc32(each[::-1]) for each in shingles], dtype=np.uint64)
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
    ones = 2 * bits.sum(axis=0, dtype=np.int64) > len(hashes)
    return np.packbits(ones).tobytes().hex()


class SeenTexts:
    """The texts met so far, each kept under four bands of its hash: near hashes agree in one band at least."""

    def __init__(self) -> None:
        """Begin with no text."""
        self._bands: list[dict[int, list[tuple[int, str]]]] = [{} for _ in range(_BANDS)]

    def meet(self, print_hex: str, name: str) -> str | None:
        """Return the name of a near-duplicate that came before; if there is none, remember this text.

        Args:
            print_hex: From `text_print`.
            name: Of this text.
        """
        value = int(print_hex, 16)
        parts = [(value >> band * _BAND_BITS) & 0xFFFF for band in range(_BANDS)]
        for members, part in zip(self._bands, parts, strict=True):
            for other, known in members.get(part, ()):
                if (other ^ value).bit_count() <= NEAR_BITS:
                    return known
        for members, part in zip(self._bands, parts, strict=True):
            members.setdefault(part, []).append((value, name))
        return None
