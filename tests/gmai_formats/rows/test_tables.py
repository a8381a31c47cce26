from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.rows.images import FilePart, InTable
from gmai_formats.rows.tables import (
    arrow_batches,
    columns_to_read,
    flat_images,
    image_column,
    parquet_batches,
    parquet_rows,
    table_columns,
)

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def image(content: bytes | None, path: str | None = None) -> dict[str, Any]:
    return {"bytes": content, "path": path}


def table(images: list[Any], kind: Any = None, **more: list[Any]) -> Any:
    columns = {"question": [f"Q{i}" for i in range(len(images))], "answer": ["A"] * len(images), **more}
    return pa.table({**columns, "images": pa.array(images, kind or pa.list_(IMAGE))})


def parquet(path: Path, content: Any, **options: Any) -> Path:
    pq.write_table(content, path, **options)
    return path


@pytest.mark.parametrize(("names", "column"), [(["image", "images"], "images"), (["x", "img"], "img"), (["x"], None)])
def test_images_are_in_the_first_column_that_holds_some(names: list[str], column: str | None) -> None:
    assert image_column(names) == column


def test_images_of_a_column_end_to_end() -> None:
    lengths, flat = flat_images(pa.array([["a", "b"], None, [], ["c"]]))
    assert (lengths.tolist(), flat.to_pylist()) == ([2, 0, 0, 1], ["a", "b", "c"])
    lengths, flat = flat_images(pa.array(["a", None, "c"]))
    assert (lengths.tolist(), flat.to_pylist()) == ([1, 0, 1], ["a", "c"])


def test_images_that_a_file_holds_are_numbered_over_its_row_groups(tmp_path: Path) -> None:
    rows = [[image(b"0", "0.png")], [], [image(b"1", "1.png"), image(b"2", "2.png")], [image(b"3", "3.png")]]
    batches = list(parquet_batches(parquet(tmp_path / "a.parquet", table(rows), row_group_size=2)))
    assert [(batch.first, batch.first_image, batch.lengths.tolist(), batch.images) for batch in batches] == [
        (0, 0, [1, 0], None),
        (2, 1, [2, 1], None),
    ]
    second = batches[1].rows(np.array([0, 1]))
    assert second[0] == {"question": "Q2", "answer": "A", "images": [InTable(1), InTable(2)]}
    assert second[1]["images"] == [InTable(3)]
    assert batches[1].rows(np.array([], dtype=int)) == []
    assert batches[0].columns.schema.names == ["question", "answer"]


def test_an_image_without_bytes_is_its_path(tmp_path: Path) -> None:
    rows = [[image(b"0", "0.png"), image(None, "1.png")], [image(None, "2.png")]]
    (batch,) = parquet_batches(parquet(tmp_path / "a.parquet", table(rows)))
    assert batch.images == [InTable(0), "1.png", "2.png"]
    paths = [[image(None, "a.png")], [image(None, "b.png")]]
    (batch,) = parquet_batches(parquet(tmp_path / "b.parquet", table(paths)))
    assert batch.images == ["a.png", "b.png"]


def test_boxes_in_pixels_ask_for_the_bytes(tmp_path: Path) -> None:
    content = table([[image(b"0", "0.png")], [image(b"1")]], objects=[{"ref": ["x"]}, None])
    (batch,) = parquet_batches(parquet(tmp_path / "a.parquet", content))
    assert batch.images == [b"0", b"1"]
    assert batch.rows(np.array([1]))[0]["images"] == [b"1"]


def test_columns_that_no_verdict_depends_on_are_named_and_not_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", table([[image(b"0", "x")]], score=[0.5], source=["s"]))
    assert columns_to_read(pq.read_schema(path)) == ["question", "answer", "images"]
    ((number, row),) = parquet_rows(path, frozenset({"source"}))
    assert number == 0
    assert row == {"question": "Q0", "answer": "A", "images": [image(b"0", "x")], "source": "s", "score": None}
    assert table_columns(path) == ["question", "answer", "score", "source", "images"]


def test_without_a_column_of_images_what_could_be_one_is_read() -> None:
    schema = pa.schema([("question", pa.string()), ("scan", pa.string()), ("raw", pa.binary()), ("n", pa.int64())])
    assert columns_to_read(schema) == ["question", "scan", "raw"]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), IMAGE, pa.list_(IMAGE)])
def test_an_image_of_an_arrow_file_is_where_it_lies(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "a.arrow"
    contents: list[Any] = [b"first", b"second", b"third"]
    if kind not in (pa.binary(), pa.large_binary()):
        contents = [image(content, "x.png") for content in contents]
    content = table([[one] for one in contents] if kind == pa.list_(IMAGE) else contents, kind)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content, max_chunksize=2)
    one, two = arrow_batches(path)
    assert (one.lengths.tolist(), two.lengths.tolist(), two.first, two.first_image) == ([1, 1], [1], 2, 2)
    parts = [*(one.images or []), *(two.images or [])]
    assert [part.read() for part in parts if isinstance(part, FilePart)] == [b"first", b"second", b"third"]
    assert {part.file for part in parts if isinstance(part, FilePart)} == {path}
    assert table_columns(path) == ["question", "answer", "images"]


def test_a_compressed_arrow_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    content = table([b"x" * 5000], pa.binary())
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, content.schema, options=options) as writer:
        writer.write_table(content)
    with pytest.raises(
        pa.ArrowInvalid, match="the file is compressed, so that its images cannot be read where they lie"
    ):
        list(arrow_batches(path))
