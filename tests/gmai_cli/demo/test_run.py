"""The demo's own parts; its whole run is the README's first command, which CI runs as it stands."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gmai_cli.demo import run
from gmai_cli.demo.run import Step, steps
from gmai_formats.errors import UserError


def test_every_option_of_every_step_exists() -> None:
    pages: dict[tuple[str, ...], str] = {}
    for step in steps():
        words = tuple(word for word in step.arguments[:2] if not word.startswith("-"))
        if words not in pages:
            pages[words] = subprocess.run(
                [sys.executable, "-m", "gmai_cli", *words, "--help"], capture_output=True, text=True, check=True
            ).stdout
        for option in (argument for argument in step.arguments if argument.startswith("--")):
            assert option in pages[words], (words, option)


def test_each_step_reads_what_an_earlier_one_wrote() -> None:
    written: list[str] = []
    for step in steps():
        for argument in step.arguments:
            folder = argument.split("/")[0]
            if folder in {"build", "models", "runs"} and argument != step.output:
                assert any(argument.startswith(done) for done in written), argument
        written.append(step.output)


def test_a_folder_that_no_demo_began_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "phantoms").mkdir()
    (tmp_path / "phantoms" / "mine.txt").write_text("keep me")
    result = subprocess.run(
        [sys.executable, "-m", "gmai_cli", "demo", "--out", str(tmp_path)], capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "is not empty and no demo began it" in result.stderr
    assert (tmp_path / "phantoms" / "mine.txt").read_text() == "keep me"


def step(name: str, code: str, *, resumes: bool = False, beside: bool = False) -> Step:
    """A step that is a line of Python in place of a command of gmai."""
    return Step(f"step {name}", (code,), name, resumes=resumes, beside=beside)


@pytest.fixture
def demo_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run steps in a demo's folder and return what `demo.json` says of them."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" -c "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(run.sys, "executable", str(python))

    def go(*chosen: Step) -> dict[str, Any]:
        monkeypatch.setattr(run, "steps", lambda: list(chosen))
        (tmp_path / "out").mkdir(exist_ok=True)
        try:
            run._run_all(tmp_path / "out")
        finally:
            done = json.loads((tmp_path / "out/demo.json").read_text("utf-8"))
        return done

    return go


COUNT = "open('count', 'a').write('x')"


def test_a_step_that_is_done_is_not_run_again(demo_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = demo_of(step("a", COUNT))
    assert list(first) == ["a"]
    assert first["a"]["command"] == f"gmai {shlex.quote(COUNT)}"
    assert demo_of(step("a", COUNT)) == first
    assert (tmp_path / "out/count").read_text() == "x"
    assert "[1/1] step a" in capsys.readouterr().err
    demo_of(step("a", f"{COUNT}; 0"))
    assert (tmp_path / "out/count").read_text() == "xx"


@pytest.mark.parametrize(("resumes", "left"), [(True, True), (False, False)])
def test_what_a_step_left_half_done_stays_only_where_it_resumes(
    demo_of: Any, tmp_path: Path, resumes: bool, left: bool
) -> None:
    demo_of()
    (tmp_path / "out/a").mkdir()
    demo_of(step("a", "0", resumes=resumes))
    assert (tmp_path / "out/a").exists() == left


def test_a_step_that_fails_ends_the_demo_and_what_was_done_counts(demo_of: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a step of the demo ended with code 3: `gmai 'raise SystemExit\(3\)'` in "):
        demo_of(step("a", "0"), step("b", "raise SystemExit(3)"), step("c", COUNT))
    assert list(json.loads((tmp_path / "out/demo.json").read_text("utf-8"))) == ["a"]
    assert not (tmp_path / "out/count").exists()


def test_a_step_beside_the_others_is_shown_when_it_has_ended(
    demo_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = demo_of(step("x/y", "print('from beside')", beside=True), step("b", "0"))
    assert sorted(done) == ["b", "x/y"]
    assert (tmp_path / "out/logs/x-y.log").read_text() == "from beside\n"
    news = capsys.readouterr().err
    assert news.index("[2/2] step b") < news.index("step x/y:\nfrom beside")


def test_a_step_beside_is_stopped_where_another_fails(demo_of: Any, tmp_path: Path) -> None:
    waits = "import time; time.sleep(60); open('late', 'w')"
    with pytest.raises(UserError, match="ended with code 4"):
        demo_of(step("x", waits, beside=True), step("b", "raise SystemExit(4)"))
    assert not (tmp_path / "out/late").exists()


def test_a_step_sees_no_gpu_and_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("KEPT", "1")
    found = run._environment()
    assert (found["HF_HUB_OFFLINE"], found["CUDA_VISIBLE_DEVICES"], found["KEPT"]) == ("1", "", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in found
    assert os.environ["PYTHONDONTWRITEBYTECODE"] == "1"
