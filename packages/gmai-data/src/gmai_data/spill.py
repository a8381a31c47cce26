"""The annotations of one item, complete before the first is used; their images wait in a file once there are many.

A ten-minute video gives hundreds of images, and none of them may be written before the last one is sound.
"""

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator

from gmai_data.annotation import Annotation

SPILL_BYTES = 256 * 1024 * 1024
"""Encoded images of one item above this size wait in a temporary file."""


class Spill:
    """Annotations that can be gone through once they are all there."""

    def __init__(self, annotations: Iterable[Annotation]) -> None:
        self._entries: list[tuple[Annotation, int]] = []
        self._file = tempfile.SpooledTemporaryFile(max_size=SPILL_BYTES, prefix="gmai-spill-")  # noqa: SIM115
        for annotation in annotations:
            self._file.write(annotation.image)
            self._entries.append((dataclasses.replace(annotation, image=b""), len(annotation.image)))

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Annotation]:
        self._file.seek(0)
        for annotation, size_bytes in self._entries:
            yield dataclasses.replace(annotation, image=self._file.read(size_bytes))
