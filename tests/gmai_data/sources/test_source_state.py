"""What a listing was made of, and what was written since: folders by their times, tables by size and time."""

import os

import pytest
from gmai_data.sources.source_state import state_lines, written_since


@pytest.fixture
def root(tmp_path):
    for name in ("b/1.png", "b/2", "t.csv", "a/c/3.dcm", ".hidden/4.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "circle.csv").symlink_to("circle.csv")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    return tmp_path


def test_each_folder_and_each_list_has_a_line(root):
    lines = [line.split("\0")[0].removeprefix(str(root)) for line in state_lines(root)]
    assert lines == ["", "/t.csv", "/a", "/a/c", "/b", "/b/2"]
    assert list(state_lines(root)) == list(state_lines(root))


@pytest.mark.parametrize(("name", "is_seen"), [("t.csv", True), ("b/2", True), ("b/1.png", False)])
def test_lists_are_looked_at_and_pictures_are_not(root, name, is_seen):
    before = list(state_lines(root))
    os.utime(root / name, ns=(1, 1))
    assert (list(state_lines(root)) != before) == is_seen


def test_a_folder_that_cannot_be_read_has_a_line(root, monkeypatch):
    real = os.scandir

    def scandir(path):
        if path == f"{root}/b":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert f"{root}/b\0unreadable\n" in list(state_lines(root))


def test_files_that_were_written_since_are_counted(tmp_path):
    for number, name in enumerate(["b/1.png", "b/2", "t.csv", "a/c/3.dcm", ".hidden/4.png", "a/.5.png"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, ns=(0, 100 + number))
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    assert written_since(tmp_path, 103) == (0, "")
    assert written_since(tmp_path, 101) == (2, "a/c/3.dcm")
    assert written_since(tmp_path, 99) == (4, "a/c/3.dcm")
    assert written_since(tmp_path / "gone", 0) == (0, "")
