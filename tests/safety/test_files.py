"""Paths, links, archives, bombs and YAML tags."""

import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Refused = Callable[..., str]
WriteCard = Callable[..., Path]


def quarantine(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "a/../../elsewhere"])
def test_a_card_cannot_name_folders_elsewhere(refused: Refused, card: WriteCard, source: Path, path: str) -> None:
    layout = f"{{kind: folder_per_class, images: {path}}}"
    message = refused("data", "build", card(layout), "--root", source, "--out", source.parent / "out")
    assert f"layout names `{path}`. Its paths are relative to --root and below it." in message


def test_a_table_and_a_link_cannot_bring_files_from_elsewhere(
    gmai: Any, card: WriteCard, source: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes((source / "a/0.png").read_bytes())
    (source / "a/link.png").symlink_to(secret)
    rows = ["image,label", "../secret.png,a", f"{secret},a", "a/link.png,a", "a/1.png,a", "b/1.png,b", "b/2.png,b"]
    (source / "table.csv").write_text("\n".join(rows) + "\n")
    layout = "{kind: csv_labels, table: table.csv, images: ., image_column: image, label_column: label}"
    done = gmai("data", "build", card(layout), "--root", source, "--out", tmp_path / "out")
    assert done.returncode == 3, done.stderr
    reasons = [entry["reason"].partition(":")[0] for entry in quarantine(tmp_path / "out")]
    assert reasons == ["path outside the root"] * 3


def bomb_png(pixels: int = 60_000) -> bytes:
    """A valid PNG of a few kilobytes that decodes to 3.6 GB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(9)
    row = b"\0" + bytes(pixels // 8)
    body = b"".join(rows.compress(row) for _ in range(64)) + rows.flush()
    header = struct.pack(">IIBBBBB", pixels, pixels, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_picture_bomb_ends_in_the_quarantine(gmai: Any, card: WriteCard, source: Path, tmp_path: Path) -> None:
    (source / "a/bomb.png").write_bytes(bomb_png())
    done = gmai("data", "build", card(), "--root", source, "--out", tmp_path / "out")
    assert done.returncode == 3, done.stderr
    (entry,) = quarantine(tmp_path / "out")
    assert "bomb.png" in json.dumps(entry)
    assert "60000" in json.dumps(entry)


def npz(path: Path, images: bytes) -> None:
    """Write a MedMNIST file whose training images are the given `.npy`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for split in ("train", "val", "test"):
            archive.writestr(f"{split}_images.npy", images)
            archive.writestr(f"{split}_labels.npy", npy(np.zeros((2, 1), dtype=np.uint8)))


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_arrays_are_not_unpickled_and_bombs_not_unpacked(gmai: Any, tmp_path: Path) -> None:
    claim = npy(np.zeros((1, 28, 28), dtype=np.uint8)).replace(b"(1, 28, 28), }        ", b"(400000, 28000, 28), }")
    for name, images in {
        "pickled": npy(np.array([_Pwned()] * 2, dtype=object)),
        "bomb": claim + bytes(40_000_000),
    }.items():
        root = tmp_path / name
        root.mkdir()
        npz(root / "pneumoniamnist.npz", images)
        done = gmai("data", "build", "pneumoniamnist", "--root", root, "--out", tmp_path / f"out-{name}")
        assert done.returncode in (2, 3), done.stdout
        assert "pneumoniamnist.npz" in done.stderr + json.dumps(_quarantined(tmp_path / f"out-{name}")), done.stderr


def _quarantined(out: Path) -> list[dict[str, Any]]:
    return quarantine(out) if (out / "quarantine.jsonl").is_file() else []


class _Pwned:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path("PWNED").touch, ()


COMMANDS = (
    ("data", "build", "hostile.yaml", "--root", ".", "--out", "out"),
    ("data", "recipes", "check", "hostile.yaml"),
    ("bench", "score", "hostile.yaml", "--benchmark", "hostile.yaml", "--out", "scores"),
    ("train", "--stage", "1", "--config", "hostile.yaml", "--print-config"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_yaml_tags_are_never_obeyed(refused: Refused, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "hostile.yaml").write_text("name: !!python/object/apply:os.system ['touch PWNED']\n", encoding="utf-8")
    assert "hostile.yaml" in refused(*words)


def test_an_archive_of_samples_is_read_and_never_unpacked(gmai: Any, tmp_path: Path) -> None:
    (tmp_path / "row.json").write_text('{"messages": []}')
    with tarfile.open(tmp_path / "samples.tar", "w") as tar:
        for name in ("../PWNED", "/tmp/gmai-PWNED", "a.json"):  # noqa: S108
            tar.add(tmp_path / "row.json", arcname=name)
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    done = gmai("data", "validate", tmp_path / "samples.tar")
    assert done.returncode != 0, done.stdout
    assert not Path("/tmp/gmai-PWNED").exists()  # noqa: S108
    assert "root:" not in done.stdout + done.stderr


def test_an_archive_of_a_benchmark_stays_closed(refused: Refused, tmp_path: Path) -> None:
    folder = tmp_path / "data/omnimedvqa"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "OmniMedVQA.zip", "w") as archive:
        archive.writestr("../../PWNED", "x")
    refused("bench", "score", tmp_path / "none.jsonl", "--benchmark", "omnimedvqa", "--data-root", tmp_path / "data",
            "--out", tmp_path / "out")  # fmt: skip


def test_a_bomb_among_samples_is_left_out_by_name(gmai: Any, tmp_path: Path) -> None:
    rows = pa.table({
        "id": ["s1"],
        "images": [[{"bytes": bomb_png(), "path": None}]],
        "messages": [[{"role": "user", "content": "<image>\nWhat?"}, {"role": "assistant", "content": "A bomb."}]],
    })  # fmt: skip
    pq.write_table(rows, tmp_path / "bomb.parquet")
    done = gmai("data", "validate", tmp_path / "bomb.parquet")
    assert done.returncode != 0
    assert "60000" in done.stdout + done.stderr
