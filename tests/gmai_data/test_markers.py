from pathlib import Path

import pytest
from gmai_data.markers import BUILT, has_marker, lost, set_marker


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    (tmp_path / "samples.parquet").write_bytes(bytes(range(100)))
    set_marker(tmp_path, BUILT, {"account": {"items": 3}}, ["samples.parquet", "absent.parquet"])
    return tmp_path


def test_a_finished_step_is_known(shard: Path) -> None:
    assert has_marker(shard, BUILT)


def test_without_a_marker_nothing_is_finished(tmp_path: Path) -> None:
    assert not has_marker(tmp_path, BUILT)
    assert not has_marker(tmp_path / "no" / "folder", BUILT)


@pytest.mark.parametrize("change", ["cut", "gone", "zeroed", "one bit"])
def test_a_step_whose_files_were_lost_is_not(shard: Path, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = shard / "samples.parquet"
    assert has_marker(shard, BUILT)
    content = file.read_bytes()
    if change == "gone":
        file.unlink()
    else:
        damaged = {"cut": content[:50], "zeroed": bytes(100), "one bit": content[:7] + b"\6" + content[8:]}
        file.write_bytes(damaged[change])
    assert not has_marker(shard, BUILT)
    assert f"{shard}: " in (said := capsys.readouterr().err)
    assert "samples.parquet" in said


def test_a_quick_look_compares_sizes_alone(shard: Path) -> None:
    (shard / "samples.parquet").write_bytes(bytes(100))
    assert has_marker(shard, BUILT, thorough=False)
    (shard / "samples.parquet").write_bytes(bytes(99))
    assert not has_marker(shard, BUILT, thorough=False)


def test_only_some_files_may_be_looked_at(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    set_marker(tmp_path, BUILT, {}, ["one", "two"])
    (tmp_path / "two").write_text("tow")
    assert lost(tmp_path, BUILT, only=["one"]) == {}
    assert list(lost(tmp_path, BUILT)) == ["two"]


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
