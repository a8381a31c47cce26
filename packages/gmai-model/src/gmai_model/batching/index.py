"""A file of samples ▶ its index in the cache: the text of every row and where its images lie, for reads in any order.

The index of a file is named by the file's digest, so that runs and stages share it. Parquet cannot be read row by row
without reading the rows around it, so where its images lie is found once, when training needs them (`images`).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute
from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically
from gmai_formats.rows.files import Format, columns_of, format_by_name, read_batches, read_rows
from gmai_formats.rows.images import FilePart, Image, find_image, images_of
from gmai_formats.rows.plain import MESSAGES, plain_rows
from gmai_formats.rows.rules import Problem, printable, shortened
from gmai_formats.rows.sample import Sample, id_of, read_row
from gmai_formats.rows.shapes import IMAGES
from gmai_formats.rows.tables import Batch, table_columns, unread_columns
from gmai_formats.state import DamagedError, damage, read_state, seal, write_state

VERSION = 9
"""Version of the index's content; raising it makes old caches invisible."""
ROWS_PER_BATCH = 1024
"""Every batch of an index but the last has as many rows, so that a row's batch needs no search."""
Folders = tuple[Path, ...]

pc: Any = cast(Any, pyarrow.compute)

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("messages", MESSAGES),
        ("image_names", pa.list_(pa.string())),  # path of each image; null for one that a table holds
        ("image_ranges", pa.list_(pa.int64())),  # tar, Arrow: offset (−1: none) and size in the file of each image
        ("first_image", pa.int64()),  # Parquet: number of the row's first image in the file
        ("n_images", pa.int32()),
        ("unlearned", pa.list_(pa.int32())),  # messages that are no target; null for none
        ("notes", pa.list_(pa.string())),  # what was read into the row, of `NOTES`; null for nothing
        ("problem", pa.string()),  # RULE: what was found
    ]
)


@dataclass(frozen=True)
class Noticed:
    """What the rows of a file have beside what is read.

    Attributes:
        missing: Names of images that boxes in pixels ask for and that are not there.
        unread: Columns, and fields of turns, that say nothing here.
    """

    missing: set[str]
    unread: set[str]


def index_path(cache: Path, digest: str) -> Path:
    """Return where the index of a file with this digest lies."""
    return cache / "index" / f"{digest}-v{VERSION}.arrow"


def seal_path(index: Path) -> Path:
    """Return where the digest of an index stands, with the images that were not there when it was written."""
    return index.with_suffix(".json")


def is_current(index: Path, folders: Folders) -> bool:
    """Return whether an index is there and whole, and no image that it lacked has come since.

    Only boxes in pixels (`objects`) need their image so early.
    """
    try:
        mark = read_state(seal_path(index))
        problem, names = damage(index, mark["index"]), list[str](mark["missing"])
    except FileNotFoundError:
        return False
    except (DamagedError, KeyError) as error:
        problem, names = str(error), []
    if problem:
        say(f"{index.parent}: {problem}; the samples are indexed again")
        return False
    return not any(isinstance(find_image(name, folders), Path) for name in names)


def write_index(file: Path, dataset: str, to: Path, folders: Folders = ()) -> None:
    """Write the index of one file.

    Args:
        file: Samples in any format of `gmai_formats.rows.files`.
        dataset: Its name in messages.
        to: The index.
        folders: Where the images are that rows name.

    Raises:
        UserError: The file is not whole, or has none of the columns that samples have.
    """
    form = format_by_name(file)
    if form is None:
        names = ", ".join(f"`{name}`" for name in columns_of(file))
        columns = f": its columns are {shortened(names, 300)}" if names else ""
        raise UserError(
            f"dataset {dataset}: {file} holds no samples{columns}. Samples have `messages` (or `conversations`, or a "
            f"question and its answer) and, with pictures, `images` (or `image`). Rename the columns, or name the file."
        )
    noticed = Noticed(set(), set())
    batches = _table_batches if form in ("parquet", "arrow") else _row_batches
    with replace_atomically(to) as handle, pa.ipc.new_file(handle, SCHEMA) as writer:
        pending: list[Any] = []
        for batch in batches(file, form, dataset, folders, noticed):
            pending.append(batch)
            if sum(map(len, pending)) >= ROWS_PER_BATCH:
                rows = pa.Table.from_batches(pending).combine_chunks()
                whole = len(rows) // ROWS_PER_BATCH * ROWS_PER_BATCH
                for start in range(0, whole, ROWS_PER_BATCH):
                    writer.write_table(rows[start : start + ROWS_PER_BATCH])
                pending = rows[whole:].to_batches()
        if pending:
            writer.write_table(pa.Table.from_batches(pending).combine_chunks())
    if form in ("parquet", "arrow"):
        noticed.unread.update(unread_columns(table_columns(file)))
    unread = sorted(map(printable, noticed.unread))
    write_state(seal_path(to), {"index": seal(to), "missing": sorted(noticed.missing), "unread": unread})


def _broken(file: Path, dataset: str, problem: Problem, place: str) -> UserError:
    return UserError(
        f"dataset {dataset}: {file} {place}: {problem.found}. {problem.must} Nothing after it can be read. Build or "
        f"download the file again."
    )


