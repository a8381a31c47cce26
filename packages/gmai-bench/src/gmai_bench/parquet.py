"""Rows of Parquet files, whose reader is an extra: it alone is larger than everything else that the package needs."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install


def parquet_rows(
    path: Path, columns: Callable[[list[str]], Sequence[str]], *, at_once: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `(place, row)` of a Parquet file.

    Args:
        path: The file.
        columns: Its columns ▶ those to read.
        at_once: Rows that are held at a time, fewer where they are long.

    Raises:
        UserError: It is not readable, or its reader is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise UserError(
            f"{path}: Parquet files need pyarrow ({error}). Install it with `{pip_install('gmai-bench[parquet]')}`; "
            f"JSON, JSON Lines, CSV and TSV need nothing more."
        ) from error
    from gmai_formats.rows.tables import open_parquet, rows_at_once

    pa: Any = pyarrow  # has no types
    try:
        with open_parquet(path) as file:
            wanted = list(dict.fromkeys(columns(cast("list[str]", file.schema_arrow.names))))
            number = 0
            for batch in file.iter_batches(batch_size=rows_at_once(file, wanted, at_once), columns=wanted):
                for row in cast("list[dict[str, Any]]", batch.to_pylist()):
                    number += 1
                    yield f"{path} row {number}", row
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(
            f"{path}: not readable as Parquet ({reason}). It must be a whole Parquet file. Copy or download it again."
        ) from error
