"""Fresh processes meet no signal before they are ready, and none is lost."""

import os
import subprocess
import sys

import pytest
from gmai_data.spawned import fresh_processes

SCRIPT = """
import os, signal, sys, threading, time
from gmai_data.spawned import fresh_processes, let_signals_in

HELD = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}

def report(pipe):
    time.sleep(0.2)
    pipe.send(signal.pthread_sigmask(signal.SIG_BLOCK, ()) & HELD == HELD)
    for number in HELD:
        signal.signal(number, lambda got, _: pipe.send(int(got)))
    let_signals_in()
    pipe.send("ready")

if __name__ == "__main__":
    number = int(sys.argv[1])
    got = []
    signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
    context = fresh_processes()
    ours, theirs = context.Pipe()
    process = context.Process(target=report, args=(theirs,))
    sender = threading.Thread(target=lambda: [os.kill(os.getpid(), signal.SIGUSR1) for _ in range(20)])
    sender.start()
    process.start()
    theirs.close()
    os.kill(process.pid, number)
    print(ours.recv(), sorted((str(ours.recv()), str(ours.recv()))))
    process.join()
    sender.join()
    free = signal.pthread_sigmask(signal.SIG_BLOCK, ()) & HELD
    print(process.exitcode, bool(got), len(free))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_at_the_start_waits_until_the_process_is_ready(tmp_path, name):
    """The one that starts it gets its own signals all the while."""
    import signal

    number = getattr(signal, name)
    script = tmp_path / "starts.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, str(int(number))], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"True {sorted((str(int(number)), 'ready'))}", "0 True 0"]


@pytest.mark.parametrize(("given", "found"), [(None, "1"), ("3", "3")])
def test_processes_compute_in_one_thread_unless_the_user_says_otherwise(monkeypatch, given, found):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    fresh_processes()
    assert os.environ["OMP_NUM_THREADS"] == found
