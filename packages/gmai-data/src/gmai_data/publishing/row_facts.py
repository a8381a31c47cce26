"""What an export's own format has no place for (kind, language, labels, boxes, provenance …), beside it, by id."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gmai_data.tables import SAMPLES, TableFiles
from gmai_data.untyped import pa

FACTS = pa.schema([field for field in SAMPLES if field.name not in ("images", "messages")])
"""The columns of `facts/NAME-SPLIT.parquet`: those of a sample, without what it says and shows."""

_ROWS_AT_ONCE = 256


class RowFacts:
    """Collects the facts of rows, in their order."""

    def __init__(self, table: TableFiles) -> None:
        self._table = table
        self._waiting: list[dict[str, Any]] = []

    @classmethod
    @contextmanager
    def open(cls, folder: Path, stem: str) -> Generator["RowFacts"]:
        """Begin `facts/STEM.parquet` below an export's folder."""
        with TableFiles(folder / "facts", stem, FACTS, single=True) as table:
            facts = cls(table)
            yield facts
            facts._flush()

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a row's facts."""
        self._waiting.append({name: row[name] for name in FACTS.names})
        if len(self._waiting) == _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._table.add_rows(self._waiting)
        self._waiting = []
