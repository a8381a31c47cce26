"""Images and questions of benchmarks, which must not be trained on: the list that `gmai bench fingerprints` writes."""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from gmai_formats.files import sha256_file
from gmai_formats.fingerprints.copies import Thumbnail
from gmai_formats.fingerprints.known import KnownPictures
from gmai_formats.fingerprints.listed import read_list
from gmai_formats.fingerprints.near import NearHashes
from gmai_formats.fingerprints.perceptual import EDGE_PX, NEAR_BITS

HASH_ALONE = f"at most {NEAR_BITS} bits of its hash differ; the list holds no thumbnail to compare it with"


class Met(NamedTuple):
    """A picture that is an image of a benchmark."""

    protocol: str
    how: str
    """What it was known by."""
    by_hash_alone: bool = False
    """Whether the list holds no thumbnail of that image: another picture of the same kind may share its hash."""


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
        self._pictures = KnownPictures()
        self._near = NearHashes(NEAR_BITS)
        compared: set[str] = set()
        alone: dict[str, tuple[int, str]] = {}
        for one in read_list(path):
            self.questions.setdefault(one.question, one.protocol)
            for digest, value in one.images.items():
                self._digests.setdefault(digest, one.protocol)
                if value is None or digest in compared:
                    continue
                if digest in one.thumbnails:
                    self._pictures.add(value, _pixels(one.thumbnails[digest]), digest)
                    compared.add(digest)
                else:
                    alone.setdefault(digest, (value, one.protocol))
        hashes: set[int] = set()
        for digest, (value, protocol) in alone.items():
            if digest not in compared and value not in hashes:
                hashes.add(value)
                self._near.add(value, protocol)

    def image(self, digest: str, value: int | None, thumbnail: bytes) -> Met | None:
        """Return where this picture, or a copy of it, is among the images of the benchmarks, or None.

        Args:
            digest: SHA-256 of the picture as it is published.
            value: Its perceptual hash.
            thumbnail: Its thumbnail, a byte a pixel, row by row.
        """
        if digest in self._digests:
            return Met(self._digests[digest], "the same file")
        if value is None:
            return None
        if copied := self._pictures.copies(value, _pixels(thumbnail)):
            return Met(self._digests[copied[0]], f"a copy of {copied[0]}")
        near = self._near.near(value)
        return Met(near[0], HASH_ALONE, by_hash_alone=True) if near else None


def _pixels(thumbnail: bytes) -> Thumbnail:
    return np.frombuffer(thumbnail, np.uint8).reshape(EDGE_PX, EDGE_PX)


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
