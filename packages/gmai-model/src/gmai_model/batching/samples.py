"""The samples of a mixture, by number: rows of the datasets' indexes, their images read on demand."""

import os
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from gmai_formats.errors import UserError
from gmai_formats.rows.images import FilePart, ImageBytes, NamedImage, find_image
from gmai_formats.rows.rules import Problem
from gmai_formats.state import read_state

from gmai_model.batching.images import ParquetImage, ParquetImages
from gmai_model.batching.index import ROWS_PER_BATCH, index_path, seal_path
from gmai_model.batching.sources import SourceFiles

_MARKED_BYTES = 4096
"""Bytes of an image file by which it is known again."""


@dataclass(frozen=True)
class Sample:
    """One conversation."""

    id: str
    messages: list[dict[str, Any]]
    images: list[ImageBytes]
    """In the order of the `<image>` placeholders."""
    problem: str | None = None
    """Why the row cannot be used, as `RULE: what was found`."""
    unlearned: tuple[int, ...] = ()
    """Messages, by their place, that are no target."""


class SampleTable:
    """The rows of one dataset, over its files.

    Args:
        source: The files.
        digests: Of each file; their indexes are in the cache.
        cache: The cache folder.

    Raises:
        UserError: An index is not there.
    """

    def __init__(self, source: SourceFiles, digests: list[str], cache: Path) -> None:
        self.source = source
        self.digests = digests
        self._cache = cache
        self._readers: list[Any] = []
        self._held = [ParquetImages(cache, *pair) for pair in zip(digests, source.files, strict=True)]
        counts: list[int] = []
        for digest in digests:
            path = index_path(cache, digest)
            if not path.is_file():
                raise UserError(
                    f"{path} is not there, though a process of this run wrote it. The cache must be a folder that all "
                    f"nodes share. Set GMAI_CACHE to one."
                )
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            self._readers.append(reader)
            batches: int = reader.num_record_batches
            counts.append((batches - 1) * ROWS_PER_BATCH + len(reader.get_batch(batches - 1)) if batches else 0)
        self.starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def place(self, row: int) -> tuple[int, int]:
        """Return (number of the file, row in it)."""
        file = int(np.searchsorted(self.starts, row, side="right")) - 1
        return file, row - int(self.starts[file])

    def __getitem__(self, row: int) -> Sample:
        file, local = self.place(row)
        batch = self._readers[file].get_batch(local // ROWS_PER_BATCH)
        return self._sample(file, batch.slice(local % ROWS_PER_BATCH, 1).to_pylist()[0])

    def read(self, rows: np.ndarray) -> list[Sample]:
        """Return ascending rows, read together."""
        samples: list[Sample] = []
        files = np.searchsorted(self.starts, rows, side="right") - 1
        batches = (rows - self.starts[files]) // ROWS_PER_BATCH
        cuts = np.flatnonzero(np.diff(files) | np.diff(batches)) + 1
        for part in np.split(np.arange(len(rows)), cuts) if len(rows) else ():
            file, number = int(files[part[0]]), int(batches[part[0]])
            local = rows[part] - self.starts[file] - number * ROWS_PER_BATCH
            taken = self._readers[file].get_batch(number).take(pa.array(local))
            samples += [self._sample(file, values) for values in taken.to_pylist()]
        return samples

    def _sample(self, file: int, values: dict[str, Any]) -> Sample:
        return Sample(
            values["id"], values["messages"] or [], self._images(file, values), values["problem"],
            tuple(values["unlearned"] or ()),
        )  # fmt: skip

    def _images(self, file: int, values: dict[str, Any]) -> list[ImageBytes]:
        names: list[str | None] = values["image_names"] or [None] * values["n_images"]
        ranges: list[int] = values["image_ranges"] or [-1, 0] * len(names)
        return [
            NamedImage(name, self.source.folders) if name is not None
            else FilePart(self.source.files[file], offset, size) if offset >= 0
            else ParquetImage(self._held[file], values["first_image"] + number)
            for number, (name, offset, size) in enumerate(zip(names, ranges[::2], ranges[1::2], strict=True))
        ]  # fmt: skip

    @property
    def notes(self) -> Counter[str]:
        """What was read into rows, and into how many."""
        found: Counter[str] = Counter()
        for reader in self._readers:
            for number in range(reader.num_record_batches):
                notes = reader.get_batch(number).column("notes")
                if notes.null_count < len(notes):
                    found.update(notes.flatten().to_pylist())
        return found

    @property
    def unread(self) -> list[str]:
        """Columns, and fields of turns, that are in the files and say nothing here."""
        marks = (read_state(seal_path(index_path(self._cache, digest))) for digest in self.digests)
        return sorted({name for mark in marks for name in mark["unread"]})

    @property
    def ids(self) -> Collection[str]:
        """The rows' ids, read as they are asked for."""
        return _Ids(self._readers, len(self))


class _Ids(Collection[str]):
    def __init__(self, readers: list[Any], count: int) -> None:
        self._readers, self._count = readers, count

    def __len__(self) -> int:
        return self._count

    def __contains__(self, item: object) -> bool:
        return any(item == own for own in self)

    def __iter__(self) -> Iterator[str]:
        for reader in self._readers:
            for number in range(reader.num_record_batches):
                yield from reader.get_batch(number).column("id").to_pylist()


class SampleSource:
    """All samples that one stage (or its validation) sees, numbered from 0.

    Args:
        tables: The datasets.
        dataset: int, shape `(samples,)`: which table each sample is of.
        row: int, shape `(samples,)`: its row in that table.
    """

    def __init__(self, tables: list[SampleTable], dataset: np.ndarray, row: np.ndarray) -> None:
        self.tables = tables
        self.dataset, self.row = dataset, row

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, number: int) -> Sample:
        return self.tables[int(self.dataset[number])][int(self.row[number])]

    def missing_images(self, looked_at: int) -> tuple[int, list[str]]:
        """Return how many images of some evenly spread samples were looked for, and those that are not there."""
        images = self._image_files(looked_at)
        found = [find_image(image.name, image.folders) for image in images]
        return len(images), [answer.found for answer in found if isinstance(answer, Problem)]

    def image_marks(self, looked_at: int) -> dict[str, int]:
        """Return name ▶ mark of the image files of some evenly spread samples; 0 for one that is not there.

        A mark is the CRC-32 of the size and the first 4 KiB: enough to tell that a file is another one.
        """
        images = self._image_files(looked_at)
        with ThreadPoolExecutor(16) as pool:
            return dict(zip((image.name for image in images), pool.map(_mark, images), strict=True))

    def _image_files(self, looked_at: int) -> list[NamedImage]:
        numbers = np.unique(np.linspace(0, len(self) - 1, looked_at, dtype=np.int64)) if len(self) else ()
        images = (image for number in numbers for image in self[int(number)].images if isinstance(image, NamedImage))
        return [image for image in images if not image.name.startswith("data:")]

    def origin(self, number: int) -> tuple[Path, int]:
        """Return the file and the row in it, from 0, that a sample is read from."""
        table = self.tables[int(self.dataset[number])]
        file, row = table.place(int(self.row[number]))
        return table.source.files[file], row


def _mark(image: NamedImage) -> int:
    path = find_image(image.name, image.folders)
    if isinstance(path, Problem):
        return 0
    try:
        with path.open("rb") as file:
            return zlib.crc32(file.read(_MARKED_BYTES), os.fstat(file.fileno()).st_size & 0xFFFFFFFF) or 1
    except OSError:
        return 0
