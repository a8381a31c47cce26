"""Parquet files and Arrow files of `save_to_disk` ▶ rows, without the bytes of their images where those can wait."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from gmai_formats.rows.images import GREATEST_BYTE, HELD, LEAST_BYTE, PICTURE_STARTS, FilePart, Image, InTable
from gmai_formats.rows.json_stream import LONGEST_ENTRY
from gmai_formats.rows.rules import shortened
from gmai_formats.rows.shapes import (
    BESIDE_QUESTION,
    CAPTIONS,
    CHATS,
    IMAGES,
    LETTERS,
    LIKED,
    NEUTRAL,
    PAIRS,
    PASSAGES,
    REPORT,
    SAID,
    SYSTEMS,
    changes_row,
    is_nothing,
)

pa: Any = cast(Any, pyarrow)
pc: Any = cast(Any, pyarrow.compute)
pq: Any = cast(Any, pyarrow.parquet)

READ = frozenset({
    "id", *CHATS, *CAPTIONS, *IMAGES, *LETTERS, *REPORT, *SYSTEMS, *(name for pair in PAIRS for name in pair),
    *BESIDE_QUESTION, *PASSAGES, *SAID, *LIKED, "history", "objects", "width", "height", "split",
})  # fmt: skip
"""Columns that a row's verdict depends on."""
ROWS_AT_ONCE = 1024
_ROWS_WITH_IMAGES = 64
_NO_BYTE = -999
_FEW_ROWS, _MOST_PACKED = 1_000_000, 300
"""So many rows may have nothing in them; no column of more than `LONGEST_ENTRY` packs so many times."""
_NUMBERS = frozenset({"BOOLEAN", "INT32", "INT64", "FLOAT", "DOUBLE"})
"""Types of Parquet that take less than a byte a value where values repeat, as in a mask that is mostly zero."""


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
    fields: tuple[str, ...] = ()
    """Where turns hold their images: the column, and the fields below it."""

    def rows(self, wanted: np.ndarray) -> list[dict[str, Any]]:
        """Return rows, by their number in the batch, as they stand in the file."""
        if not len(wanted):
            return []
        try:
            rows: list[dict[str, Any]] = self.columns.take(pa.array(wanted)).to_pylist()
        except pa.ArrowNotImplementedError:  # of views, as Polars writes texts
            rows = [self.columns.slice(number, 1).to_pylist()[0] for number in wanted.tolist()]
        if self.image_column is not None:
            ends = self.lengths.cumsum().tolist()
            for row, number in zip(rows, wanted.tolist(), strict=True):
                start, end = ends[number] - int(self.lengths[number]), ends[number]
                held = [InTable(self.first_image + image) for image in range(start, end)]
                row[self.image_column] = held if self.images is None else self.images[start:end]
        elif self.fields and self.images is not None:
            ends = self.lengths.cumsum().tolist()
            for row, number in zip(rows, wanted.tolist(), strict=True):
                _replace(row, self.fields, iter(self.images[ends[number] - int(self.lengths[number]) : ends[number]]))
        return rows


def _replace(value: Any, fields: tuple[str, ...], images: Iterator[Image | None]) -> None:
    """Put what stands for the images in their place in a row."""
    if isinstance(value, list):
        for own in value:
            _replace(own, fields, images)
    elif isinstance(value, dict):
        name, *below = fields
        if below:
            _replace(value.get(name), tuple(below), images)
        elif not is_nothing(value.get(name)):
            value[name] = next(images)


def image_column(names: Iterable[str]) -> str | None:
    """Return the column of a table that holds its images."""
    known = set(names)
    return next((name for name in IMAGES if name in known), None)


