import os
import subprocess
import sys

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
