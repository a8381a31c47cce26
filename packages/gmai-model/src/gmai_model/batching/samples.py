"""The samples of a mixture, by number: Parquet rows of `images` + `messages`, memory-mapped through `datasets`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gmai_cli.errors import UserError

from gmai_model.batching.mixture import Mixture, MixtureEntry, parquet_files, take_share


@dataclass(frozen=True)
class Sample:
    """One conversation."""

    id: str
    messages: list[dict[str, str]]
    images: list[bytes]
    """Encoded files (PNG, JPEG), in the order of the `<image>` placeholders."""


class SampleTable:
    """The rows of one dataset."""

    def __init__(self, entry: MixtureEntry, files: list[Path], cache: Path) -> None:
        import datasets

        datasets.disable_progress_bars()
        self.name = entry.name
        try:
            table = datasets.Dataset.from_parquet([str(file) for file in files], cache_dir=str(cache))
        except Exception as error:
            raise UserError(
                f"dataset {entry.name}: {files[0]} (or one of its {len(files)} files) is not readable as Parquet: "
                f"{type(error.__cause__ or error).__name__}: {error.__cause__ or error}. Build or download it again."
            ) from error
        missing = {"id", "messages"} - set(table.column_names)
        if missing:
            raise UserError(
                f"{files[0]}: no column {sorted(missing)[0]!r}; found {', '.join(table.column_names)}. "
                f"Samples have `id`, `messages` and, with pictures, `images`."
            )
        self._has_images = "images" in table.column_names
        wanted = ["id", "messages", *(["images"] if self._has_images else [])]
        # Plain Arrow rows: the images stay encoded, and no cast writes the table to disk a second time.
        self._table: Any = table.select_columns(wanted).with_format("arrow")
        self.ids: list[str] = self._table["id"][:].to_pylist()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> Sample:
        values: dict[str, Any] = self._table[row].to_pylist()[0]
        images = [image["bytes"] for image in values["images"] or []] if self._has_images else []
        return Sample(values["id"], values["messages"], images)


@dataclass(frozen=True)
class MixtureShare:
    """One line of the effective mixture."""

    name: str
    available: int
    ratio: float
    used: int


class SampleSource:
    """All samples that one stage (or its validation) sees, numbered from 0.

    Args:
        mixture: The datasets and their shares.
        root: The folder that the mixture's paths are relative to.
        stage: 1, 2 or 3.
        split: `train`, or `validation`, of which everything is taken.
        seed: Of the shares.
        cache: Where the memory-mapped copies go.
    """

    def __init__(self, mixture: Mixture, root: Path, *, stage: int, split: str, seed: int, cache: Path) -> None:
        self.tables: list[SampleTable] = []
        self.shares: list[MixtureShare] = []
        numbers: list[np.ndarray] = []
        for entry in mixture.datasets:
            ratio = entry.ratio.get(stage, 0.0)
            files = parquet_files(entry, root, split=split) if ratio > 0 else []
            if not files:
                continue
            table = SampleTable(entry, files, cache)
            rows = take_share(table.ids, ratio if split == "train" else 1.0, seed=seed)
            numbers.append(np.stack([np.full_like(rows, len(self.tables)), rows], axis=1))
            self.tables.append(table)
            self.shares.append(MixtureShare(entry.name, len(table), ratio, len(rows)))
        self._where = np.concatenate(numbers) if numbers else np.empty((0, 2), dtype=np.int64)
        if split == "train" and len(self) == 0:
            raise UserError(
                f"the mixture has no sample for stage {stage}: every ratio is 0 or every dataset is empty. "
                f"Give a dataset a ratio above 0 for this stage."
            )

    def __len__(self) -> int:
        return len(self._where)

    def __getitem__(self, number: int) -> Sample:
        table, row = self._where[number]
        return self.tables[table][int(row)]
