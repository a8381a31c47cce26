"""Images and questions of benchmarks, which must not be trained on: the list that `gmai bench fingerprints` writes."""

import functools
from pathlib import Path

from gmai_formats.files import sha256_file
from gmai_formats.fingerprints.listed import read_list
from gmai_formats.fingerprints.near import NearHashes
from gmai_formats.fingerprints.perceptual import NEAR_BITS


class Benchmarks:
    """The fingerprints of one or more benchmarks.

    Attributes:
        questions: Normalised question ▶ protocol.
    """

    def __init__(self, path: Path) -> None:
        """Read a list.

        Raises:
            UserError: See `gmai_formats.fingerprints.listed.read_list`.
        """
        self.questions: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        self._near = NearHashes(NEAR_BITS)
        hashes: set[int] = set()
        for one in read_list(path):
            self.questions.setdefault(one.question, one.protocol)
            for digest, value in one.images.items():
                self._digests.setdefault(digest, one.protocol)
                if value is not None and value not in hashes:
                    hashes.add(value)
                    self._near.add(value, one.protocol)

    def image(self, digest: str, value: int | None) -> str | None:
        """Return the protocol that has this picture, or a nearly equal one, among its images, or None.

        Args:
            digest: SHA-256 of the picture as it is published.
            value: Its perceptual hash.
        """
        if digest in self._digests:
            return self._digests[digest]
        near = [] if value is None else self._near.near(value)
        return near[0] if near else None


def leakage_digest(path: Path | None) -> str | None:
    """Return the SHA-256 of a list, after reading it, or None without one.

    Raises:
        UserError: See `Benchmarks`.
    """
    if path is None:
        return None
    load_benchmarks(path)
    return sha256_file(path)


@functools.lru_cache(maxsize=4)
def load_benchmarks(path: Path) -> Benchmarks:
    """Return a list of fingerprints, read once per process; see `Benchmarks`."""
    return Benchmarks(path)
