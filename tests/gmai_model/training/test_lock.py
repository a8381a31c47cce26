"""Two runs never work in one folder; a lock left by a dead one is no obstacle."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gmai_cli.errors import UserError
from gmai_model.training.lock import STALE_S, RunLock

HOLD = "import sys, time; from pathlib import Path; from gmai_model.training.lock import RunLock\n"
HOLD += "RunLock(Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(600)"


def hold(out: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_refused_and_goes_on_once_the_first_is_killed(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        with pytest.raises(UserError, match=rf"is being worked on by process {process.pid} on .* remove .*run.lock"):
            RunLock(tmp_path).acquire()
    finally:
        process.kill()
        process.wait()
    lock = RunLock(tmp_path)
    lock.acquire()
    assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def forge(out: Path, *, age_s: float = 0.0, **more: object) -> Path:
    path = out / "run.lock"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": "2026-11-24 08:00:00", "job": None, **more}))
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_a_lock_of_another_machine_goes_stale(tmp_path: Path) -> None:
    forge(tmp_path)
    with pytest.raises(UserError, match="elsewhere since 2026-11-24 08:00:00"):
        RunLock(tmp_path).acquire()
    forge(tmp_path, age_s=STALE_S + 5)
    RunLock(tmp_path).acquire()


def test_a_requeued_slurm_job_takes_over_its_own_lock_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    for job in (["8", "0"], ["7", "1"]):
        forge(tmp_path, job=job)
        with pytest.raises(UserError, match="is being worked on"):
            RunLock(tmp_path).acquire()
    forge(tmp_path, job=["7", "0"])
    RunLock(tmp_path).acquire()


def test_a_lock_cut_off_while_written_goes_stale_too(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    path.write_text("")
    with pytest.raises(UserError):
        RunLock(tmp_path).acquire()
    os.utime(path, (0, 0))
    RunLock(tmp_path).acquire()
