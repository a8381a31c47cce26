"""The Parquet schemas of docs/reference/formats.md, and a writer of few, evenly cut files."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gmai_cli.files import replace_atomically

from gmai_data.untyped import pa, pq

ROWS_PER_GROUP = 256
"""Rows per row group: a reader decodes one group at a time, and every row may hold an image."""
MAX_FILE_BYTES = 500_000_000
"""A file is closed once its images pass this size before compression, as the Hub advises for Parquet."""

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_TEXTS = pa.list_(pa.string())
_BOXES = pa.list_(pa.struct([("label", pa.string()), ("xyxy", pa.list_(pa.int32()))]))
_STRING = {"dtype": "string", "_type": "Value"}
_INT = {"dtype": "int32", "_type": "Value"}
_BOX_FEATURE = [{"label": _STRING, "xyxy": [_INT]}]


def _schema(fields: dict[str, Any], features: dict[str, Any]) -> Any:
    """Return a schema whose metadata tell the Hugging Face `datasets` library which columns are images."""
    described = {name: features.get(name, [_STRING] if kind == _TEXTS else _STRING) for name, kind in fields.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": described}})}
    return pa.schema(list(fields.items()), metadata=metadata)


SAMPLES = _schema(
    {
        "id": pa.string(),
        "parent_id": pa.string(),
        "images": pa.list_(_IMAGE),
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
        "messages": [{"role": _STRING, "content": _STRING}],
        "boxes": _BOX_FEATURE,
    },
)

ANNOTATIONS = _schema(
    {
        "id": pa.string(),
        "image": _IMAGE,
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
        "boxes": _BOXES,
        "split": pa.string(),
        "group": pa.string(),
        "source": pa.string(),
        "license": pa.string(),
        "provenance": pa.string(),
    },
    {"image": {"_type": "Image"}, "width": _INT, "height": _INT, "boxes": _BOX_FEATURE},
)

QUESTIONS = _schema(
    {
        "id": pa.string(),
        "images": pa.list_(_IMAGE),
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


class TableFiles:
    """Writes rows into `<folder>/<stem>-00000.parquet`, `-00001` …; each file appears whole or not at all.

    The cut depends on the rows alone, so the same rows give the same bytes. Close it, or use it in a `with` block: a
    block that ends with an error leaves no file behind.
    """

    def __init__(self, folder: Path, stem: str, schema: Any) -> None:
        self._folder, self._stem, self._schema = folder, stem, schema
        self._waiting: list[Any] = []
        self._waiting_rows = self._file_bytes = self._files = self.rows = 0
        self._stack: ExitStack | None = None
        self._writer: Any = None

    def add_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows given as dictionaries of the schema's columns."""
        if rows:
            self.add(pa.Table.from_pylist(list(rows), schema=self._schema))

    def add(self, table: Any) -> None:
        """Append the rows of a table of the schema."""
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self.rows += table.num_rows
        while self._waiting_rows >= ROWS_PER_GROUP:
            whole = pa.concat_tables(self._waiting)
            self._write_group(whole.slice(0, ROWS_PER_GROUP))
            rest = whole.slice(ROWS_PER_GROUP)
            self._waiting, self._waiting_rows = [rest], rest.num_rows

    def _write_group(self, table: Any) -> None:
        if self._writer is None:
            self._stack = ExitStack()
            file = self._stack.enter_context(
                replace_atomically(self._folder / f"{self._stem}-{self._files:05d}.parquet")
            )
            # Rows about one image stand together, so its bytes are stored once per row group, in the dictionary.
            self._writer = self._stack.enter_context(
                pq.ParquetWriter(file, self._schema, compression="zstd", dictionary_pagesize_limit=2**26)
            )
            self._files += 1
        self._writer.write_table(table.combine_chunks(), row_group_size=ROWS_PER_GROUP)
        self._file_bytes += table.nbytes
        if self._file_bytes >= MAX_FILE_BYTES:
            self._close_file()

    def _close_file(self) -> None:
        if self._stack is not None:
            self._stack.close()
        self._stack = self._writer = None
        self._file_bytes = 0

    def close(self) -> None:
        """Write what waits and close the last file; without any row no file is written."""
        if self._waiting_rows:
            self._write_group(pa.concat_tables(self._waiting))
        self._waiting, self._waiting_rows = [], 0
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