def image_fields(schema: Any) -> tuple[str, ...]:
    """Return where a table holds its images: a column alone, or one of turns and the fields below it; () for nowhere.

    Parts of turns with images in themselves are what TRL and Unsloth make of `datasets`:
    https://huggingface.co/docs/trl/dataset_formats (`{"type": "image", "image": …}`).

    Raises:
        pa.ArrowInvalid: Two columns have one name, or turns hold images in several fields.
    """
    names: list[str] = schema.names
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise pa.ArrowInvalid(f"two columns are called `{repeated}`")
    if (column := image_column(names)) is not None:
        return (column,)
    found = [(name, *below) for name in CHATS if name in names for below in _pictures_below(schema.field(name).type)]
    if len(found) > 1:
        raise pa.ArrowInvalid(f"turns hold images in `{'.'.join(found[0])}` and in `{'.'.join(found[1])}`")
    return found[0] if found else ()


def _pictures_below(kind: Any) -> list[tuple[str, ...]]:
    """Return the fields of structs, in lists or not, that lead to bytes; `bytes` of `{bytes, path}` goes unsaid."""
    if _is_list(kind):
        return _pictures_below(kind.value_type)
    if not pa.types.is_struct(kind):
        return []
    found: list[tuple[str, ...]] = []
    for field in kind:
        if may_hold_image(field.type, names=False) and not _is_list(field.type):
            inner = _pictures_below(field.type)
            found += [(field.name,)] if not inner or inner == [("bytes",)] else [(field.name, *own) for own in inner]
        else:
            found += [(field.name, *own) for own in _pictures_below(field.type)]
    return found


def flat_images(column: Any, below: tuple[str, ...] = ()) -> tuple[np.ndarray, Any]:
    """Return the images of each row, and all of them end to end: of a list its entries, of any other what is there.

    Args:
        column: The column.
        below: The fields below it, where its turns hold the images.
    """
    if _is_of_numbers(column.type):  # one picture a row
        valid = np.asarray(column.value_lengths().fill_null(0), dtype=np.int64) > 0
        return valid.astype(np.int32), column if valid.all() else column.filter(pa.array(valid))
    if below:
        rows, values = _unnested(column, below)
        valid = _hold_something(values)
        return np.bincount(rows[valid], minlength=len(column)).astype(np.int32), values.filter(pa.array(valid))
    if _is_list(column.type):
        return np.asarray(column.value_lengths().fill_null(0), dtype=np.int32), column.flatten()
    valid = column.is_valid()
    return np.asarray(valid, dtype=np.int32), column.filter(valid) if column.null_count else column  # filter copies


def _hold_something(values: Any) -> np.ndarray:
    """Return which values are not null, nor an object of nulls, as a part of text may have for its image."""
    own = values.flatten() if pa.types.is_struct(values.type) else [values]
    return np.any([np.asarray(field.is_valid(), dtype=bool) for field in own], axis=0)


def _unnested(column: Any, below: tuple[str, ...]) -> tuple[np.ndarray, Any]:
    """Return the values of a field in lists of structs end to end, without a copy, and the row of each."""
    rows = np.arange(len(column))
    for field in (*below, None):
        while _is_list(column.type):
            rows = rows.repeat(np.asarray(column.value_lengths().fill_null(0), dtype=np.int64))
            column = column.flatten()
        if field is not None:
            column = column.flatten()[column.type.get_field_index(field)]
    return rows, column


def _is_list(kind: Any) -> bool:
    of = pa.types
    return of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind) or of.is_list_view(kind)


def _innermost(kind: Any) -> Any:
    """Return the type of what lists hold, also those within lists."""
    return _innermost(kind.value_type) if _is_list(kind) else kind


def _is_of_numbers(kind: Any) -> bool:
    return _is_list(kind) and pa.types.is_integer(kind.value_type)


def _is_of_bytes(kind: Any) -> bool:
    """Return whether values of a type are bytes, however they are stored."""
    of = pa.types
    if of.is_dictionary(kind):
        return _is_of_bytes(kind.value_type)
    is_binary = of.is_binary(kind) or of.is_large_binary(kind) or of.is_binary_view(kind)
    return is_binary or of.is_fixed_size_binary(kind) or _is_of_numbers(kind)


