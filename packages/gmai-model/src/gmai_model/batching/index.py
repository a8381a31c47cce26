"""A file of samples ▶ its index in the cache: the text of every row and where its images lie, for reads in any order.

The index of a file is named by the file's digest, so that runs and stages share it. Parquet cannot be read row by row
without reading the rows around it, so its images are copied once, end to end, when training needs them.
"""

import json
import re
import tarfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically

from gmai_model.batching.conversations import Conversation, read_conversation
from gmai_model.batching.sources import Format, check_parquet

VERSION = 1
"""Of the index's content; a new one makes old caches invisible."""
ROWS_PER_BATCH = 1024
"""Every batch of an index but the last has as many rows, so that a row's batch needs no search."""
_CHUNK_CHARACTERS = 2**22
_IMAGE_SUFFIXES = {"png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"}

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("image_names", pa.list_(pa.string())),  # LLaVA: path of each image
        ("image_ranges", pa.list_(pa.int64())),  # tar: offset and size of each image in turn
        ("first_image", pa.int64()),  # Parquet: number of the row's first image in the file
        ("n_images", pa.int32()),
        ("problem", pa.string()),
    ]
)


def index_path(cache: Path, digest: str) -> Path:
    """Return where the index of a file with this digest lies."""
    return cache / "index" / f"{digest}-v{VERSION}.arrow"


def write_index(file: Path, file_format: Format, dataset: str, to: Path) -> None:
    """Write the index of one file.

    Raises:
        UserError: The file is not whole, or has none of the columns or members that samples have.
    """
    batches = {"parquet": _parquet_batches, "llava": _llava_batches, "webdataset": _tar_batches}[file_format]
    with replace_atomically(to) as handle, pa.ipc.new_file(handle, SCHEMA) as writer:
        pending: list[Any] = []
        for batch in batches(file, dataset):
            pending.append(batch)
            if sum(map(len, pending)) >= ROWS_PER_BATCH:
                rows = pa.Table.from_batches(pending).combine_chunks()
                whole = len(rows) // ROWS_PER_BATCH * ROWS_PER_BATCH
                for start in range(0, whole, ROWS_PER_BATCH):
                    writer.write_table(rows[start : start + ROWS_PER_BATCH])
                pending = rows[whole:].to_batches()
        if pending:
            writer.write_table(pa.Table.from_batches(pending).combine_chunks())


def _parquet_batches(file: Path, dataset: str) -> Iterator[Any]:
    check_parquet(file, dataset)
    parquet = pq.ParquetFile(file)
    texts, images = parquet_columns(parquet, file)
    columns = [name for name in ("id", texts) if name in parquet.schema_arrow.names]
    leaves = [parquet.schema.column(i).path for i in range(len(parquet.schema))]
    if images is not None:
        # One small leaf is enough to count the images: their bytes are not read here.
        of_images = [leaf for leaf in leaves if leaf == images or leaf.startswith(f"{images}.")]
        columns.append(next((leaf for leaf in of_images if leaf.endswith(".path")), of_images[0]))
    first_row = first_image = 0
    for batch in parquet.iter_batches(ROWS_PER_BATCH, columns=columns):
        counts = np.zeros(len(batch), dtype=np.int32)
        if images is not None:
            counts = count_images(batch.column(images))
        ids = [f"{file.name}#{first_row + i}" for i in range(len(batch))]
        if "id" in columns:
            own = batch.column("id").to_pylist()
            ids = [fallback if value in (None, "") else str(value) for value, fallback in zip(own, ids, strict=True)]
        starts = first_image + np.concatenate([[0], counts[:-1].cumsum(dtype=np.int64)])
        messages, problems = _parquet_messages(batch.column(texts))
        yield pa.record_batch(
            [ids, messages, pa.nulls(len(batch), SCHEMA.field("image_names").type),
             pa.nulls(len(batch), SCHEMA.field("image_ranges").type), starts, counts, pa.array(problems, pa.string())],
            schema=SCHEMA,
        )  # fmt: skip
        first_row += len(batch)
        first_image += int(counts.sum())


def parquet_columns(parquet: pq.ParquetFile, file: Path) -> tuple[str, str | None]:
    """Return the columns that hold the texts and the images of a Parquet file; it may have no images.

    Raises:
        UserError: It has no texts.
    """
    names = parquet.schema_arrow.names
    texts = next((name for name in ("messages", "conversations") if name in names), None)
    if texts is None:
        raise UserError(
            f"{file}: no column 'messages'; found {', '.join(names)}. Samples have `id`, `messages` (or "
            f"`conversations`) and, with pictures, `images` (or `image`)."
        )
    return texts, next((name for name in ("images", "image") if name in names), None)


