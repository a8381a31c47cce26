import os
import signal
import subprocess
import sys
import time

import pytest
from gmai_cli.processes import is_alive


def test_a_process_is_alive_until_it_ends() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped
    assert not is_alive(child.pid)
    child.communicate()
    assert not is_alive(child.pid)


def test_processes_of_others_are_alive_too() -> None:
    assert is_alive(1)
    assert is_alive(os.getpid())


PARENT = """
import subprocess, sys
from gmai_cli.processes import ending_with_this
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], preexec_fn=ending_with_this())
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_started_ends_with_a_process_that_is_killed(number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.send_signal(number)
    parent.communicate()
    while is_alive(child):  # the run's limit of time holds
        time.sleep(0.01)


def test_a_process_whose_parent_has_ended_already_does_not_begin() -> None:
    code = f"from gmai_cli.processes import end_with; end_with({os.getpid()} + 1); print('goes on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    code = f"from gmai_cli.processes import end_with; end_with({os.getpid()}); print('goes on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "goes on\n")