def held_bytes(values: Any) -> Any:
    """Return the bytes of images as a binary array, null where a value holds none.

    Args:
        values: What `flat_images` returns.
    """
    kind = values.type
    if pa.types.is_struct(kind):
        fields = dict(zip(kind.names, values.flatten(), strict=True))
        held = [held_bytes(fields[name]) for name in HELD if name in fields and _is_of_bytes(fields[name].type)]
        same = held if len({str(own.type) for own in held}) < 2 else [own.cast(pa.large_binary()) for own in held]
        return pc.coalesce(*same) if len(same) > 1 else same[0] if same else pa.nulls(len(values), pa.binary())
    if not _is_of_bytes(kind):
        return pa.nulls(len(values), pa.binary())
    if pa.types.is_dictionary(kind):
        return held_bytes(values.dictionary_decode())
    if _is_of_numbers(kind):
        return _joined(values)
    return values if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else values.cast(pa.large_binary())


def _joined(lists: Any) -> Any:
    """Return lists of numbers as the bytes that they stand for, null where they are not those of a picture.

    So bytes are written by what has no type for them: `data.toJSON()` of Node.js, an `Array(Byte)` of Spark's SQL.
    """
    lengths = np.asarray(lists.value_lengths().fill_null(0), dtype=np.int64)
    ends = np.concatenate([[0], lengths.cumsum()])
    flat = lists.flatten()
    if flat.null_count:
        flat = flat.cast(pa.int64()).fill_null(_NO_BYTE)
    numbers = np.asarray(flat)
    sound = np.ones(len(lists), dtype=bool)
    if numbers.dtype.itemsize > 1:
        odd = np.concatenate([[0], ((numbers < LEAST_BYTE) | (numbers > GREATEST_BYTE)).cumsum()])
        sound = odd[ends[1:]] == odd[ends[:-1]]
    content = numbers.astype(np.uint8) if numbers.dtype.itemsize > 1 else numbers.view(np.uint8)
    for number in np.flatnonzero(sound):
        sound[number] = content[ends[number] : ends[number + 1]][:8].tobytes().startswith(PICTURE_STARTS)
    buffers = (np.packbits(sound, bitorder="little"), ends, np.ascontiguousarray(content))
    return pa.Array.from_buffers(pa.large_binary(), len(lists), [pa.py_buffer(own) for own in buffers])


def _references(flat: Any, of_bytes: Callable[[Any], list[Image | None]]) -> list[Image | None]:
    if pa.types.is_struct(flat.type):
        fields = dict(zip(flat.type.names, flat.flatten(), strict=True))
        ways = [of_bytes(held_bytes(flat))]
        ways += [fields[name].to_pylist() for name in HELD if name in fields and not _is_of_bytes(fields[name].type)]
        return [next((own for own in image if own is not None), None) for image in zip(*ways, strict=True)]
    return of_bytes(held_bytes(flat)) if _is_of_bytes(flat.type) else flat.to_pylist()


def open_parquet(path: Path) -> Any:
    """Return a `pyarrow.parquet.ParquetFile`, to be closed, whose row groups can be read one by one.

    Raises:
        OSError: It cannot be read.
        pa.ArrowInvalid: It is none, or unpacks to what only fills the memory.
    """
    with _names_in_text():
        file = pq.ParquetFile(path)
        for number in range(file.metadata.num_columns):
            _ = file.metadata.schema.column(number).path  # read now: later it would be an error of its own kind
        problem = _too_much(file.metadata, path.stat().st_size)
    if problem:
        file.close()
        raise pa.ArrowInvalid(problem)
    return file


