from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.rows import tables
from gmai_formats.rows.images import FilePart, InTable
from gmai_formats.rows.tables import (
    arrow_batches,
    columns_to_read,
    flat_images,
    held_bytes,
    image_column,
    image_fields,
    may_hold_image,
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


@pytest.mark.parametrize(
    "kinds",
    [
        {"image": pa.string_view(), "question": pa.string_view()},
        {"image": pa.dictionary(pa.int32(), pa.string())},
        {"image": pa.list_(pa.string(), 1), "answer": pa.large_string()},
        {"image": pa.large_list(pa.large_string())},
    ],
)
def test_texts_and_lists_of_every_kind_are_read_alike(tmp_path: Path, kinds: dict[str, Any]) -> None:
    values = {"question": ["<image>Q"] * 3, "answer": ["A"] * 3, "image": ["a.png"] * 3}
    of_list = "list" in str(kinds["image"])
    arrays = {name: pa.array([[each] for each in column] if of_list and name == "image" else column, kinds.get(name))
              for name, column in values.items()}  # fmt: skip
    pq.write_table(pa.table(arrays), tmp_path / "a.parquet")
    (batch,) = parquet_batches(tmp_path / "a.parquet")
    assert batch.rows(np.array([0, 2])) == [{"question": "<image>Q", "answer": "A", "image": ["a.png"]}] * 2
    assert may_hold_image(kinds["image"], names=True)


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
        pa.ArrowInvalid, match=r"the file is compressed, or its images .* cannot be read where they lie"
    ):
        list(arrow_batches(path))


@pytest.mark.parametrize(
    ("images", "kind", "found"),
    [
        ([b"a", None], pa.binary(), [b"a", None]),
        ([b"a", b"b"], pa.binary(1), [b"a", b"b"]),
        (["a.png"], pa.string(), [None]),
        ([[1, 2]], pa.list_(pa.uint8()), [None]),
        ([[*b"BM is it"], [-1, *b"M"], []], pa.list_(pa.int64()), [b"BM is it", None, None]),
        ([{"bytes": None, "data": b"d"}, None], pa.struct([("bytes", pa.binary()), ("data", pa.large_binary())]),
         [b"d", None]),
        ([{"scan": b"s"}], pa.struct([("scan", pa.binary())]), [None]),
    ],
)  # fmt: skip
def test_bytes_are_found_whatever_type_holds_them(images: list[Any], kind: Any, found: list[Any]) -> None:
    assert held_bytes(pa.array(images, kind)).to_pylist() == found
    whole = pa.array([*images[:1], *images], kind)
    assert held_bytes(whole[1:]).to_pylist() == found


def test_numbers_of_an_arrow_file_are_read_in_place_or_refused(tmp_path: Path) -> None:
    path, content = tmp_path / "a.arrow", b"GIF89a, in bytes"

    def write(kind: Any) -> None:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema(kind)) as writer:
            writer.write_table(table([list(content)] * 2, pa.list_(kind)))

    def schema(kind: Any) -> Any:
        return table([list(content)], pa.list_(kind)).schema

    write(pa.uint8())
    (batch,) = arrow_batches(path)
    assert [image.read() for image in batch.images or [] if isinstance(image, FilePart)] == [content] * 2
    write(pa.int64())
    with pytest.raises(pa.ArrowInvalid, match="a type other than binary"):
        list(arrow_batches(path))


def part(kind: str, held: Any = None) -> dict[str, Any]:
    return {"type": kind, "text": "Q" if kind == "text" else None, "image": held}


def typed(*held: Any) -> Any:
    """Rows of turns that hold their images themselves; `None` in place of an image for a part of text."""
    content = [[part("text"), *(part("text" if own is None else "image", own) for own in row)] for row in held]
    return pa.Table.from_pylist([{"messages": [{"role": "user", "content": own}]} for own in content], schema=TYPED)


TYPED = pa.schema([
    ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.list_(pa.struct([
        ("type", pa.string()), ("text", pa.string()), ("image", IMAGE)])))]))),
])  # fmt: skip
EMPTY = {"bytes": None, "path": None}


def images_in(row: dict[str, Any]) -> list[Any]:
    return [own["image"] for turn in row["messages"] for own in turn["content"] if own["type"] == "image"]


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_images_in_turns_are_numbered_in_their_order(
    tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_ROWS_WITH_IMAGES", 3)
    rows = typed([image(b"0")], [None, EMPTY], [image(b"1"), None, image(None, "a.png"), image(b"2")], [image(b"3")])
    assert image_fields(TYPED) == ("messages", "content", "image")
    path = parquet(tmp_path / "a.parquet", rows, row_group_size=3, compression=compression)
    batches = list(parquet_batches(path))
    assert [(batch.lengths.tolist(), batch.first_image) for batch in batches] == [([1, 0, 3], 0), ([1], 4)]
    found = [images_in(row) for batch in batches for row in batch.rows(np.arange(len(batch.columns)))]
    assert found == [[InTable(0)], [EMPTY], [InTable(1), "a.png", InTable(3)], [InTable(4)]]
    assert [images_in(row)[-1:] for _, row in parquet_rows(path, frozenset())][3] == [image(b"3")]


def test_images_in_turns_of_a_saved_dataset_are_read_where_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, TYPED) as out:
        out.write_table(typed([image(b"zero")], [None], [image(None, "a.png"), image(b"two")]))
    (batch,) = arrow_batches(path)
    first, _, third = (images_in(row) for row in batch.rows(np.arange(3)))
    assert [own.read() for own in (first[0], third[1])] == [b"zero", b"two"]
    assert third[0] == "a.png"


