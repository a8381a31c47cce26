import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_formats.errors import UserError
from gmai_model.checking import environments
from gmai_model.checking.environments import older_python


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that were to be run; none is."""
    run: list[list[str]] = []

    def record(command: list[str], **_: object) -> SimpleNamespace:
        run.append(command)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", record)
    monkeypatch.setattr(environments.importlib.metadata, "version", lambda _: "2.9.1+cpu")
    monkeypatch.setattr(environments.shutil, "which", lambda _: None)
    return run


def test_an_environment_is_made_once(
    commands: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / f"gmai/environments/transformers-4.49.0-torch-2.9.1-py{sys.version_info.minor}"
    folder.mkdir(parents=True)
    (folder / "half-made").touch()
    with pytest.raises(FileNotFoundError):  # no command was run, so that its folder is not there
        older_python("4.49.0")
    assert not (folder / "half-made").exists()
    assert commands == [
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "torch==2.9.1",
         "transformers==4.49.0", "pillow", "jinja2"],
    ]  # fmt: skip
    assert "this is done once and takes about 5 GB" in capsys.readouterr().err
    folder.mkdir()
    (folder / "complete").touch()
    assert older_python("4.49.0") == folder / "bin/python"
    assert len(commands) == 2


def test_uv_makes_it_where_there_is_one(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments.shutil, "which", lambda name: f"/bin/{name}")
    with pytest.raises(FileNotFoundError):
        older_python("4.45.0")
    assert [command[:3] for command in commands] == [["/bin/uv", "venv", "--quiet"], ["/bin/uv", "pip", "install"]]


def test_what_pip_says_is_one_line_with_the_remedy(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    failed = SimpleNamespace(returncode=1, stderr="  × No solution\n\n ╰─▶ no 9.9\nc\nd\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    message = r"--transformers 9\.9: no environment could be made: No solution; no 9\.9; c\. It needs a package index"
    with pytest.raises(UserError, match=message):
        older_python("9.9")


@pytest.mark.parametrize("word", ["abc", "", "4", "/usr/bin/python3", "4.49.0; rm", "latest"])
def test_what_is_no_version_makes_no_environment(commands: list[list[str]], word: str) -> None:
    with pytest.raises(UserError, match=r"no version\. Give one such as"):
        older_python(word)
    assert commands == []
