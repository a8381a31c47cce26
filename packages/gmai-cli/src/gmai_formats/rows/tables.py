"""Parquet files and Arrow files of `save_to_disk` ▶ rows, without the bytes of their images where those can wait."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow
import pyarrow.parquet

from gmai_formats.rows.images import FilePart, Image, InTable
from gmai_formats.rows.shapes import (
    CAPTIONS,
    CHATS,
    IMAGES,
    LETTERS,
    NEUTRAL,
    PAIRS,
    REPORT,
    SYSTEMS,
    changes_row,
)

pa: Any = cast(Any, pyarrow)
pq: Any = cast(Any, pyarrow.parquet)

READ = frozenset({
    "id", *CHATS, *CAPTIONS, *IMAGES, *LETTERS, *REPORT, *SYSTEMS, *(name for pair in PAIRS for name in pair),
    "options", "choices", "context", "hint", "history", "label", "objects", "width", "height",
})  # fmt: skip
"""Columns that a row's verdict depends on."""
ROWS_AT_ONCE = 1024
_ROWS_WITH_IMAGES = 64


@dataclass(frozen=True)
class Batch:
    """Some neighbouring rows of a table."""

    first: int
    """Number of its first row in the file."""
    columns: Any
    """A record batch, without the column of images."""
    image_column: str | None
    lengths: np.ndarray
    """Images of each row."""
    images: list[Image | None] | None
    """The images of all rows, in order; None where the file holds them all, each an `InTable`."""
    first_image: int
    """Number of its first image in the file."""

    def rows(self, wanted: np.ndarray) -> list[dict[str, Any]]:
        """Return rows, by their number in the batch, as they stand in the file."""
        if not len(wanted):
            return []
        rows: list[dict[str, Any]] = self.columns.take(pa.array(wanted)).to_pylist()
        if self.image_column is not None:
            ends = self.lengths.cumsum().tolist()
            for row, number in zip(rows, wanted.tolist(), strict=True):
                start, end = ends[number] - int(self.lengths[number]), ends[number]
                held = [InTable(self.first_image + image) for image in range(start, end)]
                row[self.image_column] = held if self.images is None else self.images[start:end]
        return rows


def image_column(names: list[str]) -> str | None:
    """Return the column of a table that holds its images."""
    return next((name for name in IMAGES if name in names), None)


def flat_images(column: Any) -> tuple[np.ndarray, Any]:
    """Return the images of each row, and all of them end to end: of a list its entries, of any other what is there."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return np.asarray(column.value_lengths().fill_null(0), dtype=np.int32), column.flatten()
    valid = column.is_valid()
    return np.asarray(valid, dtype=np.int32), column.filter(valid) if column.null_count else column  # filter copies


def _references(flat: Any, of_bytes: Callable[[Any], list[Image | None]]) -> list[Image | None]:
    if pa.types.is_struct(flat.type):
        names = [field.name for field in flat.type]
        paths = flat.field("path").to_pylist() if "path" in names else [None] * len(flat)
        held = of_bytes(flat.field("bytes")) if "bytes" in names else [None] * len(flat)
        return [path if content is None else content for content, path in zip(held, paths, strict=True)]
    if pa.types.is_binary(flat.type) or pa.types.is_large_binary(flat.type):
        return of_bytes(flat)
    return flat.to_pylist()


def parquet_batches(path: Path) -> Iterator[Batch]:
    """Yield the rows of a Parquet file; an image that it holds is an `InTable`, and its bytes are not read."""
    with pq.ParquetFile(path) as file:
        names: list[str] = file.schema_arrow.names
        images, wanted = image_column(names), columns_to_read(file.schema_arrow)
        if "objects" in wanted:  # boxes in pixels ask for the size of their image
            yield from _with_images(file, wanted, images)
            return
        texts = [name for name in wanted if name != images]
        first = first_image = 0
        for group in range(file.num_row_groups):
            of_group = None if images is None else _images_of_group(file, group, images, first_image)
            at, at_image = 0, 0
            for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=texts):
                lengths = np.zeros(len(batch), np.int32)
                references: list[Image | None] | None = None
                if of_group is not None:
                    lengths = of_group[0][at : at + len(batch)]
                    if of_group[1] is not None:
                        references = of_group[1][at_image : at_image + int(lengths.sum())]
                yield Batch(first, batch, images, lengths, references, first_image)
                first, at = first + len(batch), at + len(batch)
                first_image, at_image = first_image + int(lengths.sum()), at_image + int(lengths.sum())


def _images_of_group(file: Any, group: int, column: str, first: int) -> tuple[np.ndarray, list[Image | None] | None]:
    """Return the images of each row of a row group, and what stands for each."""
    leaves = [file.schema.column(number).path for number in range(len(file.schema))]
    own = [leaf for leaf in leaves if leaf == column or leaf.startswith(f"{column}.")]
    paths = next((leaf for leaf in own if leaf.endswith(".path")), None)
    content = next((leaf for leaf in own if leaf.endswith(".bytes")), None)

    def read(leaf: str) -> tuple[np.ndarray, Any]:
        table = file.read_row_group(group, columns=[leaf])
        return flat_images(table.column(column).combine_chunks())

    def numbered(flat: Any) -> list[Image | None]:
        return [InTable(first + number) if valid else None for number, valid in enumerate(flat.is_valid().to_pylist())]

    if paths is None or content is None:
        lengths, flat = read(content or own[0])
        return lengths, _references(flat, numbered)
    lengths, flat = read(paths)
    held = file.metadata.row_group(group).column(leaves.index(content))
    statistics: Any = held.statistics
    count = held.num_values - statistics.null_count if statistics and statistics.has_null_count else -1
    if count == len(flat):  # all of them hold their bytes, and the paths are names only
        return lengths, None
    if count == 0:
        return lengths, _references(flat, numbered)
    _, contents = read(content)
    named = _references(flat, numbered)
    return lengths, [own or other for own, other in zip(_references(contents, numbered), named, strict=True)]


def _with_images(file: Any, columns: list[str], images: str | None) -> Iterator[Batch]:
    first = first_image = 0
    for batch in file.iter_batches(_ROWS_WITH_IMAGES, columns=columns):
        lengths, flat = np.zeros(len(batch), np.int32), []
        if images is not None:
            lengths, values = flat_images(batch.column(images))
            flat = _references(values, lambda held: held.to_pylist())
        rest = batch.select([name for name in batch.schema.names if name != images])
        yield Batch(first, rest, images, lengths, flat, first_image)
        first, first_image = first + len(batch), first_image + len(flat)


def columns_to_read(schema: Any, also: frozenset[str] = frozenset()) -> list[str]:
    """Return the columns of a table that a row's verdict depends on, or that are asked for.

    Where no column holds images, those that could are read too, so that no image is dropped unseen.
    """
    images = image_column(schema.names)

    def is_read(field: Any) -> bool:
        if field.name in IMAGES:
            return field.name == images or may_hold_image(field.type, names=True)
        return has_meaning(field.name) or field.name in also or may_hold_image(field.type, names=images is None)

    return [field.name for field in schema if is_read(field)]


def has_meaning(name: str) -> bool:
    """Return whether a row's verdict depends on a column, by its name."""
    return name in READ or changes_row(name)


