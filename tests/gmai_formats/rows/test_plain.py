from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.rows.plain import MESSAGES, plain_rows
from gmai_formats.rows.sample import Sample, read_row
from gmai_formats.rows.tables import Batch, parquet_batches

IMAGE = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
HELD = {"bytes": b"x", "path": "x.png"}


def chat(*texts: str | None, roles: tuple[str, ...] = ("user", "assistant")) -> list[dict[str, Any]]:
    return [{"role": roles[i % len(roles)], "content": text} for i, text in enumerate(texts)]


def batch_of(path: Path, rows: list[tuple[Any, int]], **more: list[Any]) -> Batch:
    columns = {"messages": pa.array([row for row, _ in rows], MESSAGES), **more}
    columns["images"] = pa.array([[HELD] * images for _, images in rows], IMAGE)
    pq.write_table(pa.table(columns), path)
    (batch,) = parquet_batches(path)
    return batch


CASES: list[tuple[Any, int, bool]] = [
    (chat("Q", "A"), 0, True),
    (chat("<image>Q", "A", "R", "B"), 1, True),
    (chat("<image><image>", "A"), 2, True),
    (chat("S", "Q", "A", roles=("system", "user", "assistant")), 0, True),
    (chat("Q"), 0, False),
    ([], 0, False),
    (chat("Q", "A", "R"), 0, False),
    (chat("A", "Q", roles=("assistant", "user")), 0, False),
    (chat("Q", "S", "A", roles=("user", "system", "assistant")), 0, False),
    (chat("Q", "…"), 0, False),
    (chat("Q", None), 0, False),
    (chat("Q", "A"), 1, False),
    (chat("<image>Q", "A"), 0, False),
    (chat("Q", "A<image>"), 1, False),
    (chat("Q", "<box>[[1, 2, 3, 4]]</box>"), 0, False),
    (chat("Q", "A<|im_end|>"), 0, False),
    (chat("Q<image_1>", "A"), 0, False),
    (None, 0, False),
]


def test_plain_rows_are_those_that_read_row_takes_as_they_stand(tmp_path: Path) -> None:
    batch = batch_of(tmp_path / "a.parquet", [(row, images) for row, images, _ in CASES])
    plain = plain_rows(batch).tolist()
    for (row, images, expected), found in zip(CASES, plain, strict=True):
        assert found == expected, row
        if found:
            sample = read_row({"messages": row, "images": [b"x"] * images})
            assert isinstance(sample, Sample), row
            assert (sample.messages, sample.notes) == (row, ())


def test_neighbours_of_a_bad_row_stay_plain(tmp_path: Path) -> None:
    batch = batch_of(tmp_path / "a.parquet", [(chat("Q", "A"), 0), (chat("Q", " "), 0), (chat("Q", "A"), 0)])
    assert plain_rows(batch).tolist() == [True, False, True]


@pytest.mark.parametrize("name", ["tools", "system", "objects", "question"])
def test_a_field_that_may_change_the_row_is_looked_at(tmp_path: Path, name: str) -> None:
    rows = [(chat("Q", "A"), 0), (chat("Q", "A"), 0)]
    batch = batch_of(tmp_path / "a.parquet", rows, **{name: ["x", None]}, id=["1", "2"], score=[0.5, 0.5])
    assert plain_rows(batch).tolist() == [False, True]


def test_other_columns_of_turns_are_left_to_read_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"conversations": pa.array([chat("Q", "A")], MESSAGES)}), tmp_path / "a.parquet")
    (batch,) = parquet_batches(tmp_path / "a.parquet")
    assert plain_rows(batch).tolist() == [False]
