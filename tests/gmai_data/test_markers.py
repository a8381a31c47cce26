from pathlib import Path

import pytest
from gmai_data.markers import BUILT, has_marker, set_marker


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    (tmp_path / "samples.parquet").write_bytes(bytes(100))
    set_marker(tmp_path, BUILT, {"account": {"items": 3}}, ["samples.parquet", "absent.parquet"])
    return tmp_path


def test_a_finished_step_is_known(shard: Path) -> None:
    assert has_marker(shard, BUILT)


def test_without_a_marker_nothing_is_finished(tmp_path: Path) -> None:
    assert not has_marker(tmp_path, BUILT)
    assert not has_marker(tmp_path / "no" / "folder", BUILT)


@pytest.mark.parametrize("change", ["cut", "gone"])
def test_a_step_whose_files_were_lost_is_not(shard: Path, change: str) -> None:
    file = shard / "samples.parquet"
    file.write_bytes(bytes(50)) if change == "cut" else file.unlink()
    assert not has_marker(shard, BUILT)


@pytest.mark.parametrize("damage", ["empty", "NULs", "half", "other digit", "not UTF-8", "a list", "old"])
def test_a_damaged_marker_marks_nothing_and_is_said(
    shard: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = shard / BUILT
    content = marker.read_bytes()
    marker.write_bytes({
        "empty": b"", "NULs": bytes(len(content)), "half": content[: len(content) // 2], "not UTF-8": b"\xff" + content,
        "other digit": content.replace(b"3", b"4", 1), "a list": b"[1]", "old": b'{"account": {}, "files_bytes": {}}',
    }[damage])  # fmt: skip
    assert not has_marker(shard, BUILT)
    assert f"{marker} is damaged" in capsys.readouterr().err
