"""The Parquet schemas of docs/reference/formats.md, and a writer of few, evenly cut files."""

import io
import itertools
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gmai_formats.files import replace_atomically

from gmai_data.untyped import pa, pq

ROWS_PER_GROUP = 256
"""Rows per row group: a reader decodes one group at a time, and every row may hold an image."""
GROUP_BYTES = 16 * 2**20
"""A row group is cut before its images, each distinct one counted once, are larger than this."""
MAX_FILE_BYTES = 500_000_000
"""A file is closed once it passes this size before compression, as the Hub advises for Parquet."""

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_TEXTS = pa.list_(pa.string())
_BOXES = pa.list_(pa.struct([("label", pa.string()), ("xyxy", pa.list_(pa.int32()))]))
STRING = {"dtype": "string", "_type": "Value"}
_INT = {"dtype": "int32", "_type": "Value"}
_BOX_FEATURE = [{"label": STRING, "xyxy": [_INT]}]


def typed_schema(fields: dict[str, Any], features: dict[str, Any]) -> Any:
    """Return a schema whose metadata tell the Hugging Face `datasets` library which columns are images."""
    described = {name: features.get(name, [STRING] if kind == _TEXTS else STRING) for name, kind in fields.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": described}})}
    return pa.schema(list(fields.items()), metadata=metadata)


SAMPLES = typed_schema(
    {
        "id": pa.string(),
        "parent_id": pa.string(),
        "images": pa.list_(IMAGE),
        "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
        "kind": pa.string(),
        "language": pa.string(),
        "modality": pa.string(),
        "department": pa.string(),
        "labels": _TEXTS,
        "boxes": _BOXES,
        "source": pa.string(),
        "license": pa.string(),
        "split": pa.string(),
        "provenance": pa.string(),
    },
    {
        "images": [{"_type": "Image"}],
        "messages": [{"role": STRING, "content": STRING}],
        "boxes": _BOX_FEATURE,
    },
)

SHARD_SAMPLES = (
    SAMPLES.remove(SAMPLES.get_field_index("images"))
    .append(pa.field("annotation", pa.int64()))
    .append(pa.field("beside", pa.int64()))
)
"""Samples within a shard: instead of images each row has the row numbers of the annotations with them, or null."""

ANNOTATIONS = typed_schema(
    {
        "id": pa.string(),
        "image": IMAGE,
        "width": pa.int32(),
        "height": pa.int32(),
        "sha256": pa.string(),
        "modality": pa.string(),
        "department": pa.string(),
        "clinical_task": pa.string(),
        "anatomy": pa.string(),
        "task": pa.string(),
        "labels": _TEXTS,
        "absent": _TEXTS,
        "incomplete": _TEXTS,
        "boxes": _BOXES,
        "split": pa.string(),
        "group": pa.string(),
        "source": pa.string(),
        "license": pa.string(),
        "provenance": pa.string(),
    },
    {"image": {"_type": "Image"}, "width": _INT, "height": _INT, "boxes": _BOX_FEATURE},
)

QUESTIONS = typed_schema(
    {
        "id": pa.string(),
        "images": pa.list_(IMAGE),
        "question": pa.string(),
        "choices": _TEXTS,
        "reference": pa.string(),
        "image_id": pa.string(),
        "asks": pa.string(),
        "modality": pa.string(),
        "department": pa.string(),
        "source": pa.string(),
        "license": pa.string(),
    },
    {"images": [{"_type": "Image"}]},
)


Image = tuple[bytes, str]
"""(encoded picture, file name)."""


def _with_dictionaries(schema: Any) -> Any:
    """Return the schema with images as dictionaries: a repeated one is written without comparing its bytes."""
    image = pa.struct(
        [("bytes", pa.dictionary(pa.int32(), pa.binary())), ("path", pa.dictionary(pa.int32(), pa.string()))]
    )
    for number, name in enumerate(schema.names):
        if name in ("image", "images"):
            schema = schema.set(number, pa.field(name, image if name == "image" else pa.list_(image)))
    return schema


def _leaves(schema: Any) -> list[str]:
    """Return the paths of the columns as Parquet stores them, `boxes.list.element.label`."""
    with io.BytesIO() as file:
        pq.write_metadata(schema, file)
        stored = pq.ParquetFile(file).schema
        return [stored.column(number).path for number in range(len(stored.names))]


def _images(column: Sequence[Any] | None, rows: int) -> list[list[Image]]:
    """Return the images of each row from the values of its column, one `{bytes, path}` or a list of them."""
    if column is None:
        return [[]] * rows
    lists: list[list[dict[str, Any]]] = [value if isinstance(value, list) else [value] for value in column]
    return [[(image["bytes"], image["path"]) for image in images] for images in lists]


class TableFiles:
    """Writes rows into `<folder>/<stem>-00000.parquet`, `-00001` …; each file appears whole or not at all.

    The cut depends on the rows alone, so the same rows give the same bytes. An image that several rows of a row group
    show is stored in it once. Close it, or use it in a `with` block: a block that ends with an error leaves no file
    behind.

    Args:
        folder: Where the files go.
        stem: First part of their names.
        schema: One of the schemas above, or any without an `image` or `images` column.
        single: Write `<stem>.parquet`, however large it becomes.
        rows_per_group: More of them are written faster, where no row holds an image.
        durable: See `replace_atomically`.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        schema: Any,
        *,
        single: bool = False,
        rows_per_group: int = ROWS_PER_GROUP,
        durable: bool = True,
    ) -> None:
        self._durable = durable
        self._folder, self._stem, self._single, self._rows_per_group = folder, stem, single, rows_per_group
        self._schema, self._written_schema = schema, _with_dictionaries(schema)
        self._image_column = next((name for name in ("image", "images") if name in schema.names), None)
        # The images are packed already. Columns that are not named would not be packed.
        self._compression = {path: "none" if path.endswith("bytes") else "zstd" for path in _leaves(schema)}
        self._plain_schema = pa.schema([field for field in schema if field.name != self._image_column])
        self._waiting_rows: list[dict[str, Any]] = []
        self._waiting: list[Any] = []
        self._waiting_images: list[list[Image]] = []
        self._waiting_names: set[str] = set()
        self._waiting_bytes = self._file_bytes = self._files = self.rows = 0
        self._stack: ExitStack | None = None
        self._writer: Any = None

    def add_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows given as dictionaries of the schema's columns."""
        self.rows += len(rows)
        self._waiting_rows.extend(rows)
        if len(self._waiting_rows) >= self._rows_per_group:
            self._add_waiting_rows()

    def add(self, table: Any, images: Sequence[list[Image]] | None = None) -> None:
        """Append the rows of a table of the schema.

        Args:
            table: Its image column may be left out where `images` are given.
            images: The images of each row; rows that show the same image share its bytes.
        """
        self._add_waiting_rows()
        self.rows += table.num_rows
        if images is None:
            column = None if self._image_column is None else table.column(self._image_column).to_pylist()
            images = _images(column, table.num_rows)
        self._add(table.select(self._plain_schema.names), images)

    def _add_waiting_rows(self) -> None:
        rows, self._waiting_rows = self._waiting_rows, []
        if rows:
            column = None if self._image_column is None else [row[self._image_column] for row in rows]
            self._add(pa.Table.from_pylist(rows, schema=self._plain_schema), _images(column, len(rows)))

    def _add(self, table: Any, images: Sequence[list[Image]]) -> None:
        start = 0
        for row, shown in enumerate(images):
            new_bytes = 0
            if shown:
                new_bytes = sum(len(encoded) for encoded, name in shown if name not in self._waiting_names)
            waiting = len(self._waiting_images)
            if waiting == self._rows_per_group or (waiting and self._waiting_bytes + new_bytes > GROUP_BYTES):
                self._waiting.append(table.slice(start, row - start))
                start = row
                self._write_group()
                new_bytes = sum(len(encoded) for encoded, _ in shown)
            self._waiting_images.append(shown)
            if shown:
                self._waiting_names.update(name for _, name in shown)
                self._waiting_bytes += new_bytes
        self._waiting.append(table.slice(start))

    def _write_group(self) -> None:
        if self._writer is None:
            self._stack = ExitStack()
            name = f"{self._stem}.parquet" if self._single else f"{self._stem}-{self._files:05d}.parquet"
            file = self._stack.enter_context(replace_atomically(self._folder / name, durable=self._durable))
            # Arrow's own schema is not stored: it would make readers return the images as dictionaries, too.
            options = {"compression": self._compression, "dictionary_pagesize_limit": 2**30, "store_schema": False}
            self._writer = self._stack.enter_context(pq.ParquetWriter(file, self._written_schema, **options))
            self._writer.add_key_value_metadata(self._schema.metadata or {})
            self._files += 1
        plain = pa.concat_tables(self._waiting).combine_chunks()
        columns = [
            self._image_array() if name == self._image_column else plain.column(name) for name in self._schema.names
        ]
        self._writer.write_table(pa.table(columns, schema=self._written_schema), row_group_size=self._rows_per_group)
        self._file_bytes += plain.nbytes + self._waiting_bytes
        self._waiting, self._waiting_images, self._waiting_names, self._waiting_bytes = [], [], set(), 0
        if self._file_bytes >= MAX_FILE_BYTES and not self._single:
            self._close_file()

    def _image_array(self) -> Any:
        """Return the images of the waiting rows, each distinct one once."""
        shown = [image for images in self._waiting_images for image in images]
        names = [name for _, name in shown]
        # By its name: to hash the bytes of every image takes longer than to compare those of equal names.
        first: dict[str, bytes] = {}
        keys = [name if first.setdefault(name, encoded) == encoded else encoded for encoded, name in shown]
        parts: list[Any] = []
        for values, of, kind in (([encoded for encoded, _ in shown], keys, pa.binary()), (names, names, pa.string())):
            distinct = dict(zip(of, values, strict=True))
            positions = {key: position for position, key in enumerate(distinct)}
            indices = pa.array([positions[key] for key in of], pa.int32())
            parts.append(pa.DictionaryArray.from_arrays(indices, pa.array(list(distinct.values()), kind)))
        images = pa.StructArray.from_arrays(parts, ["bytes", "path"])
        if self._image_column == "image":
            return images
        ends = itertools.accumulate((len(images) for images in self._waiting_images), initial=0)
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), images)

    def _close_file(self) -> None:
        if self._stack is not None:
            self._stack.close()
        self._stack = self._writer = None
        self._file_bytes = 0

    def close(self) -> None:
        """Write what waits and close the last file; without any row no file is written."""
        self._add_waiting_rows()
        if self._waiting_images:
            self._write_group()
        self._close_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif self._stack is not None:
            self._stack.__exit__(kind, error, traceback)
