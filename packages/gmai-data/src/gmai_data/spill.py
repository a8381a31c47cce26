"""The annotations of one item, complete before the first is used; their images wait in a file once there are many.

A ten-minute video gives hundreds of images, and none of them may be written before the last one is sound.
"""

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from gmai_data.annotation import Annotation

SPILL_BYTES = 256 * 1024 * 1024
"""Encoded images of one item above this size wait in a temporary file."""


class Spill:
    """Annotations that can be gone through once they are all there."""

    def __init__(self, annotations: Iterable[Annotation]) -> None:
        self._whole: list[Annotation] = []
        """The first ones, as they are."""
        self._spilled: list[tuple[Annotation, int]] = []
        """Those behind them without their image, and its size in the file."""
        self._file: IO[bytes] | None = None
        kept_bytes = 0
        for annotation in annotations:
            size_bytes = len(annotation.image)
            if self._file is None and kept_bytes + size_bytes <= SPILL_BYTES:
                kept_bytes += size_bytes
                self._whole.append(annotation)
                continue
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="gmai-spill-")  # noqa: SIM115
            self._file.write(annotation.image)
            self._spilled.append((dataclasses.replace(annotation, image=b""), size_bytes))

    def __len__(self) -> int:
        return len(self._whole) + len(self._spilled)

    def __iter__(self) -> Iterator[Annotation]:
        yield from self._whole
        if self._file is not None:
            self._file.seek(0)
            for annotation, size_bytes in self._spilled:
                yield dataclasses.replace(annotation, image=self._file.read(size_bytes))
