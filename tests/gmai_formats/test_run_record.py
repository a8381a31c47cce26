"""What `run.json` says, and that damage to it is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest
from gmai_formats.files import installed_versions
from gmai_formats.run_record import NAME, write_run_record
from gmai_formats.state import DamagedError, read_state


def test_a_run_records_what_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/gmai", "data", "build"])
    write_run_record(tmp_path, config={"seed": 3}, inputs={"bccd": "ab12"}, device="cpu")
    record = read_state(tmp_path / NAME)
    assert record["command"] == ["gmai", "data", "build"]
    assert record["config"] == {"seed": 3}
    assert record["inputs"] == {"bccd": "ab12"}
    assert record["device"] == "cpu"
    assert record["versions"] == installed_versions()
    assert record["git_commit"] is None


def test_a_run_names_the_commit_and_whether_it_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> str:
        names = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        return subprocess.run(["git", *names, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "x")
    commit = git("rev-parse", "HEAD").strip()
    monkeypatch.chdir(tmp_path)
    write_run_record(tmp_path, config={}, inputs={})
    assert read_state(tmp_path / NAME)["git_commit"] == commit
    (tmp_path / "a").write_text("2")
    write_run_record(tmp_path, config={}, inputs={})
    assert read_state(tmp_path / NAME)["git_commit"] == f"{commit}+changes"


def test_one_turned_bit_is_noticed(tmp_path: Path) -> None:
    write_run_record(tmp_path, config={"seed": 3}, inputs={})
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes().replace(b'"seed": 3', b'"seed": 1'))
    with pytest.raises(DamagedError, match=r"run\.json is damaged"):
        read_state(path)
