"""Images and questions of benchmarks, which must not be trained on: the list that `gmai bench fingerprints` writes."""

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file

NEAR_BITS = 6
"""Hashes that differ in at most so many of their 63 bits are taken for the same picture, as gmai-bench does."""
_WORDS = re.compile(r"[^\W_]+")


def normalised(text: str) -> str:
    """Return the lower-case words of a question, image placeholders left out, as the list has them."""
    return " ".join(_WORDS.findall(text.replace("<image>", " ").lower()))


class Benchmarks:
    """The fingerprints of one or more benchmarks.

    Attributes:
        questions: Normalised question ▶ protocol.
    """

    def __init__(self, path: Path) -> None:
        """Read a list: JSON Lines of protocol, id, normalised question, and sha256 and phash of the images.

        Raises:
            UserError: The file is missing, or a line is not of this form.
        """
        self.questions: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        hashes: dict[int, str] = {}
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path}: not readable ({error}). Write the list with `gmai bench fingerprints`."
            ) from error
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
                protocol = str(entry["protocol"])
                self.questions.setdefault(str(entry["question"]), protocol)
                for image in entry["images"]:
                    self._digests.setdefault(image["sha256"], protocol)
                    if image["phash"] is not None:
                        hashes.setdefault(int(image["phash"], 16), protocol)
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path}:{number}: {type(error).__name__} {error}. A line has protocol, id, question and images "
                    "with sha256 and phash. Write the list with `gmai bench fingerprints`."
                ) from error
        self._hashes = np.array(list(hashes), dtype=np.uint64)
        self._protocols: Sequence[str] = list(hashes.values())

    def image(self, digest: str, print_hex: str) -> str | None:
        """Return the protocol that has this picture, or a nearly equal one, among its images, or None."""
        if digest in self._digests:
            return self._digests[digest]
        if not len(self._hashes):
            return None
        distances = np.bitwise_count(self._hashes ^ np.uint64(int(print_hex, 16)))
        nearest = int(distances.argmin())
        return self._protocols[nearest] if distances[nearest] <= NEAR_BITS else None


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
