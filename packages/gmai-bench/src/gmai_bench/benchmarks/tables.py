"""Read Parquet tables of questions with errors that name file, row, rule and remedy."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError, did_you_mean

_ROWS_AT_ONCE = 64


def read_rows(files: Sequence[Path], columns: Sequence[str], *, named_in: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `(place, row)` of several Parquet files, a few rows in memory at a time.

    Args:
        files: Parquet files, read in the order given.
        columns: Columns to read; every one must be there.
        named_in: What asked for these columns, for the message about an unknown one.

    Raises:
        UserError: A file is missing, no Parquet, truncated, or lacks a column.
    """
    pa: Any = importlib.import_module("pyarrow")  # has no types
    pq: Any = importlib.import_module("pyarrow.parquet")
    for path in files:
        if not path.is_file():
            raise UserError(
                f"{path}: no such file. {named_in} names it as the file of its questions. "
                f"Correct the path, or copy the file there."
            )
        try:
            with pq.ParquetFile(path) as file:
                known = cast("list[str]", file.schema_arrow.names)
                for column in columns:
                    if column not in known:
                        raise UserError(
                            f'{path}: no column "{column}". {named_in} asks for it.{did_you_mean(column, known)}'
                        )
                row_number = 0
                for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(dict.fromkeys(columns))):
                    for row in cast("list[dict[str, Any]]", batch.to_pylist()):
                        row_number += 1
                        yield f"{path} row {row_number}", row
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"{path}: not readable as Parquet ({reason}). "
                f"A questions file must be a whole Parquet file. Copy or download it again."
            ) from error


def image_bytes(value: Any, *, place: str, folder: Path) -> list[bytes]:
    """Return the encoded images of one cell.

    Args:
        value: A Hugging Face `Image` struct `{bytes, path}`, a path (relative to `folder`), or a list of either.
        place: File and row, for messages.
        folder: Where the paths start.
    """
    if value is None:
        return []
    if isinstance(value, list):
        return [image for entry in cast("list[Any]", value) for image in image_bytes(entry, place=place, folder=folder)]
    if isinstance(value, bytes):
        return [value]
    path: Any = value
    if isinstance(value, Mapping):
        struct = cast("Mapping[str, Any]", value)
        if struct.get("bytes"):
            return [cast("bytes", struct["bytes"])]
        path = struct.get("path")
    if not isinstance(path, str) or not path:
        raise UserError(
            f"{place}: an image has neither bytes nor a path. Each image is a struct {{bytes, path}} or a path. "
            f"Write the encoded image into `bytes`."
        )
    return [read_image_file(folder / path, place=place)]


def read_image_file(path: Path, *, place: str) -> bytes:
    """Return the bytes of an image file, or explain which question misses it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{place}: the image {path} cannot be read ({error.strerror}). "
            f"Every image that a question names must be there. Complete the copy of the images."
        ) from error
