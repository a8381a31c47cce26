from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.errors import UserError
from gmai_model.publishing.sources import Source, read_sources


def write(folder: Path, file: str = "train-0.parquet", **columns: list[Any]) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({"messages": [[]] * len(next(iter(columns.values()))), **columns}), folder / file)
    return folder


def test_samples_are_counted_by_source_and_licence(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", source=["s", "s", None, "r"], license=["MIT", "MIT", "", "CC0-1.0"])
    write(folder, "train-1.parquet", source=["s"], license=["CC0-1.0"])
    write(folder, "validation-0.parquet", source=["v"], license=["MIT"])
    assert read_sources(folder) == [
        Source("a", "not recorded", "not recorded", 1), Source("a", "r", "CC0-1.0", 1), Source("a", "s", "CC0-1.0", 1),
        Source("a", "s", "MIT", 2),
    ]  # fmt: skip


def test_a_file_without_the_columns_is_counted_too(tmp_path: Path) -> None:
    assert read_sources(write(tmp_path / "a", id=["1", "2"])) == [Source("a", "not recorded", "not recorded", 2)]
    assert read_sources(write(tmp_path / "b", source=["s"])) == [Source("b", "s", "not recorded", 1)]


def test_the_datasets_of_a_mixture_stay_apart(tmp_path: Path) -> None:
    write(tmp_path / "a", source=["s"])
    write(tmp_path / "b", source=["s"])
    (tmp_path / "mix.yaml").write_text("datasets: [{name: B, path: b}, {name: A, path: a}]")
    assert [source.dataset for source in read_sources(tmp_path / "mix.yaml")] == ["B", "A"]


def test_nothing_to_count_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no training samples in Parquet files\. --data takes the mixture that was tr"):
        read_sources(write(tmp_path / "a", source=[]))
