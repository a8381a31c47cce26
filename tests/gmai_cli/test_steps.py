"""Guided runs: what is done stays done, what fails ends them, what is missing is said before."""

import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_cli import steps
from gmai_cli.run_lock import hold
from gmai_cli.steps import Step, claim, look_ahead, run_all
from gmai_formats.errors import UserError
from gmai_formats.state import read_state


def step(name: str, code: str, **more: Any) -> Step:
    """A step that is a line of Python in place of a command of gmai."""
    return Step(f"step {name}", (code,), name, **more)


@pytest.fixture
def run_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run steps in a folder and return what its record says of them."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" -c "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(steps.sys, "executable", str(python))

    def go(*chosen: Step) -> dict[str, Any]:
        record = tmp_path / "out/record.json"
        claim(tmp_path / "out", record, command="gmai try")
        try:
            run_all(chosen, tmp_path / "out", record, command="gmai try")
        finally:
            done = read_state(record)
        return done

    return go


COUNT = "open('count', 'a').write('x'); open('a', 'w')"


def test_a_step_that_is_done_is_not_run_again(run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run_of(step("a", COUNT))
    assert list(first) == ["a"]
    assert first["a"]["command"] == f"gmai {shlex.quote(COUNT)}"
    assert run_of(step("a", COUNT)) == first
    assert (tmp_path / "out/count").read_text() == "x"
    assert "[1/1] step a" in capsys.readouterr().err
    run_of(step("a", f"{COUNT}; 0"))
    assert (tmp_path / "out/count").read_text() == "xx"


def test_a_step_whose_output_is_gone_runs_again(run_of: Any, tmp_path: Path) -> None:
    run_of(step("a", COUNT))
    (tmp_path / "out/a").unlink()
    run_of(step("a", COUNT))
    assert (tmp_path / "out/count").read_text() == "xx"


@pytest.mark.parametrize("content", [b"", b"{", bytes(90), b"[]", b'{"a": {"command": "gmai 0"}}'])
def test_a_damaged_record_is_named_and_every_step_runs_again(
    run_of: Any, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(step("a", COUNT))
    (tmp_path / "out/record.json").write_bytes(content)
    assert list(run_of(step("a", COUNT))) == ["a"]
    assert (tmp_path / "out/count").read_text() == "xx"
    assert "record.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(("resumes", "left"), [(True, True), (False, False)])
def test_what_a_step_left_half_done_stays_only_where_it_resumes(
    run_of: Any, tmp_path: Path, resumes: bool, left: bool
) -> None:
    run_of()
    (tmp_path / "out/a").mkdir()
    run_of(step("a", "0", resumes=resumes))
    assert (tmp_path / "out/a").exists() == left


def test_a_step_that_fails_ends_the_run_and_what_was_done_counts(run_of: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a step ended with code 3: `gmai 'raise SystemExit\(3\)'` in "):
        run_of(step("a", "0"), step("b", "raise SystemExit(3)"), step("c", COUNT))
    assert list(read_state(tmp_path / "out/record.json")) == ["a"]
    assert not (tmp_path / "out/count").exists()


def test_a_step_beside_the_others_is_shown_when_it_has_ended(
    run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run_of(step("x/y", "print('from beside')", beside=True), step("b", "0"))
    assert sorted(done) == ["b", "x/y"]
    assert (tmp_path / "out/logs/x-y.log").read_text() == "from beside\n"
    news = capsys.readouterr().err
    assert news.index("[2/2] step b") < news.index("step x/y:\nfrom beside")


def test_a_step_beside_is_stopped_where_another_fails(run_of: Any, tmp_path: Path) -> None:
    waits = "import time; time.sleep(60); open('late', 'w')"
    with pytest.raises(UserError, match="ended with code 4"):
        run_of(step("x", waits, beside=True), step("b", "raise SystemExit(4)"))
    assert not (tmp_path / "out/late").exists()


def test_a_step_sees_no_gpu_and_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("KEPT", "1")
    found = steps._environment()
    assert (found["HF_HUB_OFFLINE"], found["CUDA_VISIBLE_DEVICES"], found["KEPT"]) == ("1", "", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in found
    assert os.environ["PYTHONDONTWRITEBYTECODE"] == "1"


CTRL_C = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(0.3); open('saved', 'w')"


@pytest.mark.parametrize(
    ("code", "ends", "done"),
    [
        (130, SystemExit, []),  # the command has said in its line what it saved
        (75, KeyboardInterrupt, []),
        (0, KeyboardInterrupt, ["a"]),  # it had just ended by itself
    ],
)
def test_ctrl_c_waits_for_the_step_and_runs_no_other(
    run_of: Any, tmp_path: Path, code: int, ends: type[BaseException], done: list[str]
) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ends) as ended:
        run_of(step("a", f"{CTRL_C}; raise SystemExit({code})"), step("b", "open('b', 'w')"))
    assert not isinstance(ended.value, SystemExit) or ended.value.code == 130
    assert (tmp_path / "out/saved").exists()
    assert not (tmp_path / "out/b").exists()
    assert list(read_state(tmp_path / "out/record.json")) == done
    assert signal.getsignal(signal.SIGINT) is before


def test_a_step_beside_the_others_ends_with_them_at_ctrl_c(run_of: Any, tmp_path: Path) -> None:
    waits = "import time; time.sleep(60); open('late', 'w')"
    with pytest.raises(SystemExit, match="130"):
        run_of(step("x", waits, beside=True), step("a", f"{CTRL_C}; raise SystemExit(130)"))
    assert not (tmp_path / "out/late").exists()


STOPS = "import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(60); open('late', 'w')"
SAVES = f"import signal; signal.signal(signal.SIGTERM, lambda *_: (open('saved', 'w'), exit(75))); {STOPS}"


@pytest.mark.parametrize(("code", "saved"), [(STOPS, False), (SAVES, True)])
def test_a_run_that_is_told_to_stop_ends_its_steps(
    run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], code: str, saved: bool
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    waits = "import time; time.sleep(60); open('late', 'w')"
    with pytest.raises(SystemExit, match="75"):
        run_of(step("x", waits, beside=True), step("a", code), step("b", "open('b', 'w')"))
    assert capsys.readouterr().err.endswith("gmai: stopped. What is finished stays; the same `gmai try` goes on.\n")
    assert (tmp_path / "out/saved").exists() == saved
    assert not (tmp_path / "out/late").exists()
    assert not (tmp_path / "out/b").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_step_that_runs_again_and_one_that_may_end_otherwise(run_of: Any, tmp_path: Path) -> None:
    for _ in range(2):
        run_of(step("a", COUNT, again=True), step("b", f"open('b', 'w'); {COUNT}; raise SystemExit(3)", accepts=(0, 3)))
    assert (tmp_path / "out/count").read_text() == "xxx"


def test_a_step_that_writes_a_file_writes_it_anew(run_of: Any, tmp_path: Path) -> None:
    page = step("page", "open('page', 'x').write('new')", again=True)
    for _ in range(2):
        run_of(page)
    assert (tmp_path / "out/page").read_text() == "new"


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"")
    with pytest.raises(UserError, match=r"is not empty and no `gmai try` began it \(there is no r.json\)"):
        claim(tmp_path, tmp_path / "r.json", command="gmai try")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_is_to_come_is_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = [Step("a", ("data", "x"), "a"), Step("b", ("bench",), "b")]
    look_ahead(tmp_path / "new/out", commands, room_mb=1, takes="a minute")
    assert capsys.readouterr().err.startswith("2 commands, a minute; about 1 MB in ")
    with pytest.raises(UserError, match=r"MB are free, and about 10000000000 are written\. Make room, or"):
        look_ahead(tmp_path / "new/out", commands, room_mb=10**10, takes="")
    absent = SimpleNamespace(entry_point=None, package="gmai-bench")
    monkeypatch.setattr(steps.plugins, "discover", lambda: {"data": SimpleNamespace(entry_point=1), "bench": absent})
    with pytest.raises(UserError, match=r"not installed: gmai-bench\..* pip install .*gmai-bench"):
        look_ahead(tmp_path, commands, room_mb=1, takes="")


def test_a_step_without_the_file_it_needs_ends_the_run(run_of: Any, tmp_path: Path) -> None:
    chain = step("a", COUNT), step("b", COUNT, needs="questions", without="Add patients."), step("c", COUNT)
    with pytest.raises(UserError, match=r"out/questions: not there\. Add patients\.$"):
        run_of(*chain)
    assert (tmp_path / "out/count").read_text() == "x"
    (tmp_path / "out/questions").touch()
    assert list(run_of(*chain)) == ["a", "b", "c"]


def test_a_second_run_in_the_folder_is_refused_and_removes_nothing(run_of: Any, tmp_path: Path) -> None:
    half_done = tmp_path / "out/a"
    half_done.mkdir(parents=True)
    (tmp_path / "out/record.json").write_text("{}")
    with hold(tmp_path / "out"), pytest.raises(UserError, match="out"):
        run_of(step("a", COUNT))
    assert half_done.is_dir()
    assert not (tmp_path / "out/run.lock").exists()
