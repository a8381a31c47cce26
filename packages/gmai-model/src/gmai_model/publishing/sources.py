"""Where the samples come from, and under which licences: counted over the `source` and `license` columns."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from gmai_formats.errors import UserError
from gmai_formats.rows.mixtures import load_mixture

from gmai_model.batching.sources import parquet_files


@dataclass(frozen=True)
class Source:
    """One source dataset under one licence."""

    dataset: str
    source: str
    licence: str
    samples: int
    languages: tuple[str, ...] = ()
    """Of its samples, by their `language` column; none where there is no such column."""


def read_sources(data: Path) -> list[Source]:
    """Count the training samples of a mixture by dataset, source and licence.

    Raises:
        UserError: The mixture is not readable, or a dataset of it is not Parquet, which alone has the columns.
    """
    mixture, root = load_mixture(data)
    found: list[Source] = []
    for entry in mixture.datasets:
        counts: Counter[tuple[str, str]] = Counter()
        languages: dict[tuple[str, str], set[str]] = {}
        for file in parquet_files(entry, root, split="train"):
            parquet = pq.ParquetFile(file)
            names = [name for name in ("source", "license", "language") if name in parquet.schema_arrow.names]
            for batch in parquet.iter_batches(columns=names, batch_size=65536) if names else ():
                columns: list[Any] = [
                    batch.column(name).to_pylist() if name in names else [None] * len(batch)
                    for name in ("source", "license", "language")
                ]
                for source, licence, language in zip(*columns, strict=True):
                    key = (source or "not recorded", licence or "not recorded")
                    counts[key] += 1
                    languages.setdefault(key, set()).update([language] if language else [])
            if not names:
                counts["not recorded", "not recorded"] += parquet.metadata.num_rows
        found += [
            Source(entry.name, *key, samples, tuple(sorted(languages.get(key, ()))))
            for key, samples in sorted(counts.items())
        ]
    if not found:
        raise UserError(f"{data}: no training samples in Parquet files. --data takes the mixture that was trained on.")
    return found