def _verdict(row: Any, folders: Folders, noticed: Noticed) -> Sample | Problem:
    verdict = read_row(row, folders)
    if isinstance(verdict, Problem) and verdict.rule == "path" and row.get("objects"):
        images = images_of(next((row[name] for name in IMAGES if row.get(name)), None))
        names = [image for image in images if isinstance(image, str)] if not isinstance(images, Problem) else []
        noticed.missing.update(name for name in names if isinstance(find_image(name, folders), Problem))
    if isinstance(verdict, Sample) and verdict.unread:
        noticed.unread.update(verdict.unread)
    return verdict


def _row_batches(file: Path, form: Format, dataset: str, folders: Folders, noticed: Noticed) -> Iterator[Any]:
    rows = ((place, row, _verdict(row, folders, noticed)) for place, row in read_rows(file, form))
    number = 0
    for batch in _batched(rows):
        ids: list[str] = []
        for place, row, verdict in batch:
            if isinstance(verdict, Problem) and verdict.ends:
                raise _broken(file, dataset, verdict, f"row {place}")
            own = verdict.id if isinstance(verdict, Sample) else id_of(row) if isinstance(row, dict) else None
            ids.append(own or f"{file.name}#{number}")
            number += 1
        yield _make_batch(ids, [verdict for _, _, verdict in batch])


def _batched(rows: Iterator[Any]) -> Generator[list[Any]]:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_PER_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _make_batch(ids: list[str], verdicts: list[Sample | Problem]) -> Any:
    samples = [verdict if isinstance(verdict, Sample) else None for verdict in verdicts]
    images: list[list[Image]] = [sample.images if sample else [] for sample in samples]
    return pa.record_batch(
        [
            ids, [sample.messages if sample else [] for sample in samples],
            [_names(own) for own in images], [_ranges(own) for own in images],
            [None] * len(ids), [len(own) for own in images], *_details(verdicts),
        ],
        schema=SCHEMA,
    )  # fmt: skip


def _details(verdicts: list[Sample | Problem]) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the columns `unlearned`, `notes` and `problem`."""
    unlearned, notes, problems = ([None] * len(verdicts) for _ in range(3))
    for number, verdict in enumerate(verdicts):
        if isinstance(verdict, Problem):
            problems[number] = cast(Any, printable(f"{verdict.rule}: {verdict.found}"))
        else:
            unlearned[number] = cast(Any, list(verdict.unlearned) or None)
            notes[number] = cast(Any, list(verdict.notes) or None)
    return unlearned, notes, problems


def _names(images: list[Image]) -> list[str | None] | None:
    if not images or not any(type(image) is str for image in images):
        return None
    return [image if isinstance(image, str) else None for image in images]


def _ranges(images: list[Image]) -> list[int] | None:
    if not any(isinstance(image, FilePart) for image in images):
        return None
    return [n for image in images for n in ((image.offset, image.size) if isinstance(image, FilePart) else (-1, 0))]


def _table_batches(file: Path, form: Format, dataset: str, folders: Folders, noticed: Noticed) -> Iterator[Any]:
    for batch in read_batches(file, form):
        if isinstance(batch, Problem):
            raise _broken(file, dataset, batch, "is not whole")
        count = len(batch.columns)
        plain = plain_rows(batch)
        others = np.flatnonzero(~plain)
        rows = batch.rows(others)
        verdicts: list[Sample | Problem] = [_verdict(row, folders, noticed) for row in rows]
        messages = batch.columns.column("messages") if plain.any() else None
        if messages is None or any(_differs(row, verdict) for row, verdict in zip(rows, verdicts, strict=True)):
            values: list[Any] = [[] for _ in range(count)] if messages is None else messages.to_pylist()
            for number, verdict in zip(others, verdicts, strict=True):
                values[number] = verdict.messages if isinstance(verdict, Sample) else []
            messages = pa.array(values, MESSAGES)
        starts = batch.first_image + np.concatenate([[0], batch.lengths[:-1].cumsum(dtype=np.int64)])
        names, ranges, *details = ([None] * count for _ in range(5))
        counts = batch.lengths.copy()
        for number, verdict, *of_row in zip(others, verdicts, *_details(verdicts), strict=True):
            if isinstance(verdict, Sample):
                counts[number] = len(verdict.images)
                names[number], ranges[number] = cast(Any, _names(verdict.images)), cast(Any, _ranges(verdict.images))
            for column, value in zip(details, of_row, strict=True):
                column[number] = value
        columns = [_ids(batch, file), messages, names, ranges, starts, counts, *details]
        arrays = [pa.array(values, field.type) if isinstance(values, list | np.ndarray) else values
                  for values, field in zip(columns, SCHEMA, strict=True)]  # fmt: skip
        yield pa.record_batch(arrays, schema=SCHEMA)


def _differs(row: dict[str, Any], verdict: Sample | Problem) -> bool:
    return isinstance(verdict, Sample) and verdict.messages != row.get("messages")


def _ids(batch: Batch, file: Path) -> Any:
    """Return the column of ids; a row that has none is known by its file and number."""
    own = batch.columns.column("id") if "id" in batch.columns.schema.names else None
    if own is not None and own.type == pa.string() and pc.min(pc.binary_length(own), skip_nulls=False).as_py():
        return own
    values = [None] * len(batch.columns) if own is None else own.to_pylist()
    return [id_of({"id": value}) or f"{file.name}#{batch.first + number}" for number, value in enumerate(values)]
