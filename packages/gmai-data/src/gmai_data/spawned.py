"""Fresh processes that no signal reaches before they are ready for it.

Slurm, a terminal and `timeout` signal every process of a step. A process that is still importing would die of it, and
so would the one in which Python keeps count of semaphores; the build would end for a reason of its own. The latter is
started first, since its start lets some signals in again.
"""

import contextlib
import os
import signal
from collections.abc import Generator
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess

HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@contextlib.contextmanager
def _held() -> Generator[None]:
    """Hold signals back from this thread; a process that it starts begins with them held back, too."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # one that came meanwhile comes now


def ignore_signals() -> None:
    """Leave signals to the process that started this one, which ends with it; called in a fresh process."""
    for number in HELD:
        signal.signal(number, signal.SIG_IGN)
    let_signals_in()


def let_signals_in() -> None:
    """Let the signals in that were held back since the process began, once it knows what to do with them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


class _Process(SpawnProcess):
    def start(self) -> None:
        """Start the process with its signals held back."""
        with _held():
            super().start()


class _Context(SpawnContext):
    Process = _Process  # pyright: ignore[reportAssignmentType] - a subclass of what stands there


_CONTEXT = _Context()


def one_thread_each() -> None:
    """Let processes that are started from here on, and this one if NumPy is not loaded yet, compute in one thread.

    Processes are the parallelism here. For products of matrices as small as thumbnails, threads that wait for one
    another took three quarters of a build's CPU time. What the user set stands.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def fresh_processes() -> SpawnContext:
    """Return what starts fresh interpreters: a forked one would inherit the threads of Arrow in an unknown state."""
    one_thread_each()
    with _held():
        resource_tracker.ensure_running()
    return _CONTEXT
