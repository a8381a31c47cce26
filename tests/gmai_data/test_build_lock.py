"""Two builds never work on one folder at once; the tasks of a job array work side by side."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from gmai_cli.exit_codes import EXIT_REQUEUE
from gmai_data.build import BuildSettings, build
from gmai_data.build_lock import exclusive
from gmai_data.sources.cards.catalogue import resolve
from gmai_formats.errors import UserError

GMAI = Path(sys.executable).with_name("gmai")


def begun(out: Path, *options: str) -> subprocess.Popen[str]:
    """Start a build and suspend it in the middle of its work."""
    command = [GMAI, "data", "build", *options, "--out", str(out)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(out.glob(".build/shards/*/done.json")):
        assert running.poll() is None, "the build ended before it could be suspended"
        time.sleep(0.002)
    running.send_signal(signal.SIGSTOP)
    return running


def test_a_second_build_is_refused_and_goes_on_at_once_when_the_first_is_killed(
    phantoms: Path, phantom_build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sources = tmp_path / "out", resolve(["phantoms"], phantoms)
    with begun(out, "phantoms", "--root", str(phantoms)) as first:
        with pytest.raises(UserError, match=rf"is being worked on by process {first.pid} .* choose another folder"):
            build(sources, out, BuildSettings())
        first.kill()
        os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
        assert build(sources, out, BuildSettings()) == 0
    assert f"took over {out / '.build' / 'run.lock'}: its process {first.pid} is gone" in capsys.readouterr().err
    assert (out / "manifest.json").read_bytes() == (phantom_build / "manifest.json").read_bytes()
    left = {path.name for path in (out / ".build").iterdir()}
    assert left == {"build.json", "build-copy.json", "complete.json", "listing"}


def test_a_build_told_to_stop_leaves_nothing_to_take_over(phantoms: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with begun(out, "phantoms", "--root", str(phantoms), "--workers", "2") as first:
        first.terminate()
        first.send_signal(signal.SIGCONT)
        _, said = first.communicate(timeout=60)
    assert first.returncode == EXIT_REQUEUE
    assert "stopped by SIGTERM: what is finished stays, the same command goes on from there" in said
    assert not (out / ".build" / "run.lock").exists()


def test_tasks_of_an_array_work_side_by_side_and_not_beside_a_whole_build(tmp_path: Path) -> None:
    with exclusive(tmp_path, 0), exclusive(tmp_path, 1):
        with pytest.raises(UserError, match=r"remove .*task-00001\.lock"), exclusive(tmp_path, 1):
            pass
        assert sorted(path.name for path in tmp_path.iterdir()) == ["task-00000.lock", "task-00001.lock"]
    with exclusive(tmp_path, None), pytest.raises(UserError, match=r"remove .*run\.lock"), exclusive(tmp_path, 1):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_whole_build_waits_for_the_tasks_at_work(tmp_path: Path) -> None:
    alone, done = threading.Event(), threading.Event()

    def whole() -> None:
        with exclusive(tmp_path, None):
            alone.set()
            done.wait()

    waiting = threading.Thread(target=whole)
    with exclusive(tmp_path, 3):
        waiting.start()
        assert not alone.wait(timeout=1.5)
        with pytest.raises(UserError, match="is being worked on"), exclusive(tmp_path, 4):
            pass  # no task begins meanwhile
    assert alone.wait(timeout=60)
    done.set()
    waiting.join()
    assert list(tmp_path.iterdir()) == []


def test_a_complete_build_is_left_alone_where_nothing_can_be_written(
    phantom_build: Path, phantoms: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "open", None)
    assert build(resolve(["phantoms"], phantoms), phantom_build, BuildSettings()) == 0
    assert "complete; nothing to do" in capsys.readouterr().err
