"""Two runs never work in one folder; a lock left by a dead one is no obstacle."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gmai_cli import run_lock
from gmai_cli.exit_codes import EXIT_REQUEUE, EXIT_USER_ERROR
from gmai_cli.run_lock import STALE_S, RunLock, hold
from gmai_formats.errors import UserError

HOLD = """
import sys, time
from pathlib import Path
from gmai_cli import run_lock
run_lock.HEARTBEAT_S = float(sys.argv[2])
with run_lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""

# Each child takes the lock of the one before, which ended while it held it. `inside` is there while one holds it.
# Looks are slow, as on a network's file system: what was seen may have changed when it is acted on.
RACE = """
import os, random, sys, time
from pathlib import Path
from gmai_cli import run_lock
from gmai_formats.errors import UserError
from gmai_cli.run_lock import RunLock

out, racers, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
sys.stderr = open(os.devnull, "w")
look = run_lock._look

def slow_look(path):
    seen = look(path)
    time.sleep(random.random() / 500)
    return seen

run_lock._look = slow_look

def race(begin):
    os.read(begin, 1)
    while True:
        try:
            RunLock(out).acquire()
            break
        except UserError:
            pass
    try:
        os.close(os.open(out / "inside", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return 1
    (out / "inside").unlink()
    return 0

two_at_once = 0
for _ in range(rounds):
    begin, go = os.pipe()
    children = []
    for _ in range(racers):
        child = os.fork()
        if child == 0:
            os.close(go)
            random.seed()
            os._exit(race(begin))
        children.append(child)
    os.close(go)
    os.close(begin)
    two_at_once += sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
print(two_at_once)
"""


@contextmanager
def held_elsewhere(out: Path, beat_s: float = 20.0) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(out), str(beat_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_run_is_refused_and_goes_on_at_once_when_the_first_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with held_elsewhere(tmp_path) as process:
        with pytest.raises(UserError) as refused:
            RunLock(tmp_path).acquire()
        message = str(refused.value)
        assert f"{tmp_path} is being worked on by process {process.pid} on {socket.gethostname()} since 20" in message
        assert "Two runs would overwrite each other's files." in message
        assert message.endswith(f"If you know that it is gone, remove {tmp_path / 'run.lock'}.")
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped: it works no more
        with hold(tmp_path):
            assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()
            assert f"run.lock: its process {process.pid} is gone" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_of_many_that_see_a_lock_left_behind_one_holds_it_at_a_time(tmp_path: Path) -> None:
    racers, rounds = 6, 60
    result = subprocess.run(
        [sys.executable, "-c", RACE, str(tmp_path), str(racers), str(rounds)],
        capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    assert result.stdout == "0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


def forge(out: Path, *, age_s: float = 0.0, **more: object) -> Path:
    path = out / "run.lock"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": "2026-11-24 08:00:00", "job": None, **more}))
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def test_a_lock_of_another_machine_is_watched_for_a_sign_of_life(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = forge(tmp_path, age_s=STALE_S - 100)
    beat = threading.Timer(1.0, os.utime, [path])
    beat.start()
    with pytest.raises(
        UserError, match=r"process 1 on elsewhere since 2026-11-24 08:00:00 \(last sign of life 0 s ago\)"
    ):
        RunLock(tmp_path).acquire()
    beat.join()
    assert "waiting for a sign of life, or 300 s without one" in capsys.readouterr().err
    assert path.exists()


def test_a_lock_of_another_machine_goes_stale_while_it_is_watched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forge(tmp_path, age_s=STALE_S - 1)
    with hold(tmp_path):
        assert "run.lock: no sign of life for 30" in capsys.readouterr().err


def test_a_requeued_slurm_job_takes_over_its_own_lock_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    forge(tmp_path, job=["7", "0"])
    with hold(tmp_path):
        assert json.loads((tmp_path / "run.lock").read_text())["job"] == ["7", "1"]
    for job in (["8", "0"], ["7", "1"]):
        beat = threading.Timer(0.2, os.utime, [forge(tmp_path, job=job)])
        beat.start()
        with pytest.raises(UserError, match="is being worked on"):
            RunLock(tmp_path).acquire()
        beat.join()


@pytest.mark.parametrize("text", ["", '{"host": "n1', "[]"])
def test_a_lock_cut_off_while_written_is_taken_over_in_seconds(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.lock"
    path.write_text(text)
    os.utime(path, (time.time() - 4, time.time() - 4))
    with hold(tmp_path):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert "waiting for a sign of life" in capsys.readouterr().err


def test_one_waits_until_others_have_ended(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        waiting = threading.Thread(target=RunLock(tmp_path).wait_until_free)
        waiting.start()
        waiting.join(timeout=1.5)
        assert waiting.is_alive()
        with pytest.raises(UserError, match=f"process {process.pid} "):
            RunLock(tmp_path).refuse_if_held()
        process.terminate()
        waiting.join(timeout=600)
        assert not waiting.is_alive()
    RunLock(tmp_path).refuse_if_held()
    assert list(tmp_path.iterdir()) == []


def test_a_process_told_to_stop_gives_the_folder_back(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        process.terminate()
        _, said = process.communicate(timeout=600)
    assert process.returncode == EXIT_REQUEUE
    assert said == "gmai: stopped by SIGTERM: what is finished stays, the same command goes on from there\n"
    assert list(tmp_path.iterdir()) == []


def test_a_suspended_run_whose_lock_was_taken_ends_when_it_wakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_elsewhere(tmp_path, beat_s=0.1) as process:
        process.send_signal(signal.SIGSTOP)
        os.utime(tmp_path / "run.lock", (0, 0))
        with hold(tmp_path):
            process.send_signal(signal.SIGCONT)
            _, said = process.communicate(timeout=600)
            assert process.returncode == EXIT_USER_ERROR
            assert "run.lock is no longer this process's" in said
            assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()


def test_a_lock_shows_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "HEARTBEAT_S", 0.05)
    path = tmp_path / "run.lock"
    with hold(tmp_path):
        os.utime(path, (0, 0))
        while path.stat().st_mtime == 0:
            time.sleep(0.01)


def test_a_failure_gives_the_folder_back(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    with pytest.raises(RuntimeError), hold(tmp_path):
        raise RuntimeError
    with hold(tmp_path):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_the_signals_of_a_scheduler_give_the_folder_back(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import os, sys, time; from pathlib import Path; from gmai_cli.run_lock import hold\n"
        "with hold(Path(sys.argv[1])):\n    os.kill(os.getpid(), int(sys.argv[2]))\n    time.sleep(3600)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 75
    assert done.stderr.splitlines()[-1].endswith("the same command goes on from there")
    assert list(tmp_path.glob("*.lock")) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"a file, and a folder is needed here\. Choose another place"):
        RunLock(tmp_path / "file" / "out").acquire()
    result = subprocess.run(
        [sys.executable, "-c", HOLD, str(tmp_path / "out"), "20"], capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),  # no room for a byte
    )  # fmt: skip
    assert "run.lock cannot be written: File too large. A run needs a folder that it can write to." in result.stderr
    assert "Choose another place" in result.stderr
    assert list((tmp_path / "out").iterdir()) == []
