"""The images of Parquet files, copied once into the cache: read by offset, never through a memory map."""

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gmai_cli.console import say
from gmai_formats.files import replace_atomically
from gmai_formats.rows.images import FilePart
from gmai_formats.rows.tables import flat_images, image_column
from gmai_formats.state import DamagedError, damage, read_state, seal, write_state

_ROWS_AT_ONCE = 256
_STARTS = "starts"


class ImageCopy:
    """The images of one Parquet file, copied end to end into the cache: `DIGEST.bin`, and where each begins.

    Args:
        cache: The cache folder.
        digest: Of the Parquet file.
    """

    def __init__(self, cache: Path, digest: str) -> None:
        self.path = cache / "images" / f"{digest}.bin"
        self._starts_path = self.path.with_suffix(".npy")

    @property
    def exists(self) -> bool:
        """Whether the copy is there and whole, but for the bytes of its images, which are held to checks when read."""
        try:
            mark = read_state(self._mark)
            problem = damage(self._starts_path, mark[_STARTS])
            if not problem and self.path.stat().st_size != mark["bytes"]:
                problem = f"{self.path.name} is not {mark['bytes']:,} bytes long"
        except FileNotFoundError:
            return False
        except (DamagedError, KeyError) as error:
            problem = str(error)
        if problem:
            say(f"{self.path.parent}: {problem}; the images are copied again")
        return not problem

    def write(self, file: Path) -> None:
        """Copy the images of a Parquet file."""
        parquet = pq.ParquetFile(file)
        column = image_column(parquet.schema_arrow.names)
        starts, checks = [0], list[int]()
        with replace_atomically(self.path) as copy:
            if column is not None:
                for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=[column]):
                    for content in _contents(batch.column(column)):
                        copy.write(content)
                        starts.append(starts[-1] + len(content))
                        checks.append(zlib.crc32(content))
        with replace_atomically(self._starts_path) as handle:
            # Beside each beginning stands the check of the image that ends there.
            np.save(handle, np.array([starts, [0, *checks]], dtype=np.int64))
        write_state(self._mark, {_STARTS: seal(self._starts_path), "bytes": self.path.stat().st_size})

    @property
    def _mark(self) -> Path:
        return self.path.with_suffix(".json")

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.load(self._starts_path, mmap_mode="r")

    def check(self, number: int, content: bytes) -> None:
        """Hold the bytes of an image to those that were copied.

        Raises:
            DamagedError: They differ.
        """
        if zlib.crc32(content) != int(self._starts[1, number + 1]):
            self._mark.unlink(missing_ok=True)
            raise DamagedError(
                f"{self.path} is damaged: image {number} in it is not what was copied. The samples are not touched: "
                "the same command copies the images again and goes on."
            )

    def part(self, number: int) -> FilePart:
        """Return where an image lies."""
        start, end = int(self._starts[0, number]), int(self._starts[0, number + 1])
        return FilePart(self.path, start, end - start)


@dataclass(frozen=True)
class CopiedImage:
    """One image of an `ImageCopy`, which need not exist before the image is read."""

    copy: ImageCopy
    number: int

    def read(self) -> bytes:
        """Return the bytes; none where the Parquet file names an image without holding it."""
        content = self.copy.part(self.number).read()
        self.copy.check(self.number, content)
        return content


def stored_image_bytes(file: Path) -> int:
    """Return the bytes of a Parquet file's images before compression, from its footer alone."""
    metadata = pq.read_metadata(file)
    column = image_column(metadata.schema.to_arrow_schema().names)
    if column is None:
        return 0
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    of_images = [chunk for chunk in chunks if chunk.path_in_schema.partition(".")[0] == column]
    return sum(chunk.total_uncompressed_size for chunk in of_images if not chunk.path_in_schema.endswith(".path"))


def _contents(column: Any) -> list[Any]:
    """Return the bytes of every image of a column in order, as buffers; an image without bytes is empty."""
    _, values = flat_images(column)
    if pa.types.is_struct(values.type):
        names = [field.name for field in values.type]
        values = values.field("bytes") if "bytes" in names else pa.nulls(len(values), pa.binary())
    if not pa.types.is_binary(values.type) and not pa.types.is_large_binary(values.type):
        values = pa.nulls(len(values), pa.binary())
    return [b"" if not value.is_valid else value.as_buffer() for value in values]