def unread_columns(names: Iterable[str]) -> list[str]:
    """Return the columns that neither a verdict depends on nor gmai-data writes: they are named, and left alone."""
    return [name for name in names if name not in NEUTRAL and not has_meaning(name)]


def may_hold_image(kind: Any, *, names: bool) -> bool:
    """Return whether values of a type may hold a picture, or with `names` its path."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return may_hold_image(kind.value_type, names=names)
    if pa.types.is_struct(kind):
        return any(may_hold_image(field.type, names=names) for field in kind)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or (names and is_text)


def parquet_rows(path: Path, also: frozenset[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, row) of a Parquet file with the bytes of its images; other columns are named, but not read."""
    number = 0
    with pq.ParquetFile(path) as file:
        columns = columns_to_read(file.schema_arrow, also)
        others = dict.fromkeys(set(file.schema_arrow.names) - set(columns))
        for batch in file.iter_batches(batch_size=_ROWS_WITH_IMAGES, columns=columns):
            for row in batch.to_pylist():
                yield number, row | others
                number += 1


def arrow_batches(path: Path) -> Iterator[Batch]:
    """Yield the rows of an Arrow stream as `datasets` saves it; an image is the part of the file that holds it."""
    with pa.memory_map(str(path)) as source:
        size: int = source.size()
        start: int = source.read_buffer(size).address
        source.seek(0)

        def parts(held: Any) -> list[Image | None]:
            _, offsets, content = held.buffers()
            if content is None:
                return [None] * len(held)
            wide = pa.types.is_large_binary(held.type)
            ends = np.frombuffer(offsets, np.int64 if wide else np.int32)[held.offset :][: len(held) + 1].astype(int)
            ends += content.address - start
            if ends[0] < 0 or ends[-1] > size:
                raise pa.ArrowInvalid("the file is compressed, so that its images cannot be read where they lie")
            return [
                FilePart(path, int(begin), int(end - begin)) if valid else None
                for begin, end, valid in zip(ends[:-1], ends[1:], held.is_valid().to_pylist(), strict=True)
            ]

        first = first_image = 0
        for batch in pa.ipc.open_stream(source):
            images = image_column(batch.schema.names)
            lengths, flat = np.zeros(len(batch), np.int32), []
            if images is not None:
                lengths, values = flat_images(batch.column(images))
                flat = _references(values, parts)
            rest = batch.select([name for name in batch.schema.names if name != images])
            yield Batch(first, rest, images, lengths, flat, first_image)
            first, first_image = first + len(batch), first_image + len(flat)


def table_columns(path: Path) -> list[str]:
    """Return the names of a table's columns.

    Raises:
        OSError, pa.ArrowException: It is not whole.
    """
    if path.suffix == ".parquet":
        return pq.read_schema(path).names
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_stream(source).schema.names
