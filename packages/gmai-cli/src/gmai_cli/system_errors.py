"""Errors of the system (full disk, permission, taken port, missing program) as one line: what, where, remedy.

They are the user's world and no bugs, in whatever command and library they come up; `main.py` asks here once.
"""

import contextlib
import errno
import os
import re
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
_OF_DISKS = frozenset({*_SPACE, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE})
_TOLD = re.compile(r"\[Errno (\d+)\]|\(os error (\d+)\)")
_OUTPUTS = ("--out", "--to", "--release", "--cache")
_HIDDEN = re.compile(r"(?<=/)\.([^/]+)\.(?:[^./]+\.tmp|partial)(?=/|$)")
_FULL_BYTES = 1_000_000


def explain(error: BaseException) -> str | None:
    """Return one line about an error of the system, None for anything else, which is a bug until it is known."""
    if isinstance(error, BaseExceptionGroup):
        lines = [explain(each) for each in error.exceptions]
        return lines[0] if all(lines) else None
    if isinstance(error, socket.gaierror):
        return f"the host's name is unknown ({error.strerror}). Correct the address, or check network and proxy."
    if isinstance(error, MemoryError):
        found, remedy = _FOUND[errno.ENOMEM]
        place = next(iter(_of_frames(error.__traceback__)), "")
        return f"{place}: {found} while this was in work. {remedy}" if place else f"{found}. {remedy}"
    known = error if isinstance(error, OSError) and error.errno is not None else _wrapped(error)
    return None if known is None or known.errno not in _FOUND else _line(known, known.errno)


def _line(error: OSError, number: int) -> str:
    found, remedy = _FOUND[number]
    if error.errno == errno.ENOENT and _starts_a_program(error.__traceback__):
        program = os.fsdecode(error.filename or "a program")
        return f"{program}: not installed, or not on the PATH. This command runs it. Install it, or load its module."
    place = _place(error)
    if error.errno in _SPACE:
        found += _room(place)
    if error.errno == errno.ENOTDIR and (file := next((each for each in Path(place).parents if each.is_file()), None)):
        return f"{file}: a file, where a folder is due. {remedy}"
    if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL) and not error.filename:
        place = _address(error) or "the server"
    return f"{place}: {found}. {remedy}" if place else f"{found} ({error.strerror}). {remedy}"


def _wrapped(error: BaseException) -> OSError | None:
    """Return the disk's error that a library tells in words: pydicom in an error of its own, safetensors in Rust's."""
    told = _TOLD.search(str(error))
    if told is None or (number := int(told[1] or told[2])) not in _OF_DISKS:
        return None
    return OSError(number, os.strerror(number)).with_traceback(error.__traceback__)


def _starts_a_program(trace: TracebackType | None) -> bool:
    frames = traceback.extract_tb(trace)
    return bool(frames) and Path(frames[-1].filename).name in ("subprocess.py", "unix_events.py", "base_events.py")


def _place(error: OSError) -> str:
    """Return the path of an error; one of writing has none, so the open files and paths of its frames are looked at."""
    if error.filename is not None:
        names = [error.filename, error.filename2] if error.filename2 is not None else [error.filename]
        return " ▶ ".join(dict.fromkeys(_asked_for(os.fsdecode(name)) for name in names))
    if error.errno not in (*_SPACE, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM):
        return ""
    if not (known := [*_of_frames(error.__traceback__), *_output()]):
        return "standard output"
    named = [*known, str(Path.cwd()), tempfile.gettempdir()]
    # What a frame knows may be what was read. A disk that is full, or read-only, shows that it is.
    return _asked_for(next((name for name in named if _bears_out(name, error.errno)), named[0]))


def _asked_for(name: str) -> str:
    """Return the path that the user knows of one under whose hidden name it is written first."""
    return _HIDDEN.sub(r"\1", name)


def _of_frames(trace: TracebackType | None) -> list[str]:
    """Return the files and paths that the frames of an error know, those of the innermost frame first."""
    found: list[str] = []
    while trace is not None:
        values = list(trace.tb_frame.f_locals.values())
        files = [name for value in values if isinstance(name := getattr(value, "name", None), str)]
        paths = [str(value) for value in values if isinstance(value, Path)]
        found = [name for name in (*files, *paths) if Path(name).is_absolute() or os.sep in name] + found
        trace = trace.tb_next
    return found


def _bears_out(name: str, number: int) -> bool:
    try:
        state = os.statvfs(_existing(Path(name)))
    except OSError:
        return False
    if number == errno.EROFS:
        return bool(state.f_flag & os.ST_RDONLY)
    return number == errno.ENOSPC and (
        state.f_bavail * state.f_frsize < _FULL_BYTES or (state.f_files > 0 and state.f_favail == 0)
    )


def _existing(path: Path) -> Path:
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def _output() -> list[str]:
    """Return what the command line names: its output first, then all that looks like a path."""
    words = sys.argv[1:]
    outputs: list[str] = []
    for option in _OUTPUTS:
        for number, word in enumerate(words):
            if word.startswith(f"{option}="):
                outputs.append(word.partition("=")[2])
            if word == option and number + 1 < len(words):
                outputs.append(words[number + 1])
    paths = [word for word in reversed(words) if os.sep in word and not word.startswith("-")]
    return [*outputs, *paths]


def _room(place: str) -> str:
    with contextlib.suppress(OSError):
        usage = shutil.disk_usage(_existing(Path(place.rpartition(" ▶ ")[2])))
        return f" ({usage.free / 1e6:,.1f} of {usage.total / 1e6:,.1f} MB are free)"
    return ""


def _address(error: OSError) -> str:
    """Return host and port where the message has them, as asyncio's and uvicorn's do."""
    text = str(error)
    start, end = text.find("('"), text.find(")")
    return text[start + 1 : end].replace("'", "").replace(", ", ":") if 0 <= start < end else ""
