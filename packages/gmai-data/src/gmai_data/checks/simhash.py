"""A hash of a text (simhash) that a few other words hardly change, so that near-duplicates can be found."""

import itertools
import re
import zlib
from collections.abc import Iterable

import numpy as np

from gmai_data.checks.facts import TAG

NEAR_BITS = 3
"""Texts whose hashes differ in at most so many of 64 bits say the same."""
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")


def simhash(turns: Iterable[tuple[str, str]]) -> str:
    """Return the simhash of a conversation's pairs of words (Chinese: characters) in 16 hex digits, tags left out."""
    words = _WORD.findall(TAG.sub(" ", "\n".join(part for turn in turns for part in turn).lower()))
    shingles = {f"{one} {two}".encode() for one, two in itertools.pairwise(words)} or {b""}
    # The checksum of the bytes and of the reversed bytes make one 64-bit hash at the speed of C.
    hashes = np.array([zlib.crc32(each) << 32 | zlib.crc32(each[::-1]) for each in shingles], dtype=np.uint64)
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
    ones = 2 * bits.sum(axis=0, dtype=np.int64) > len(hashes)
    return np.packbits(ones).tobytes().hex()