def count_images(column: Any) -> np.ndarray:
    """Return the images of each row: of a list column its lengths, of any other whether there is one."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return np.asarray(column.value_lengths().fill_null(0), dtype=np.int32)
    return np.asarray(column.is_valid(), dtype=np.int32)


def _parquet_messages(column: Any) -> tuple[Any, list[str | None]]:
    wanted = SCHEMA.field("messages").type
    if column.type == wanted:  # as gmai-data writes it: no row is touched
        return column, [None] * len(column)
    rows = [read_conversation({"id": "-", "messages": value}, fallback_id="-") for value in column.to_pylist()]
    return pa.array([row.messages for row in rows], wanted), [row.problem for row in rows]


def _llava_batches(file: Path, dataset: str) -> Iterator[Any]:
    rows = _jsonl_rows(file) if file.suffix == ".jsonl" else _array_rows(file, dataset)
    conversations = (
        read_conversation(row, fallback_id=f"{file.name}#{number}")
        if not isinstance(row, _Malformed)
        else Conversation(f"{file.name}#{number}", problem="the line is not readable as JSON")
        for number, row in enumerate(rows)
    )
    for batch in _batched(conversations):
        yield _make_batch(
            batch, names=[row.images for row in batch], ranges=None, counts=[len(r.images) for r in batch]
        )


class _Malformed:
    pass


def _jsonl_rows(file: Path) -> Iterator[Any]:
    with file.open("rb") as lines:
        for line in lines:
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError:
                    yield _Malformed()


def _array_rows(file: Path, dataset: str) -> Iterator[Any]:
    """Yield the entries of a JSON array, holding a few megabytes of it at a time."""
    decoder = json.JSONDecoder()
    number = 0
    with file.open(encoding="utf-8-sig") as text:
        buffer, at_end = "", False
        started = False
        while True:
            stripped = buffer.lstrip(" \t\r\n,") if started else buffer.lstrip()
            if not started and stripped.startswith("["):
                started, stripped = True, stripped[1:].lstrip(" \t\r\n,")
            if started and stripped.startswith("]"):
                return
            try:
                if not started:
                    raise ValueError("it does not start with [")
                row, end = decoder.raw_decode(stripped)
                if end == len(stripped) and not at_end:
                    raise ValueError("the entry may go on")
                buffer = stripped[end:]
            except ValueError as error:
                if at_end:
                    raise UserError(
                        f"dataset {dataset}: {file} is not a whole JSON array: entry {number} is not readable "
                        f"({error}). A LLaVA file is an array of rows, or .jsonl with a row a line. Build it again."
                    ) from error
                more = text.read(max(_CHUNK_CHARACTERS, len(stripped)))
                at_end = not more
                buffer = stripped + more
            else:
                yield row
                number += 1


def _tar_batches(file: Path, dataset: str) -> Iterator[Any]:
    for batch in _batched(_tar_samples(file, dataset)):
        yield _make_batch(
            [row for row, _ in batch], names=None, ranges=[ranges for _, ranges in batch],
            counts=[len(ranges) // 2 for _, ranges in batch],
        )  # fmt: skip


def _tar_samples(file: Path, dataset: str) -> Iterator[tuple[Conversation, list[int]]]:
    """Yield the samples of a WebDataset tar: neighbouring members that share their name up to the first dot."""
    key, text, images, number = None, None, list[tuple[str, int, int]](), 0

    def sample() -> tuple[Conversation, list[int]]:
        in_order = sorted(
            images, key=lambda image: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", image[0])]
        )
        ranges = [value for _, offset, size in in_order for value in (offset, size)]
        fallback = f"{file.name}#{key}"
        if text is None:
            return Conversation(fallback, problem="the sample has no .json member"), ranges
        try:
            row = read_conversation(json.loads(text), fallback_id=fallback)
        except ValueError:
            return Conversation(fallback, problem="the .json member is not readable as JSON"), ranges
        return row, ranges

    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                folder, _, name = member.name.rpartition("/")
                stem, _, extension = name.partition(".")
                if key is not None and (folder, stem) != key:
                    yield sample()
                    text, images, number = None, [], number + 1
                key = (folder, stem)
                suffix = extension.rpartition(".")[2].lower()
                if suffix == "json":
                    text = _read_member(tar, member)
                elif suffix in _IMAGE_SUFFIXES:
                    images.append((extension, member.offset_data, member.size))
            if key is not None:
                yield sample()
    except tarfile.TarError as error:
        raise UserError(
            f"dataset {dataset}: {file} is not a whole, uncompressed tar file ({error}). Build or download it again."
        ) from error


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    handle = tar.extractfile(member)
    return b"" if handle is None else handle.read()


def _batched(rows: Iterator[Any]) -> Generator[list[Any]]:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_PER_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _make_batch(
    rows: list[Conversation], *, names: list[list[str]] | None, ranges: list[list[int]] | None, counts: list[int]
) -> Any:
    return pa.record_batch(
        [
            [row.id for row in rows], [row.messages for row in rows],
            names or [None] * len(rows), ranges or [None] * len(rows), [None] * len(rows), counts,
            [row.problem for row in rows],
        ],
        schema=SCHEMA,
    )  # fmt: skip
