"""Signals while the main thread is anywhere: each test has a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import sys, time
from gmai_model.training.signals import StopRequest, StopAsked
from multiprocessing import get_context
stop = StopRequest()
stop.before_exit.append(lambda number: print("before exit", number.name, flush=True))
print("ready", flush=True)
{body}
"""
SAVES = """
with stop.saving():
    print("saving", flush=True)
    while stop.received is None:
        time.sleep(0.01)
    print("saved", flush=True)
    {after}
    raise SystemExit(stop.code)
"""


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def started(body: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert line(process) == "ready"
    return process


SIGNALS = [(signal.SIGUSR1, 75), (signal.SIGTERM, 75), (signal.SIGINT, 130)]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_outside_of_steps_the_process_ends_at_once_even_inside_a_library(number: signal.Signals, code: int) -> None:
    process = started("import threading; threading.Lock().acquire(); lock = threading.Lock(); lock.acquire(); "
                      "lock.acquire()")  # fmt: skip
    process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert process.returncode == code
    assert out == f"before exit {number.name}\n"
    assert f"stopped by {number.name}. No step was being made" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_while_steps_are_made_the_signal_is_left_to_them(number: signal.Signals, code: int) -> None:
    process = started(SAVES.format(after="pass"))
    assert line(process) == "saving"
    process.send_signal(number)
    out, _ = process.communicate(timeout=600)
    assert (process.returncode, out) == (code, "saved\n")


def test_a_signal_that_comes_twice_within_a_moment_is_one_wish() -> None:
    process = started(SAVES.format(after="time.sleep(0.6)"))
    assert line(process) == "saving"
    for _ in range(4):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    out, _ = process.communicate(timeout=600)
    assert (process.returncode, out) == (75, "saved\n")


def test_the_second_signal_ends_at_once() -> None:
    process = started(SAVES.format(after="time.sleep(3600)"))
    assert line(process) == "saving"
    process.send_signal(signal.SIGTERM)
    assert line(process) == "saved"
    time.sleep(1.1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=600)
    assert (process.returncode, out) == (75, "before exit SIGTERM\n")
    assert "It is the second signal" in err


def test_a_signal_behind_the_last_step_ends_the_process_too() -> None:
    process = started(
        'with stop.saving():\n    print("saving", flush=True)\n    while stop.received is None: time.sleep(0.01)\n'
        "time.sleep(3600)"
    )
    assert line(process) == "saving"
    process.send_signal(signal.SIGUSR1)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 75
    assert "The steps are done and saved" in err


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_interpreter_shuts_down_changes_no_exit_code(number: signal.Signals) -> None:
    # A module's own objects go after Python has given the handlers back to the system.
    process = started(
        "import os\nclass Late:\n    def __del__(self, kill=os.kill, me=os.getpid()):\n"
        f"        kill(me, {number:d})\n"
        "sys.late = Late()\ntry:\n    raise SystemExit(75)\nfinally:\n    stop.close()"
    )
    out, err = process.communicate(timeout=600)
    assert (process.returncode, out, err) == (75, "", "")


WORKER = """
from gmai_model.training.signals import shield_worker
def work(connection):
    shield_worker()
    connection.send("up")
    time.sleep(3600)
context = get_context("fork")
ours, theirs = context.Pipe()
worker = context.Process(target=work, args=(theirs,), daemon=True)
worker.start()
ours.recv()
print(worker.pid, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_workers_outlive_a_signal_to_the_group(number: signal.Signals) -> None:
    body = WORKER + SAVES.format(after="print(worker.is_alive(), flush=True); worker.kill()")
    process = started(body)
    assert line(process).isdigit()
    assert line(process) == "saving"
    os.killpg(process.pid, number)
    out, _ = process.communicate(timeout=600)
    assert out == "saved\nTrue\n"


def test_a_signal_to_a_worker_alone_stops_nothing() -> None:
    process = started(WORKER + "time.sleep(1)\nprint(stop.received, worker.is_alive(), flush=True)\nworker.kill()")
    os.kill(int(line(process)), signal.SIGTERM)
    out, _ = process.communicate(timeout=600)
    assert (process.returncode, out) == (0, "None True\n")


@pytest.mark.skipif(sys.platform != "linux", reason="a parent's death is told on Linux")
def test_workers_end_with_the_run_however_it_ends() -> None:
    process = started(WORKER + "time.sleep(3600)")
    worker = int(line(process))
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and _runs(worker):
        time.sleep(0.05)
    assert not _runs(worker)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in "ZX"
    except OSError:
        return False
