"""Pictures met before, of which copies are found: the hash finds candidates, and the thumbnails decide."""

import tempfile

import numpy as np
import numpy.typing as npt

from gmai_formats.fingerprints.copies import CANDIDATE_BITS, Thumbnail, find_copies
from gmai_formats.fingerprints.near import NearHashes
from gmai_formats.fingerprints.perceptual import EDGE_PX


class KnownPictures:
    """Pictures with names.

    Their thumbnails, 4 kB each, lie in a file without a name, so that a whole benchmark takes little memory.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._near = NearHashes(CANDIDATE_BITS)
        self._places: dict[str, int] = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this

    def add(self, value: int, small: npt.NDArray[np.float32] | Thumbnail, name: str) -> None:
        """Remember a picture.

        Args:
            value: Its perceptual hash.
            small: Its thumbnail.
            name: A name of its own.
        """
        self._near.add(value, name)
        self._places[name] = self._file.seek(0, 2)
        self._file.write(_rounded(small).tobytes())

    def thumbnail(self, name: str) -> bytes:
        """Return the thumbnail of a picture as it is compared, a byte a pixel, row by row."""
        return self._thumbnail(name).tobytes()

    def copies(self, value: int, small: npt.NDArray[np.float32] | Thumbnail) -> list[str]:
        """Return the names of the pictures that a picture is a copy of, the most similar first."""
        names = self._near.near(value)
        return [names[place] for place in find_copies(_rounded(small), [self._thumbnail(name) for name in names])]

    def _thumbnail(self, name: str) -> Thumbnail:
        self._file.seek(self._places[name])
        return np.frombuffer(self._file.read(EDGE_PX * EDGE_PX), np.uint8).reshape(EDGE_PX, EDGE_PX)


def _rounded(small: npt.NDArray[np.float32] | Thumbnail) -> Thumbnail:
    return small.round().astype(np.uint8)
