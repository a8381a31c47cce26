"""The images of Parquet files, by number: read where they lie in the file, or copied once into the cache where packed.

Parquet keeps values end to end in pages. Where the column of images is not compressed, as `gmai data build` writes it,
each image is one run of bytes of the file, and only its place is kept; the images of other files are laid end to end
in the cache, once for all stages and runs.
"""

import mmap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from gmai_cli.console import say
from gmai_formats.files import replace_atomically
from gmai_formats.rows.images import FilePart
from gmai_formats.rows.tables import flat_images, held_bytes, image_fields, open_parquet, rows_at_once
from gmai_formats.state import DamagedError, damage, read_state, seal, write_state

_ROWS_AT_ONCE = 256
FORMAT = 3
"""Version of what is kept of a file; others are made again."""
_HEAD_BYTES = 64
_SCATTERED = {"DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"}
"""Encodings that do not keep a value's bytes together."""
_OF_LIST = (".element", ".item")


class ParquetImages:
    """The images of one Parquet file: where each lies, in the file itself or in a copy, `DIGEST.bin` in the cache.

    Args:
        cache: The cache folder.
        digest: Of the Parquet file.
        file: The Parquet file.
    """

    def __init__(self, cache: Path, digest: str, file: Path) -> None:
        self.copy = cache / "images" / f"{digest}.bin"
        self._file = file
        self._places_path, self._mark = self.copy.with_suffix(".npy"), self.copy.with_suffix(".json")

    @property
    def exists(self) -> bool:
        """Whether the places are there and whole; the bytes of an image are held to its check when it is read."""
        try:
            mark = read_state(self._mark)
            if mark.get("format") != FORMAT:
                return False
            problem = damage(self._places_path, mark["places"])
            if not problem and not mark["in_place"] and self.copy.stat().st_size != mark["bytes"]:
                problem = f"{self.copy.name} is not {mark['bytes']:,} bytes long"
        except FileNotFoundError:
            return False
        except (DamagedError, KeyError) as error:
            problem = str(error)
        if problem:
            say(f"{self.copy.parent}: {problem}; the images are found again")
        return not problem

    def write(self) -> None:
        """Find the images of the Parquet file, and copy them where they cannot be read from it."""
        with open_parquet(self._file) as parquet:
            fields = image_fields(parquet.schema_arrow)
            places = _places_in(self._file, parquet, fields) if fields else []
            in_place = places is not None
            if places is None:
                places, start = [], 0
                with replace_atomically(self.copy) as copy:
                    for content in _images(parquet, fields, range(parquet.num_row_groups)):
                        copy.write(content)
                        places.append((start, len(content), zlib.crc32(content)))
                        start += len(content)
        with replace_atomically(self._places_path) as handle:
            np.save(handle, np.array(places, dtype=np.int64).reshape(-1, 3))
        size = 0 if in_place else self.copy.stat().st_size
        write_state(
            self._mark, {"format": FORMAT, "places": seal(self._places_path), "in_place": in_place, "bytes": size}
        )

    @cached_property
    def _in_place(self) -> bool:
        return bool(read_state(self._mark)["in_place"])

    @cached_property
    def _places(self) -> np.ndarray:
        """The int64 begin, length and CRC-32 of each image."""
        return np.load(self._places_path, mmap_mode="r")

    def part(self, number: int) -> FilePart:
        """Return where an image lies."""
        start, size, _ = map(int, self._places[number])
        return FilePart(self._file if self._in_place else self.copy, start, size)

    def check(self, number: int, content: bytes) -> None:
        """Hold the bytes of an image to those that were found.

        Raises:
            DamagedError: They differ.
        """
        if zlib.crc32(content) == int(self._places[number, 2]):
            return
        self._mark.unlink(missing_ok=True)
        if self._in_place:
            raise DamagedError(
                f"{self._file}: image {number} in it is not what it was when the run began: the file was changed. Put "
                "it back, or start a run of the new file in another --out."
            )
        raise DamagedError(
            f"{self.copy} is damaged: image {number} in it is not what was copied. The samples are not touched: "
            "the same command copies the images again and goes on."
        )


