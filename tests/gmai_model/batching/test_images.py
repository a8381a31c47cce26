from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.state import DamagedError
from gmai_model.batching.images import CopiedImage, ImageCopy, stored_image_bytes

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def held(content: bytes | None) -> dict[str, Any]:
    return {"bytes": content, "path": "x.png"}


def copied(folder: Path, column: Any, name: str = "images") -> list[bytes]:
    pq.write_table(
        pa.table({"id": [str(i) for i in range(len(column))], name: column}), folder / "a.parquet", row_group_size=2
    )
    copy = ImageCopy(folder / "cache", "d1")
    assert not copy.exists
    copy.write(folder / "a.parquet")
    assert copy.exists
    whole = copy.path.read_bytes()
    parts = [CopiedImage(copy, number).read() for number in range(copy._starts.shape[1] - 1)]
    assert b"".join(parts) == whole
    return parts


@pytest.mark.parametrize(
    ("values", "kind", "parts"),
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
def test_images_lie_end_to_end_in_their_order(tmp_path: Path, values: list[Any], kind: Any, parts: list[bytes]) -> None:
    assert copied(tmp_path, pa.array(values, kind)) == parts


def test_a_file_without_images_has_an_empty_copy(tmp_path: Path) -> None:
    assert copied(tmp_path, pa.array([1, 2]), "score") == []


def test_a_copy_that_was_begun_is_not_whole(tmp_path: Path) -> None:
    copy = ImageCopy(tmp_path, "d1")
    copy.path.parent.mkdir()
    copy.path.write_bytes(b"half")
    assert not copy.exists
    assert copy.path == tmp_path / "images/d1.bin"


@pytest.mark.parametrize("damage", ["cut", "zeroed", "one bit"])
@pytest.mark.parametrize("suffix", [".bin", ".npy", ".json"])
def test_a_damaged_copy_is_said_and_never_used(
    tmp_path: Path, suffix: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copied(tmp_path, pa.array([b"one picture", b"another"], pa.binary()))
    file = tmp_path / "cache/images" / f"d1{suffix}"
    content = file.read_bytes()
    turned = content[:-3] + bytes([content[-3] ^ 4]) + content[-2:]
    file.write_bytes({"cut": content[:-1], "zeroed": bytes(len(content)), "one bit": turned}[damage])
    copy = ImageCopy(tmp_path / "cache", "d1")
    if copy.exists:  # the bytes of an image are looked at when it is read
        assert suffix == ".bin"
        with pytest.raises(DamagedError, match=r"d1\.bin is damaged: image 1 .* copies the images again"):
            [CopiedImage(copy, number).read() for number in ((0, 1) if damage != "zeroed" else (1,))]
        assert not copy.exists
    else:
        assert "the images are copied again" in capsys.readouterr().err
    copy.write(tmp_path / "a.parquet")
    assert CopiedImage(ImageCopy(tmp_path / "cache", "d1"), 1).read() == b"another"


def test_the_footer_says_how_large_the_copy_will_be(tmp_path: Path) -> None:
    rows = [[held(bytes([number]) * 50_000)] for number in range(6)]
    table = pa.table({"id": ["x"] * 6, "images": pa.array(rows, pa.list_(IMAGE))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2, compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 20_000
    assert stored_image_bytes(tmp_path / "a.parquet") == pytest.approx(300_000, rel=0.01)
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "none.parquet")
    assert stored_image_bytes(tmp_path / "none.parquet") == 0