def test_one_place_holds_the_images_of_a_table(tmp_path: Path) -> None:
    assert image_fields(TYPED.append(pa.field("image", pa.string()))) == ("image",)
    assert image_fields(pa.schema([("messages", pa.string())])) == ()
    several = pa.schema([("messages", pa.list_(pa.struct([("image", IMAGE), ("scan", pa.binary())])))])
    with pytest.raises(pa.ArrowInvalid, match=r"`messages.image` and in `messages.scan`"):
        image_fields(several)
    twice = parquet(tmp_path / "a.parquet", pa.table([["Q"], ["A"], ["B"]], names=["question", "answer", "answer"]))
    for read in (parquet_batches(twice), parquet_rows(twice, frozenset())):
        with pytest.raises(pa.ArrowInvalid, match="two columns are called `answer`"):
            next(read)


@pytest.mark.parametrize("images", [[[image(b"a")], [image(b"b")]], None])
def test_a_footer_that_counts_other_rows_is_told_at_the_end(tmp_path: Path, images: list[Any] | None) -> None:
    content = table(images) if images else pa.table({"question": ["Q", "R"], "answer": ["A", "B"]})
    path = parquet(tmp_path / "a.parquet", content)
    assert sum(len(batch.columns) for batch in parquet_batches(path)) == 2
    whole = path.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    footer = whole[-8 - length : -8]
    # FileMetaData.num_rows, in Thrift's compact protocol: a field of type i64 one behind the last, twice the value
    at = footer.index(b"\x16\x04")
    footer = footer[:at] + b"\x16\xc0\xee\x6d" + footer[at + 2 :]
    path.write_bytes(whole[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    batches = parquet_batches(path)
    assert len(next(batches).columns) == 2
    with pytest.raises(pa.ArrowInvalid, match="2 rows are there, and its footer counts 900,000"):
        next(batches)


def test_more_rows_than_bytes_are_refused_before_one_is_read(tmp_path: Path) -> None:
    rows = 2_000_000
    path = parquet(tmp_path / "a.parquet", pa.table({"question": pa.nulls(rows, pa.string())}))
    with pytest.raises(pa.ArrowInvalid, match=r"it counts 2,000,000 rows in [\d,]+ bytes"):
        next(parquet_batches(path))


def bombs() -> dict[str, Any]:
    """Return tables that are small in a file, and fill the memory where each row gets values of its own."""
    count, text = 20_000, "a" * 30_000
    once = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))
    place = len(text).to_bytes(4, "little") + text[:4].encode() + bytes(8)
    views = pa.Array.from_buffers(
        pa.string_view(), count, [None, pa.py_buffer(place * count), pa.py_buffer(text.encode())]
    )
    parts = pa.StructArray.from_arrays([pa.nulls(count, pa.string())], ["content"])
    return {
        "rows": pa.table({"question": pa.nulls(count)}),
        "a list": pa.table({"images": pa.ListArray.from_arrays([0, count], pa.nulls(count, pa.string()))}),
        "messages": pa.table({"messages": pa.ListArray.from_arrays([0, count], parts)}),
        "one text": pa.table({"question": once}),
        "one text in a struct": pa.table({"messages": pa.StructArray.from_arrays([once], ["content"])}),
        "one text in a list": pa.table({"messages": pa.ListArray.from_arrays([0, count], once)}),
        "a view": pa.table({"question": views}),
        "lists in lists": pa.table(
            {"messages": pa.ListArray.from_arrays([0, 1], pa.ListArray.from_arrays([0, count], parts))}
        ),
    }


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_stream_that_was_cut_between_batches_is_not_whole(tmp_path: Path, count: int) -> None:
    path, ends = tmp_path / "a.arrow", []
    with path.open("wb") as file, pa.ipc.new_stream(file, pa.schema({"text": pa.string()})) as writer:
        for number in range(3):
            ends.append(file.tell())
            writer.write_batch(pa.record_batch({"text": [f"row {number}"] * 5}))
    whole = path.read_bytes()
    assert sum(len(batch.columns) for batch in arrow_batches(path)) == 15
    path.write_bytes(whole[: ends[count]])
    with pytest.raises(pa.ArrowInvalid, match=r"no end mark: the file was cut|Tried reading schema"):
        list(arrow_batches(path))
    path.write_bytes(whole + whole)
    with pytest.raises(pa.ArrowInvalid, match=rf"{len(whole)} bytes lie behind the stream's end"):
        list(arrow_batches(path))


