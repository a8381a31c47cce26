"""How much processor time and memory the files of one item may take: counted by the system, which ends what goes on."""

import contextlib
import os
import resource
import signal
import sys
import threading
from collections.abc import Generator
from pathlib import Path

CPU_S, CPU_S_PER_MB = 20, 2
"""Seconds of a processor from one picture of an item to the next, and on top for each megabyte of its files."""
MEMORY_BYTES, MEMORY_PER_BYTE = 4 * 2**30, 6
"""What the files of an item may take beside what the process has, and in relation to their size where that is more."""

STILL_S = 600.0
"""Seconds of the clock without any processor time: a file server that hangs, a pipe that nobody writes into."""

CRASHED, TOO_LONG, TOO_MUCH = "the decoder crashed", "reading took too long", "reading took too much memory"
"""Rules that what an item does to its decoder is counted under."""
_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP)

_PAGES = Path("/proc/self/statm")
_allowed_s = 0
_is_limited = False

HEADER_CPU_S = 10.0
"""Seconds of a processor for one header where a source is listed, in the command's own process. Most take 1 ms."""


@contextlib.contextmanager
def raising_after(cpu_s: float, error: Exception) -> Generator[None]:
    """Raise an error out of work in Python that takes longer, where no other limit holds.

    Signals reach the main thread alone; in another one there is no limit.
    """
    if _is_limited or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def begin(size_bytes: int, memory_bytes: int | None = None) -> None:
    """Limit this process while it reads files of so many bytes together.

    Args:
        size_bytes: Of the files.
        memory_bytes: What they may take in place of `MEMORY_BYTES`.
    """
    global _allowed_s, _is_limited
    _allowed_s = CPU_S + CPU_S_PER_MB * size_bytes // 10**6
    _is_limited = True
    beat()
    taken = _data_bytes()
    if taken is not None:
        _set(resource.RLIMIT_DATA, taken + max(memory_bytes or MEMORY_BYTES, MEMORY_PER_BYTE * size_bytes))


def beat() -> None:
    """Grant the time for one more picture."""
    if _is_limited:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _set(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + _allowed_s)


def end() -> None:
    """Lift the limits."""
    global _is_limited
    if _is_limited:
        _is_limited = False
        _set(resource.RLIMIT_CPU, resource.RLIM_INFINITY)
        _set(resource.RLIMIT_DATA, resource.RLIM_INFINITY)


def is_limited() -> bool:
    """Return whether a want of memory is that of an item, and not of the machine."""
    return _is_limited


def too_much(memory_bytes: int | None = None) -> str:
    """Return what is said of an item beyond the limit of memory."""
    return (
        f"more than {(memory_bytes or MEMORY_BYTES) // 2**30} GiB and {MEMORY_PER_BYTE} times its files; leave it out"
    )


def of_its_item(exit_code: int | None, *, stood_still: bool) -> tuple[str, str] | None:
    """Return the rule and the detail where the end of a process is laid to the item that it read, else None.

    Args:
        exit_code: As `subprocess` and `multiprocessing` have it: negative for a signal.
        stood_still: Whether it was ended since its processor time did not grow.
    """
    number = -(exit_code or 0)
    if number in _CRASHES:
        name = signal.Signals(number).name
        return CRASHED, f"its process ended with {name}; the file is damaged, or made to do harm: leave it out"
    if stood_still:
        return TOO_LONG, f"no answer for {STILL_S:.0f} s; look at the disk or file server that it lies on"
    if number == signal.SIGXCPU:
        return TOO_LONG, f"more than {CPU_S} s and {CPU_S_PER_MB} s/MB of a processor; leave it out"
    return None


def how_it_ended(exit_code: int | None) -> str:
    """Return the end of a process in words."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-exit_code).name
    return f"signal {-exit_code}"


def used_s(process: int | None) -> float | None:
    """Return how much processor time another process has used, None where that cannot be known."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: utime and stime, behind a name of any letters
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return None


def _set(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY and (value == resource.RLIM_INFINITY or value > hard):
        value = hard
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (value, hard))


def _data_bytes() -> int | None:
    """Return what this process may write to of its own: what the limit counts; None where that cannot be known."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, IndexError, ValueError):
        # https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html: `data` also holds the stack, of a few pages
        return int(_PAGES.read_bytes().split()[5]) * resource.getpagesize()
    return None
