from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.state import DamagedError
from gmai_model.batching.images import ParquetImage, ParquetImages, copied_bytes

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


PNG, JPEG = b"\x89PNG\r\n\x1a\n of ten", b"\xff\xd8\xff\xe0 of some"


def held(content: bytes | None) -> dict[str, Any]:
    return {"bytes": content, "path": "x.png"}


def written(folder: Path, column: Any, name: str = "images", **options: Any) -> ParquetImages:
    table = pa.table({"id": [str(i) for i in range(len(column))], name: column})
    pq.write_table(table, folder / "a.parquet", row_group_size=2, **options)
    images = ParquetImages(folder / "cache", "d1", folder / "a.parquet")
    assert not images.exists
    images.write()
    assert images.exists
    return images


def parts(images: ParquetImages) -> list[bytes]:
    return [ParquetImage(images, number).read() for number in range(len(images._places))]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([[held(b"a"), held(b"bc")], None, [], [held(b"def")]], pa.list_(IMAGE), [b"a", b"bc", b"def"]),
        ([held(b"a"), None, held(b"bc")], IMAGE, [b"a", b"bc"]),
        ([held(b"a"), held(None)], IMAGE, [b"a", b""]),
        ([b"a", None, b"bc"], pa.binary(), [b"a", b"bc"]),
        ([b"a", b"bc"], pa.large_binary(), [b"a", b"bc"]),
        (["a.png", "b.png"], pa.string(), [b"", b""]),
        ([{"path": "a.png"}], pa.struct([("path", pa.string())]), [b""]),
        ([], IMAGE, []),
    ],
)
@pytest.mark.parametrize("options", [
    {"compression": "snappy"}, {"compression": "none"}, {"compression": "none", "use_dictionary": False},
    {"compression": "none", "data_page_version": "2.0", "data_page_size": 1},
    {"compression": "none", "use_dictionary": False, "column_encoding": "DELTA_LENGTH_BYTE_ARRAY"},
    {"compression": "none", "use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
])  # fmt: skip
def test_images_are_found_in_their_order(
    tmp_path: Path, values: list[Any], kind: Any, expected: list[bytes], options: dict[str, Any]
) -> None:
    column = pa.array(values, kind)
    if encoding := options.get("column_encoding"):
        leaf = "images.list.element" if pa.types.is_list(kind) else "images"
        held = kind.value_type if pa.types.is_list(kind) else kind
        fields = [f"{leaf}.{field.name}" for field in held] if pa.types.is_struct(held) else [leaf]
        options = {**options, "column_encoding": dict.fromkeys(fields, encoding)}
    images = written(tmp_path, column, **options)
    assert parts(images) == expected
    copied = options["compression"] == "snappy" or "DELTA_BYTE" in str(options.get("column_encoding"))
    if copied and any(expected):
        assert images.copy.read_bytes() == b"".join(expected)
    else:
        assert not images.copy.exists() or not images.copy.stat().st_size


def test_images_that_are_not_packed_are_read_in_place(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.bytes(3000 + number) for number in range(9)]
    shown = [pictures[0], pictures[0], *pictures, pictures[0], pictures[4]]
    column = pa.array([[held(picture)] for picture in shown], pa.list_(IMAGE))
    images = written(tmp_path, column, compression="none", data_page_size=4096)
    assert parts(images) == shown
    assert {images.part(number).file for number in range(len(shown))} == {tmp_path / "a.parquet"}
    assert sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*")) < 10_000
    assert copied_bytes(tmp_path / "a.parquet") == 0
    moved = (tmp_path / "a.parquet").rename(tmp_path / "b.parquet")
    assert parts(ParquetImages(tmp_path / "cache", "d1", moved)) == shown


def test_a_file_that_changed_behind_its_digest_is_said(tmp_path: Path) -> None:
    images = written(tmp_path, pa.array([b"one picture", b"another"], pa.binary()), compression="none")
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content.replace(b"another", b"anether"))
    assert ParquetImage(images, 0).read() == b"one picture"
    with pytest.raises(DamagedError, match=r"a\.parquet: image 1 in it is not what it was .* the file was changed"):
        ParquetImage(images, 1).read()
    assert not images.exists


def test_a_file_without_images_has_none(tmp_path: Path) -> None:
    images = written(tmp_path, pa.array([1, 2]), "score")
    assert parts(images) == []
    assert not images.copy.exists()


