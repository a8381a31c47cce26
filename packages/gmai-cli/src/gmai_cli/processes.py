"""What one process can know of another on its machine, and how it ends with the one that started it."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

_PR_SET_PDEATHSIG = 1
"""https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""


def end_with(parent: int, prctl: Callable[[int, int], int] | None = None) -> None:
    """Let the kernel kill this process when the one that started it ends, be it killed (Linux; elsewhere it goes on).

    Args:
        parent: The process that started this one.
        prctl: The system's call, where it was looked up already.
    """
    if prctl := prctl or _prctl():
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the kernel was asked
            os._exit(1)


def ending_with_this() -> Callable[[], None]:
    """Return a `preexec_fn` for `subprocess`: what is started then ends with this process."""
    return partial(end_with, os.getpid(), _prctl())  # looked up here: a forked process may not import


def _prctl() -> Callable[[int, int], int] | None:
    try:
        import ctypes

        return ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return None


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine runs, whoever owns it; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        # The state follows the name in brackets, which may hold brackets itself (proc(5)).
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] not in b"ZX"
    except OSError:
        return True