@dataclass(frozen=True)
class ParquetImage:
    """One image of `ParquetImages`, whose place need not be known before the image is read."""

    images: ParquetImages
    number: int

    def read(self) -> bytes:
        """Return the bytes; none where the Parquet file names an image without holding it."""
        content = self.images.part(self.number).read()
        self.images.check(self.number, content)
        return content


def copied_bytes(file: Path) -> int:
    """Return how large the copy of a Parquet file's images will be, from its footer alone; 0 where none is needed."""
    metadata = pq.read_metadata(file)
    fields = image_fields(metadata.schema.to_arrow_schema())
    chunks = [chunk for group in _chunks(metadata, fields) for chunk in group] if fields else []
    return 0 if all(map(_is_together, chunks)) else sum(chunk.total_uncompressed_size for chunk in chunks)


def _chunks(metadata: Any, fields: tuple[str, ...]) -> list[list[Any]]:
    """Return the column chunks with the bytes of the images, of each row group."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    leaves = [[group.column(number) for number in range(group.num_columns)] for group in groups]
    return [[leaf for leaf in own if _holds_images(leaf.path_in_schema.split("."), fields)] for own in leaves]


def _holds_images(path: list[str], fields: tuple[str, ...]) -> bool:
    """Return whether a leaf (`messages.list.element.content.list.element.image.bytes`) is below the fields."""
    return path[0] == fields[0] and set(fields[1:]) <= {*path[1:]} and (len(path) == 1 or path[-1] != "path")


def _is_together(chunk: Any) -> bool:
    is_list_of_numbers = chunk.physical_type in ("INT32", "INT64") and chunk.path_in_schema.endswith(_OF_LIST)
    return chunk.compression == "UNCOMPRESSED" and not _SCATTERED & set(chunk.encodings) and not is_list_of_numbers


def _places_in(file: Path, parquet: Any, fields: tuple[str, ...]) -> list[tuple[int, int, int]] | None:
    """Return the begin, length and CRC-32 of each image in the file, or None where one of them is not in one piece.

    An image is looked for behind the one before it in its column chunk, and taken where the same bytes are.
    """
    chunks = _chunks(parquet.metadata, fields)
    if not all(_is_together(chunk) for own in chunks for chunk in own):
        return None
    places: list[tuple[int, int, int]] = []
    with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for group, own in enumerate(chunks):
            begin = min((_begin(chunk) for chunk in own), default=0)
            end = max((_begin(chunk) + chunk.total_compressed_size for chunk in own), default=0)
            cursor, seen = begin, dict[tuple[int, int], int]()
            for image in _images(parquet, fields, [group]):
                size, check = len(image), zlib.crc32(image)
                # A dictionary holds an image once that several rows show.
                start = seen.get((size, check), -1) if size else 0
                if size and (start < 0 or content[start : start + size] != bytes(image)):
                    start = _find(content, bytes(image), cursor, end)
                    if start < 0:
                        return None
                    cursor = seen[size, check] = start
                    cursor += size
                places.append((start, size, check))
    return places


def _begin(chunk: Any) -> int:
    return min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)), default=0)


def _find(content: mmap.mmap, image: bytes, cursor: int, end: int) -> int:
    head = image[:_HEAD_BYTES]
    start = content.find(head, cursor, end)
    while start >= 0 and content[start : start + len(image)] != image:
        start = content.find(head, start + 1, end)
    return start if start + len(image) <= end else -1


def _images(parquet: Any, fields: tuple[str, ...], groups: Any) -> Iterator[Any]:
    """Yield the bytes of every image of some row groups in order, as buffers."""
    at_once = rows_at_once(parquet, [fields[0]], _ROWS_AT_ONCE)
    for batch in parquet.iter_batches(at_once, row_groups=list(groups), columns=[fields[0]]):
        yield from _contents(batch.column(fields[0]), fields[1:])


def _contents(column: Any, below: tuple[str, ...]) -> list[Any]:
    """Return the bytes of every image of a column in order, as buffers; an image without bytes is empty."""
    _, values = flat_images(column, below)
    return [b"" if not value.is_valid else value.as_buffer() for value in held_bytes(values)]