def test_a_copy_that_was_begun_is_not_whole(tmp_path: Path) -> None:
    images = ParquetImages(tmp_path, "d1", tmp_path / "a.parquet")
    images.copy.parent.mkdir()
    images.copy.write_bytes(b"half")
    assert not images.exists
    assert images.copy == tmp_path / "images/d1.bin"


@pytest.mark.parametrize("damage", ["cut", "zeroed", "one bit"])
@pytest.mark.parametrize("suffix", [".bin", ".npy", ".json"])
def test_a_damaged_copy_is_said_and_never_used(
    tmp_path: Path, suffix: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, pa.array([b"one picture", b"another"], pa.binary()))
    file = tmp_path / "cache/images" / f"d1{suffix}"
    content = file.read_bytes()
    turned = content[:-3] + bytes([content[-3] ^ 4]) + content[-2:]
    file.write_bytes({"cut": content[:-1], "zeroed": bytes(len(content)), "one bit": turned}[damage])
    images = ParquetImages(tmp_path / "cache", "d1", tmp_path / "a.parquet")
    if images.exists:  # the bytes of an image are looked at when it is read
        assert suffix == ".bin"
        with pytest.raises(DamagedError, match=r"d1\.bin is damaged: image 1 .* copies the images again"):
            [ParquetImage(images, number).read() for number in ((0, 1) if damage != "zeroed" else (1,))]
        assert not images.exists
    else:
        assert "the images are found again" in capsys.readouterr().err
    images.write()
    assert parts(ParquetImages(tmp_path / "cache", "d1", tmp_path / "a.parquet"))[1] == b"another"


def test_the_footer_says_how_large_the_copy_will_be(tmp_path: Path) -> None:
    rows = [[held(bytes([number]) * 50_000)] for number in range(6)]
    table = pa.table({"id": ["x"] * 6, "images": pa.array(rows, pa.list_(IMAGE))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2, compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 20_000
    assert copied_bytes(tmp_path / "a.parquet") == pytest.approx(300_000, rel=0.01)
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "none.parquet")
    assert copied_bytes(tmp_path / "none.parquet") == 0


LISTS = [
    ([list(PNG), None, [], list(JPEG)], pa.list_(pa.uint8()), [PNG, JPEG]),
    ([list(PNG), list(JPEG)], pa.large_list(pa.int64()), [PNG, JPEG]),
    ([[number - 256 if number > 127 else number for number in PNG]], pa.list_(pa.int8()), [PNG]),
    ([list(PNG), list(PNG)], pa.list_(pa.uint8(), len(PNG)), [PNG, PNG]),
    ([[list(PNG)], [list(JPEG), list(PNG)]], pa.list_(pa.list_(pa.uint8())), [PNG, JPEG, PNG]),
    (
        [{"bytes": list(PNG), "path": "a.png"}],
        pa.struct([("bytes", pa.list_(pa.uint8())), ("path", pa.string())]),
        [PNG],
    ),
    ([list(PNG), [137, 80, 300], [1, None], [3, 7]], pa.list_(pa.int32()), [PNG, b"", b"", b""]),
]
"""Bytes as lists of numbers."""


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([PNG, JPEG], pa.binary_view(), [PNG, JPEG]),
        ([PNG, PNG], pa.binary(len(PNG)), [PNG, PNG]),
        ([PNG, JPEG, PNG], pa.dictionary(pa.int32(), pa.binary()), [PNG, JPEG, PNG]),
        ([{"data": PNG, "mode": 1}], pa.struct([("data", pa.large_binary()), ("mode", pa.int64())]), [PNG]),
    ],
)
def test_bytes_of_other_types_are_found(tmp_path: Path, values: list[Any], kind: Any, expected: list[bytes]) -> None:
    assert parts(written(tmp_path, pa.array(values, kind), compression="none")) == expected


@pytest.mark.parametrize(("values", "kind", "expected"), LISTS)
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_bytes_that_were_written_as_numbers_are_copied(
    tmp_path: Path, values: list[Any], kind: Any, expected: list[bytes], compression: str
) -> None:
    images = written(tmp_path, pa.array(values, kind), compression=compression)
    assert parts(images) == expected
    assert images.copy.read_bytes() == b"".join(expected)
    assert copied_bytes(tmp_path / "a.parquet") > 0
