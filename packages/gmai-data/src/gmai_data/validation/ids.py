"""Repeated ids among millions of rows: 128 bits of a digest and a place for each, sorted once at the end."""

import hashlib
from array import array
from collections.abc import Iterator

import numpy as np

Place = tuple[str, int]
"""(file, row)."""


class Ids:
    """Remembers ids in 28 bytes each, whatever their length."""

    def __init__(self) -> None:
        self._digests, self._files, self._rows = array("Q"), array("I"), array("Q")
        self._names: list[str] = []

    def add(self, name: str, file: str, row: int) -> None:
        """Remember that a row has an id."""
        if not self._names or self._names[-1] != file:
            self._names.append(file)
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._digests.frombytes(digest)
        self._files.append(len(self._names) - 1)
        self._rows.append(row)

    def repeated(self) -> Iterator[tuple[Place, Place]]:
        """Yield (place, first place with the same id) in the order of the rows."""
        if not self._rows:
            return
        digests = np.frombuffer(self._digests, np.uint64).reshape(-1, 2)
        order = np.lexsort((digests[:, 1], digests[:, 0]))  # stable: equal ids stay in the order of the rows
        ordered = digests[order]
        same = np.r_[False, (ordered[1:] == ordered[:-1]).all(axis=1)]
        if not same.any():
            return
        starts = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
        pairs = sorted((int(order[at]), int(order[starts[at]])) for at in np.flatnonzero(same))
        for row, first in pairs:
            yield self._place(row), self._place(first)

    def _place(self, number: int) -> Place:
        return self._names[self._files[number]], self._rows[number]
