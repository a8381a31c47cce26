"""The facts beside an export: all columns but what a sample says and shows, in the order of its rows."""

import pyarrow.parquet as pq
import pytest
from gmai_data.publishing import row_facts
from gmai_data.publishing.row_facts import FACTS, RowFacts

COLUMNS = [
    "id", "parent_id", "kind", "language", "modality", "department", "labels", "boxes", "source", "license", "split",
    "provenance",
]  # fmt: skip


def test_the_columns():
    assert FACTS.names == COLUMNS


@pytest.mark.parametrize("rows", [1, 3, 4, 7])
def test_every_row_is_there_once_in_order(tmp_path, sample, monkeypatch, rows):
    monkeypatch.setattr(row_facts, "_ROWS_AT_ONCE", 3)
    box = {"label": "a", "xyxy": [1, 2, 3, 4]}
    with RowFacts.open(tmp_path, "NAME-train") as facts:
        for number in range(rows):
            facts.add(sample(number, boxes=[box], parent_id=f"p{number}"))
    table = pq.read_table(tmp_path / "facts" / "NAME-train.parquet")
    assert table.column_names == COLUMNS
    assert [row["id"] for row in table.to_pylist()] == [f"s#{number}" for number in range(rows)]
    assert all(row["boxes"] == [box] and row["parent_id"] == f"p{n}" for n, row in enumerate(table.to_pylist()))


def test_without_rows_there_is_no_table(tmp_path):
    with RowFacts.open(tmp_path, "NAME-train"):
        pass
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_row_without_a_column_is_a_mistake(tmp_path, sample):
    row = sample()
    del row["license"]
    with pytest.raises(KeyError, match="license"), RowFacts.open(tmp_path, "x") as facts:
        facts.add(row)
    assert not (tmp_path / "facts" / "x.parquet").exists(), "a table appears whole or not at all"