@pytest.mark.parametrize("name", list(bombs()))
def test_what_grows_out_of_an_arrow_file_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LONGEST_ENTRY", 100_000)
    monkeypatch.setattr(tables, "_FEW_ROWS", 1000)
    bomb, path = bombs()[name], tmp_path / "a.arrow"
    with pa.OSFile(str(path), "wb") as file:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(file, bomb.schema, options=options) as stream:
            stream.write_table(bomb)
    with pytest.raises(
        pa.ArrowInvalid, match=r"it counts 20,000 rows|counts 20,000 values|bytes in a file of|unpack to"
    ):
        next(arrow_batches(path))


@pytest.mark.parametrize("name", ["a list", "messages", "lists in lists"])
def test_more_values_than_bytes_are_refused_before_one_is_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_FEW_ROWS", 1000)
    path = parquet(tmp_path / "a.parquet", bombs()[name])
    with pytest.raises(pa.ArrowInvalid, match=r"counts 20,000 values in a file of [\d,]+ bytes"):
        next(parquet_batches(path))


@pytest.mark.parametrize("kind", [pa.uint8(), pa.bool_()])
def test_masks_that_are_mostly_zero_are_no_bomb(tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_FEW_ROWS", 1000)
    flat = pa.array([number // 9_000 % 2 for number in range(40_000)]).cast(kind)
    lines = pa.ListArray.from_arrays(pa.array(range(0, 40_001, 100), pa.int32()), flat)
    masks = pa.ListArray.from_arrays(pa.array(range(0, 401, 100), pa.int32()), lines)
    sound = pa.table({"question": ["Q"] * 4, "answer": ["A"] * 4, "mask": masks})
    packed, plain = parquet(tmp_path / "a.parquet", sound), tmp_path / "a.arrow"
    with pa.OSFile(str(plain), "wb") as file, pa.ipc.new_stream(file, sound.schema) as stream:
        stream.write_table(sound)
    assert packed.stat().st_size < len(flat)
    assert [len(batch.columns) for batches in (parquet_batches(packed), arrow_batches(plain)) for batch in batches] == [
        4,
        4,
    ]


@pytest.mark.parametrize(
    "column", [pa.array(["a", None, "b"]).dictionary_encode(), pa.array(["a", None, "b" * 99], pa.string_view())]
)
def test_texts_that_stand_once_are_rows_as_others_are(tmp_path: Path, column: Any) -> None:
    sound, path = pa.table({"question": column, "answer": [["x", "y"], None, []]}), tmp_path / "a.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, sound.schema) as stream:
        stream.write_table(sound)
    (batch,) = arrow_batches(path)
    assert batch.rows(np.arange(3)) == sound.to_pylist()


@pytest.mark.parametrize("name", [b"question", b"below"])
def test_a_column_of_an_arrow_file_whose_name_is_no_text_is_refused(tmp_path: Path, name: bytes) -> None:
    table, path = pa.table({"question": [{"below": "Q"}]}), tmp_path / "a.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    path.write_bytes(path.read_bytes().replace(name, b"\xff" + name[1:]))
    for read in (lambda: next(arrow_batches(path)), lambda: table_columns(path)):
        with pytest.raises(pa.ArrowInvalid, match="the name of a column is not UTF-8"):
            read()


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip"])
def test_a_column_that_packs_as_no_text_does_is_refused(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LONGEST_ENTRY", 10_000)
    monkeypatch.setattr(tables, "_MOST_PACKED", 20)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"question": ["a" * 2_000_000], "answer": ["b"]}), path, compression=codec)
    for read in (parquet_batches(path), parquet_rows(path, frozenset())):
        with pytest.raises(pa.ArrowInvalid, match="bytes of `question` unpack to 2,00"):
            next(read)


@pytest.mark.parametrize(("longest", "rows"), [(1, 1024), (4000, 1024), (2**20, 255), (2**26, 3)])
def test_a_text_that_stands_once_and_in_every_row_is_read_a_few_rows_at_a_time(
    tmp_path: Path, longest: int, rows: int
) -> None:
    path = parquet(tmp_path / "a.parquet", pa.table({"question": ["a" * longest] * 8}))
    with tables.open_parquet(path) as file:
        assert tables.rows_at_once(file, ["question"], 1024) == rows
        assert tables.rows_at_once(file, ["answer"], 1024) == 1024


def test_rows_without_a_column_that_is_read_are_counted(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", pa.table({"other": ["x"] * 3}))
    assert sum(len(batch.columns) for batch in parquet_batches(path)) == 3


@pytest.mark.parametrize(
    ("column", "damaged"), [(b"messages", b"mess\xffges"), (b"images", b"im\xffges"), (b"number", b"\xfeumber")]
)
@pytest.mark.parametrize("which", ["every", "schema", "chunk"])
def test_a_column_whose_name_is_no_text_is_refused(tmp_path, column, damaged, which):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"messages": ["x"], "images": ["y"], "number": ["z"]}), path, store_schema=False)
    whole = path.read_bytes()
    before, _, behind = whole.rpartition(column) if which == "chunk" else whole.partition(column)
    path.write_bytes(whole.replace(column, damaged) if which == "every" else before + damaged + behind)
    with pytest.raises(pa.ArrowInvalid, match="name of a column is not UTF-8"):
        tables.open_parquet(path)
