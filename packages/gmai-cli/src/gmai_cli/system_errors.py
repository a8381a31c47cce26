"""Errors of the system (full disk, permission, taken port, missing program) as one line: what, where, remedy.

They are the user's world and no bugs, in whatever command and library they come up; `main.py` asks here once.
"""

import contextlib
import errno
import os
import shutil
import socket
import sys
import tempfile
import traceback
from pathlib import Path
from types import TracebackType

_RESUME = "then run the same command again"
_FOUND = {
    errno.ENOSPC: ("no space is left on the device", f"Make room or choose another folder, {_RESUME}."),
    errno.EDQUOT: ("the quota is used up", f"Make room or choose another folder, {_RESUME}."),
    errno.EFBIG: ("the file would be larger than allowed", "Raise `ulimit -f`, or choose another file system."),
    errno.EROFS: ("the file system is read-only", "Choose a folder that can be written."),
    errno.EACCES: ("permission denied", "Choose another path, or ask its owner for access."),
    errno.EPERM: ("not permitted", "Choose another path, or ask its owner for access."),
    errno.ENOENT: ("no such file or folder", "Correct the path."),
    errno.ENOTDIR: ("a part of the path is no folder", "Correct the path."),
    errno.EISDIR: ("this is a folder, and a file is needed", "Correct the path."),
    errno.EEXIST: ("this exists already", "Choose another path, or remove what is there."),
    errno.ENOTEMPTY: ("the folder is not empty", "Choose another path, or remove what is there."),
    errno.ELOOP: ("links that lead in a circle", "Correct the path."),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "Choose a shorter path."),
    errno.EXDEV: ("source and target lie on different file systems", "Choose a folder on the same one."),
    errno.EMFILE: ("too many open files", f"Raise `ulimit -n`, {_RESUME}."),
    errno.ENFILE: ("too many open files on this machine", f"Close other programs, {_RESUME}."),
    errno.ENOMEM: ("no memory is left", f"Use fewer workers or a machine with more memory, {_RESUME}."),
    errno.EIO: ("the device reports an error", f"Check the disk, {_RESUME}."),
    errno.ESTALE: ("the network file system lost the file", f"Check the mount, {_RESUME}."),
    errno.ETXTBSY: ("the program is being written", f"Wait a moment, {_RESUME}."),
    errno.ENOEXEC: ("this is no program of this machine", "Install the one for this machine."),
    errno.EADDRINUSE: ("the port is taken", "Choose another port, or end the program that has it."),
    errno.EADDRNOTAVAIL: ("no address of this machine", "Give the name or address of this machine."),
    errno.ECONNREFUSED: ("nothing listens there", "Start the server, or correct the address."),
    errno.ECONNRESET: ("the connection was cut", f"Check the server, {_RESUME}."),
    errno.EHOSTUNREACH: ("the host cannot be reached", f"Check address, network and proxy, {_RESUME}."),
    errno.ENETUNREACH: ("the network cannot be reached", f"Check network and proxy, {_RESUME}."),
    errno.ETIMEDOUT: ("no answer in time", f"Check address, network and proxy, {_RESUME}."),
}
_SPACE = (errno.ENOSPC, errno.EDQUOT)
_OUTPUTS = ("--out", "--release", "--cache")


def explain(error: BaseException) -> str | None:
    """Return one line about an error of the system, None for anything else, which is a bug until it is known."""
    if isinstance(error, BaseExceptionGroup):
        lines = [explain(each) for each in error.exceptions]
        return lines[0] if all(lines) else None
    if isinstance(error, socket.gaierror):
        return f"the host's name is unknown ({error.strerror}). Correct the address, or check network and proxy."
    if not isinstance(error, OSError) or error.errno not in _FOUND:
        return None
    found, remedy = _FOUND[error.errno]
    if error.errno == errno.ENOENT and _starts_a_program(error.__traceback__):
        program = os.fsdecode(error.filename or "a program")
        return f"{program}: not installed, or not on the PATH. This command runs it. Install it, or load its module."
    place = _place(error)
    if error.errno in _SPACE:
        found += _room(place)
    if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL) and not error.filename:
        place = _address(error) or "the server"
    return f"{place}: {found}. {remedy}" if place else f"{found} ({error.strerror}). {remedy}"


def _starts_a_program(trace: TracebackType | None) -> bool:
    frames = traceback.extract_tb(trace)
    return bool(frames) and Path(frames[-1].filename).name in ("subprocess.py", "unix_events.py", "base_events.py")


def _place(error: OSError) -> str:
    """Return the path of an error; one of writing has none, so the open files and paths of its frames are looked at."""
    if error.filename is not None:
        names = [error.filename, error.filename2] if error.filename2 is not None else [error.filename]
        return " ▶ ".join(os.fsdecode(name) if isinstance(name, str | bytes) else str(name) for name in names)
    if error.errno not in (*_SPACE, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM):
        return ""
    trace, found = error.__traceback__, ""
    while trace is not None:  # the innermost frame that knows a file, or else a path, is the nearest one
        values = list(trace.tb_frame.f_locals.values())
        files = [name for value in values if isinstance(name := getattr(value, "name", None), str)]
        paths = [str(value) for value in values if isinstance(value, Path)]
        found = next((name for name in (*files, *paths) if Path(name).is_absolute()), found)
        trace = trace.tb_next
    return found or _output() or tempfile.gettempdir()


def _output() -> str:
    words = sys.argv[1:]
    for option in _OUTPUTS:
        for number, word in enumerate(words):
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
            if word == option and number + 1 < len(words):
                return words[number + 1]
    return ""


def _room(place: str) -> str:
    folder = Path(place.rpartition(" ▶ ")[2])
    for each in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(each)
            return f" ({usage.free / 1e6:,.1f} of {usage.total / 1e6:,.1f} MB are free)"
    return ""


def _address(error: OSError) -> str:
    """Return host and port where the message has them, as asyncio's and uvicorn's do."""
    text = str(error)
    start, end = text.find("('"), text.find(")")
    return text[start + 1 : end].replace("'", "").replace(", ", ":") if 0 <= start < end else ""
