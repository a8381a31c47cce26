import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gmai_bench.commands import contamination, fingerprints
from gmai_cli.folders import check_new, check_writable, new_folder, require_own
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


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (["notes.txt"], "holds notes.txt, and"),
        (["b.csv", "a", "c"], "holds a and 2 more, and"),
        (["run.json"], "holds run.json, and"),
        (["asked.json.txt", "x.log"], "holds asked.json.txt, and"),
    ],
)
def test_a_folder_of_the_users_own_is_refused(tmp_path: Path, held: list[str], found: str) -> None:
    for name in held:
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"{tmp_path}: {found} no `gmai try` began it.* Give another --out"):
        require_own(tmp_path, command="gmai try", begun=("asked.json",))


@pytest.mark.parametrize(
    "held", [[], ["asked.json", "notes.txt"], ["run.lock", "today.log", ".nfs01", "slurm-7.out", "x.err"]]
)
def test_a_new_folder_and_one_that_was_begun_are_taken(tmp_path: Path, held: list[str]) -> None:
    for name in held:
        (tmp_path / name).touch()
    require_own(tmp_path, command="gmai try", begun=("asked.json",))
    require_own(tmp_path / "absent", command="gmai try", begun=())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize(
    "begin",
    [
        check_writable,
        check_new,
        lambda out: contamination(Path("samples"), ["unknown"], out=out),
        lambda out: fingerprints(["unknown"], out),
    ],
    ids=["check_writable", "check_new", "bench contamination", "bench fingerprints"],
)
def test_a_disk_that_takes_nothing_is_told_before_the_work(
    begin: Callable[[Path], None], number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), "a name that nobody gave")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        begin(tmp_path / "not" / "there" / "out")
    assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path / "not" / "there" / "out"))


def test_a_look_at_the_disk_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "not" / "there" / "out")
    assert list(tmp_path.iterdir()) == []