def _too_much(footer: Any, size: int) -> str:
    if footer.num_rows > max(size, _FEW_ROWS):
        return f"it counts {footer.num_rows:,} rows in {size:,} bytes, and a sample takes more than one"
    for group in range(footer.num_row_groups):
        for column in range(footer.num_columns):
            chunk = footer.row_group(group).column(column)
            name = chunk.path_in_schema  # read in any case: it may be no text
            if chunk.num_values > _most_values(size, are_numbers=chunk.physical_type in _NUMBERS):
                return f"`{shortened(name)}` counts {chunk.num_values:,} values in a file of {size:,} bytes"
            packed, unpacked = chunk.total_compressed_size, chunk.total_uncompressed_size
            if unpacked > LONGEST_ENTRY and unpacked > _MOST_PACKED * packed:
                return f"{packed:,} bytes of `{shortened(name)}` unpack to {unpacked:,}: no samples do"
    return ""


def _most_values(size: int, *, are_numbers: bool) -> int:
    """Return how many values the lists of a column may hold in a file of so many bytes."""
    return max(size * (_MOST_PACKED if are_numbers else 1), _FEW_ROWS)


def _too_much_in(batch: Any, size: int) -> str:
    """Return what is wrong with a batch that grows out of an Arrow file of so many bytes, and only fills the memory."""
    if len(batch) > max(size, _FEW_ROWS):
        return f"it counts {len(batch):,} rows in {size:,} bytes, and a sample takes more than one"
    if batch.nbytes > LONGEST_ENTRY and batch.nbytes > _MOST_PACKED * size:
        return f"{size:,} bytes unpack to {batch.nbytes:,}: no samples do"
    for name in batch.schema.names:
        if problem := _grows(batch.column(name), size):
            return f"`{shortened(name)}` {problem}"
    return ""


def _grows(column: Any, size: int) -> str:
    """Return how a column that is small in its file grows where each row gets values of its own."""
    kind, of = column.type, pa.types
    if _is_list(kind):
        count = pc.sum(column.value_lengths()).as_py() or 0
        if count > _most_values(size, are_numbers=of.is_primitive(_innermost(kind))):
            return f"counts {count:,} values in a file of {size:,} bytes"
        return _grows(column.flatten(), size)
    if of.is_struct(kind):
        return next(filter(None, (_grows(field, size) for field in column.flatten())), "")
    letters = 0
    if of.is_dictionary(kind) and (lengths := _lengths(column.dictionary)) is not None:
        letters = int(lengths[np.asarray(column.indices.drop_null())].sum())
    elif (of.is_string_view(kind) or of.is_binary_view(kind)) and (lengths := _lengths(column)) is not None:
        letters = int(lengths.sum())
    if letters > LONGEST_ENTRY and letters > _MOST_PACKED * size:
        return f"unpacks to {letters:,} bytes in a file of {size:,}: no samples do"
    return ""


def _lengths(texts: Any) -> np.ndarray | None:
    """Return the bytes of each text, None for what is none."""
    kind, of = texts.type, pa.types
    if of.is_string_view(kind) or of.is_binary_view(kind):
        # 16 bytes, the length first: https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
        views = np.frombuffer(texts.buffers()[1], np.int32).reshape(-1, 4)[texts.offset : texts.offset + len(texts), 0]
        return np.where(np.asarray(texts.is_valid()), views, 0).astype(np.int64)
    if of.is_string(kind) or of.is_large_string(kind) or of.is_binary(kind) or of.is_large_binary(kind):
        return np.asarray(pc.binary_length(texts).fill_null(0), np.int64)
    return None


