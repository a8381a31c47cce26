"""How much processor time and memory the files of one item may take: counted by the system, which ends what goes on."""

import contextlib
import os
import re
import resource
import sys
from pathlib import Path

CPU_S, CPU_S_PER_MB = 20, 2
"""Seconds of a processor from one picture of an item to the next, and on top for each megabyte of its files."""
MEMORY_BYTES, MEMORY_PER_BYTE = 4 * 2**30, 6
"""What the files of an item may take beside what the process has, and in relation to their size where that is more."""

STILL_S = 600.0
"""Seconds of the clock without any processor time: a file server that hangs, a pipe that nobody writes into."""

_STATUS = Path("/proc/self/status")
_allowed_s = 0
_is_limited = False


def begin(size_bytes: int) -> None:
    """Limit this process while it reads files of so many bytes together."""
    global _allowed_s, _is_limited
    _allowed_s = CPU_S + CPU_S_PER_MB * size_bytes // 10**6
    _is_limited = True
    beat()
    taken = _data_bytes()
    if taken is not None:
        _set(resource.RLIMIT_DATA, taken + max(MEMORY_BYTES, MEMORY_PER_BYTE * size_bytes))


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
    with contextlib.suppress(OSError):
        found = re.search(r"VmData:\s+(\d+) kB", _STATUS.read_text())
        return None if found is None else int(found[1]) * 1024
    return None
