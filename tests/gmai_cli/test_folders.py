from pathlib import Path

import pytest
from gmai_cli.folders import new_folder
from gmai_formats.errors import UserError


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "release"
    with pytest.raises(ZeroDivisionError), new_folder(target) as folder:
        (folder / "half").write_text(f"{1 / 0}")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".release.partial").mkdir()  # what a kill leaves
    (tmp_path / ".release.partial" / "half").touch()
    target.mkdir()  # an empty one may be there
    with new_folder(target) as folder:
        (folder / "whole").touch()
        assert list(target.iterdir()) == []
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "release",
        "release/whole",
    ]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UserError, match="not empty"), new_folder(tmp_path):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    target = tmp_path / "release"
    with new_folder(target) as folder:
        (folder / "mine").touch()
        with pytest.raises(UserError, match=rf"{target} is being worked on by process"), new_folder(target):
            pass
        with new_folder(tmp_path / "other"):
            pass
    assert [path.name for path in target.iterdir()] == ["mine"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "release"]


def test_a_file_in_its_place_is_called_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with (
        pytest.raises(UserError, match="mine: a file, and what is written is a new folder"),
        new_folder(tmp_path / "mine"),
    ):
        pass