def rows_at_once(file: Any, columns: Iterable[str], most: int) -> int:
    """Return how many rows of a Parquet file to read at a time so that a batch stays within memory.

    A text of megabytes may stand once in the file and in every row. Its length is not known before, but it is at most
    that of its column; short ones have the least and greatest value in the footer.

    Args:
        file: The file.
        columns: Columns that are read.
        most: Rows that are wanted.
    """
    footer, wanted, longest = file.metadata, set(columns), 1
    for group in range(footer.num_row_groups):
        for number in range(footer.num_columns):
            chunk = footer.row_group(group).column(number)
            if (
                chunk.physical_type == "BYTE_ARRAY"
                and chunk.path_in_schema.split(".", 1)[0] in wanted
                and any("DICTIONARY" in encoding for encoding in chunk.encodings)
                and not (chunk.statistics is not None and chunk.statistics.has_min_max)
            ):
                longest = max(longest, chunk.total_uncompressed_size)
    return max(1, min(most, LONGEST_ENTRY // longest))


def parquet_batches(path: Path) -> Iterator[Batch]:
    """Yield the rows of a Parquet file; an image that it holds is an `InTable`, and its bytes are not read.

    Raises:
        pa.ArrowInvalid: It is damaged; at its end, too, where its footer counts other rows than were there.
    """
    with open_parquet(path) as file:
        count = 0
        for batch in _batches(file):
            yield batch
            count += len(batch.columns)
        if count != file.metadata.num_rows:
            raise pa.ArrowInvalid(f"{count:,} rows are there, and its footer counts {file.metadata.num_rows:,}")


def _batches(file: Any) -> Iterator[Batch]:
    fields, wanted = image_fields(file.schema_arrow), columns_to_read(file.schema_arrow)
    if "objects" in wanted or len(fields) > 1:  # boxes in pixels ask for the size of their image
        yield from _with_images(file, wanted, fields)
        return
    images = fields[0] if fields else None
    texts = [name for name in wanted if name != images]
    at_once = rows_at_once(file, texts, ROWS_AT_ONCE)
    first = first_image = 0
    for group in range(file.num_row_groups):
        of_group = None if images is None else _images_of_group(file, group, images, first_image)
        at, at_image = 0, 0
        for batch in file.iter_batches(at_once, row_groups=[group], columns=texts):
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

    def read(*some: str) -> tuple[np.ndarray, Any]:
        table = file.read_row_group(group, columns=list(some))
        return flat_images(table.column(column).combine_chunks())

    def numbered(flat: Any) -> list[Image | None]:
        return [InTable(first + number) if valid else None for number, valid in enumerate(flat.is_valid().to_pylist())]

    if paths is None or content is None:
        lengths, flat = read(*own)
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


def _with_images(file: Any, columns: list[str], fields: tuple[str, ...]) -> Iterator[Batch]:
    first = first_image = 0

    def numbered(held: Any) -> list[Image | None]:
        valid = held.is_valid().to_pylist()
        return [InTable(first_image + number) if own else None for number, own in enumerate(valid)]

    for batch in file.iter_batches(rows_at_once(file, columns, _ROWS_WITH_IMAGES), columns=columns):
        lengths, flat = np.zeros(len(batch), np.int32), []
        if fields:
            lengths, values = flat_images(batch.column(fields[0]), fields[1:])
            flat = _references(values, (lambda held: held.to_pylist()) if "objects" in columns else numbered)
        yield _batch(first, batch, fields, lengths, flat, first_image)
        first, first_image = first + len(batch), first_image + len(flat)


def _batch(
    first: int, batch: Any, fields: tuple[str, ...], lengths: np.ndarray, images: list[Image | None], first_image: int
) -> Batch:
    if len(fields) > 1:
        return Batch(first, batch, None, lengths, images, first_image, fields)
    column = fields[0] if fields else None
    rest = batch.select([name for name in batch.schema.names if name != column])
    return Batch(first, rest, column, lengths, images, first_image)


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
    of = pa.types
    if _is_list(kind) and kind.value_type in (pa.uint8(), pa.int8()):
        return True
    if _is_list(kind) or of.is_dictionary(kind):
        return may_hold_image(kind.value_type, names=names)
    if of.is_struct(kind):
        return any(may_hold_image(field.type, names=names) for field in kind)
    is_text = of.is_string(kind) or of.is_large_string(kind) or of.is_string_view(kind)
    is_bytes = of.is_binary(kind) or of.is_large_binary(kind) or of.is_binary_view(kind)
    return is_bytes or of.is_fixed_size_binary(kind) or (names and is_text)


def parquet_rows(path: Path, also: frozenset[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, row) of a Parquet file with the bytes of its images; other columns are named, but not read."""
    number = 0
    with open_parquet(path) as file:
        image_fields(file.schema_arrow)
        columns = columns_to_read(file.schema_arrow, also)
        others = dict.fromkeys(set(file.schema_arrow.names) - set(columns))
        for batch in file.iter_batches(rows_at_once(file, columns, _ROWS_WITH_IMAGES), columns=columns):
            for row in batch.to_pylist():
                yield number, row | others
                number += 1


_END_OF_STREAM = bytes.fromhex("ffffffff00000000")


def is_cut_stream(path: Path) -> bool:
    """Return whether a file of an Arrow stream lacks the mark of its end: pyarrow takes one for whole, all the same."""
    with path.open("rb") as file:
        return not _is_marked(file, path.stat().st_size)


def _is_marked(file: Any, end: int) -> bool:
    """Return whether the mark of a stream's end lies before a place."""
    file.seek(max(end - len(_END_OF_STREAM), 0))
    return file.read(len(_END_OF_STREAM)) == _END_OF_STREAM


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
                raise pa.ArrowInvalid(
                    "the file is compressed, or its images are of a type other than binary: they cannot be read where "
                    "they lie"
                )
            return [
                FilePart(path, int(begin), int(end - begin)) if valid else None
                for begin, end, valid in zip(ends[:-1], ends[1:], held.is_valid().to_pylist(), strict=True)
            ]

        first = first_image = 0
        for batch in _arrow_stream(source):
            batch.validate(full=True)  # offsets of a damaged file lead out of it
            if problem := _too_much_in(batch, size):
                raise pa.ArrowInvalid(problem)
            fields = image_fields(batch.schema)
            lengths, flat = np.zeros(len(batch), np.int32), []
            if len(fields) > 1:
                rows, values = _unnested(batch.column(fields[0]), fields[1:])
                valid = _hold_something(values)
                lengths = np.bincount(rows[valid], minlength=len(batch)).astype(np.int32)
                flat = [own for own, is_there in zip(_references(values, parts), valid, strict=True) if is_there]
            elif fields:
                lengths, values = flat_images(batch.column(fields[0]))
                flat = _references(values, parts)
            yield _batch(first, batch, fields, lengths, flat, first_image)
            first, first_image = first + len(batch), first_image + len(flat)
        _require_end(source, size)


def _require_end(source: Any, size: int) -> None:
    """Refuse a stream that was cut between two batches, which pyarrow takes for whole, or one with another behind it.

    Source: https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format

    Raises:
        pa.ArrowInvalid: It is one.
    """
    end: int = source.tell()
    if not _is_marked(source, end):
        raise pa.ArrowInvalid("the stream has no end mark: the file was cut")
    if end < size:
        raise pa.ArrowInvalid(f"{size - end:,} bytes lie behind the stream's end: another was written behind it")


def table_columns(path: Path) -> list[str]:
    """Return the names of a table's columns.

    Raises:
        OSError, pa.ArrowException: It is not whole.
    """
    if path.suffix == ".parquet":
        with _names_in_text():
            return pq.read_schema(path).names
    with pa.memory_map(str(path)) as source:
        return _arrow_stream(source).schema.names


def _arrow_stream(source: Any) -> Any:
    stream = pa.ipc.open_stream(source)
    with _names_in_text():
        _read_names(stream.schema)  # later it would be an error of its own kind
    return stream


def _read_names(fields: Iterable[Any]) -> None:
    for field in fields:
        _, kind = field.name, field.type
        while _is_list(kind) or pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_struct(kind):
            _read_names(kind)


@contextlib.contextmanager
def _names_in_text() -> Generator[None]:
    """Turn the error of a name that is no text into that of a damaged table."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid("the name of a column is not UTF-8") from error
