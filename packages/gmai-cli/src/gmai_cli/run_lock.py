"""One run at a time in a folder: a file that names the process at work, with a sign of life that can go stale."""

import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from gmai_formats.errors import UserError

from gmai_cli.console import say
from gmai_cli.exit_codes import EXIT_USER_ERROR
from gmai_cli.processes import is_alive
from gmai_cli.start import STOPS, end_by

NAME = "run.lock"
HEARTBEAT_S = 20.0
STALE_S = 300.0
"""Seconds without a sign of life after which a lock of another machine is taken over."""
_LOOK_S = 0.5
"""Seconds between two looks at a lock that is watched."""
_WRITTEN_S = 0.02
"""Seconds in which a lock that was just made has its text, as a rule."""
_CUT_OFF_S = 5.0
"""Seconds without any text after which its writer was killed, or will find that the lock is not its own."""


@dataclass(frozen=True)
class _Holder:
    """What a lock file said when it was looked at."""

    text: str
    beaten: float
    """When it last showed a sign of life, by the clock of the file system's server."""
    age_s: float

    @property
    def _entries(self) -> dict[str, Any]:
        try:
            entries = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}  # being written, cut off by a kill, or damaged
        return cast("dict[str, Any]", entries) if isinstance(entries, dict) else {}

    def __str__(self) -> str:
        known = self._entries
        return (
            f"process {known.get('pid', 'unknown')} on {known.get('host', 'an unknown host')} since "
            f"{known.get('started', 'an unknown time')} (last sign of life {max(self.age_s, 0):.0f} s ago)"
        )

    @property
    def is_here(self) -> bool:
        """Return whether it is a process of this machine, and of this container where there is one."""
        return (self._entries.get("host"), self._entries.get("processes")) == (socket.gethostname(), _processes())

    def gone(self) -> str | None:
        """Return how it is known that the holder works no more, or None where it may."""
        known, job = self._entries, _slurm_job()
        earlier: Any = known.get("job")
        if not isinstance(earlier, list) or len(cast("list[Any]", earlier)) != 2:
            earlier = None
        if not known and self.age_s > _CUT_OFF_S:
            return "it was cut off while written"
        if self.age_s > STALE_S:
            return f"no sign of life for {self.age_s:.0f} s"
        if job and earlier and job[0] == earlier[0] and job[1] != earlier[1]:
            return f"it was an earlier start of this Slurm job, {job[0]}"
        pid = known.get("pid")
        if self.is_here and isinstance(pid, int) and pid > 0 and not is_alive(pid):
            return f"its process {pid} is gone"
        return None


class RunLock:
    """Holds a folder from `acquire` until `release`, or until this process is gone.

    The file is created exclusively, which holds on NFS too. A lock is taken over, and that is said, when its process
    is gone (same machine), when an earlier start of the same Slurm job left it (Slurm never runs a requeued job twice
    at once), or when it has shown no sign of life for five minutes. One of another machine is watched until it shows
    one or has gone stale. A process that was suspended so long that another took its lock ends when it wakes.

    Args:
        folder: What is held; made where it is absent.
        name: Of the lock file.
        works_on: What messages say is being worked on; the folder where None.
    """

    def __init__(self, folder: Path, name: str = NAME, *, works_on: Path | None = None) -> None:
        self._path, self._works_on = folder / name, works_on or folder
        self._ended = threading.Event()
        self._text = ""

    def acquire(self, *, patient: bool = False) -> None:
        """Take the lock.

        Args:
            patient: Wait for the end of a process that works on this folder, however long that takes.

        Raises:
            UserError: Another process works on this folder (unless `patient`), or nothing can be written there.
        """
        text = json.dumps({
            "host": socket.gethostname(), "processes": _processes(), "pid": os.getpid(), "job": _slurm_job(),
            "started": time.strftime("%Y-%m-%d %H:%M:%S"), "token": secrets.token_hex(8),
        })  # fmt: skip
        reason = self._wait(lambda: _take(self._path, text), patient=patient)
        self._text = text
        self._ended = threading.Event()
        if reason:
            say(f"took over {self._path}: {reason}")
        threading.Thread(target=self._beat, daemon=True, name="run-lock").start()

    def wait_until_free(self) -> None:
        """Return once nobody holds the lock, however long that takes, and take nothing.

        Raises:
            UserError: Nothing can be written there.
        """
        self.acquire(patient=True)
        self.release()

    def refuse_if_held(self) -> None:
        """Take nothing, but refuse as `acquire` does.

        Raises:
            UserError: See `acquire`.
        """
        self._wait(lambda: _at_work(self._path), patient=False)

    def at_work(self) -> str:
        """Return what is known of the process that may be at work; nothing where none is."""
        return str(_at_work(self._path))

    def _wait(self, attempt: Callable[[], str | _Holder], *, patient: bool) -> str:
        """Try until it is clear that another process works here, or none; return how that is known."""
        first: _Holder | None = None
        is_announced = False
        while isinstance(found := self._explained(attempt), _Holder):
            alive = found.is_here or (first is not None and first.text == found.text and first.beaten < found.beaten)
            if alive and not patient and found.gone() is None:
                raise UserError(
                    f"{self._works_on} is being worked on by {found}. Two runs would overwrite each other's files. "
                    f"Wait for it, or choose another folder. If you know that it is gone, remove {self._path}."
                )
            if first is None or first.text != found.text:
                first, is_announced = found, False
                time.sleep(_WRITTEN_S)
                continue
            if not is_announced:
                how_long = "its end" if patient else f"a sign of life, or {STALE_S:.0f} s without one"
                say(f"{self._path} is held by {found}; waiting for {how_long}. If you know that it is gone, remove it.")
                is_announced = True
            time.sleep(_LOOK_S)
        return found

    def _explained(self, attempt: Callable[[], str | _Holder]) -> str | _Holder:
        folder = self._path.parent
        try:
            while True:
                folder.mkdir(parents=True, exist_ok=True)
                try:
                    return attempt()
                except FileNotFoundError:
                    if folder.is_dir():
                        raise
                    # whoever released it a moment ago removed the empty folder, too
        except OSError as error:
            if file := next((each for each in (folder, *folder.parents) if each.is_file()), None):
                raise UserError(f"{file}: a file, and a folder is needed here. Choose another place.") from error
            raise UserError(
                f"{self._path} cannot be written: {error.strerror or error}. A run needs a folder that it can write "
                f"to. Choose another place, make room, or give the right to write there."
            ) from error

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            try:
                mine = self._path.read_text("utf-8") == self._text
                if mine:
                    os.utime(self._path)
            except FileNotFoundError:
                mine = False
            except OSError:
                continue  # a hiccup of the file system; five minutes of them make the lock stale
            if not mine and not self._ended.is_set():
                say(
                    f"gmai: {self._path} is no longer this process's: it was removed, or another run took it after "
                    f"{STALE_S:.0f} s without a sign of life. This run ends before both write to one folder."
                )
                os._exit(EXIT_USER_ERROR)

    def release(self) -> None:
        """Let the next run begin; does nothing where the lock is not held."""
        self._ended.set()
        with contextlib.suppress(OSError):  # where it cannot be removed, the next run finds that this process is gone
            if self._text and self._path.read_text("utf-8") == self._text:
                self._path.unlink()
        self._text = ""


@contextlib.contextmanager
def hold(folder: Path, name: str = NAME, *, works_on: Path | None = None) -> Generator[None]:
    """Hold a folder's lock, see `RunLock`, while the block runs.

    SIGTERM and SIGUSR1, which Slurm sends before it kills, give the lock back and end the process at once with
    `EXIT_REQUEUE`, so that a requeued job can go on elsewhere: for runs that lose nothing by a kill.

    Raises:
        UserError: See `RunLock.acquire`.
    """
    lock = RunLock(folder, name, works_on=works_on)

    def stop(number: int, _frame: object) -> NoReturn:
        lock.release()
        with contextlib.suppress(RuntimeError):  # the signal came while a line was being printed
            sys.stdout.flush()
        end_by(number)

    lock.acquire()
    in_main_thread = threading.current_thread() is threading.main_thread()  # only there can a signal be handled
    before = {number: signal.signal(number, stop) for number in STOPS} if in_main_thread else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        lock.release()


def _at_work(path: Path) -> str | _Holder:
    holder = _look(path)
    return holder if holder is not None and holder.gone() is None else ""


def _take(path: Path, text: str) -> str | _Holder:
    """Take a lock that is free or whose holder is gone; return how that is known, or who holds it."""
    reason = ""
    while not _create(path, text):
        holder = _look(path)
        if holder is None:
            continue  # released in between
        why_dead = holder.gone()
        if why_dead is None:
            return holder
        # Several processes may see that it is gone. Only the one that holds this second lock, which is named for the
        # lock that was seen, may remove it, and only if it is still that one: a later holder's is never removed.
        successor = path.with_name(f".{path.name}.{hashlib.sha256(holder.text.encode()).hexdigest()[:16]}")
        if isinstance(other := _take(successor, text), _Holder):
            return other
        try:
            now = _look(path)
            if now is not None and now.text == holder.text and now.gone() is not None:
                path.unlink()
                reason = why_dead
        finally:
            successor.unlink(missing_ok=True)
    return reason


def _create(path: Path, text: str) -> bool:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        path.unlink(missing_ok=True)  # a full disk
        raise
    with contextlib.suppress(FileNotFoundError):
        return path.read_text("utf-8") == text  # unless this took so long that the empty lock counted as cut off
    return False


def _look(path: Path) -> _Holder | None:
    """Return what a lock says, or None where there is none."""
    try:
        # The time as the server stamps it, which may differ from this machine's.
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            now = os.fstat(probe.fileno()).st_mtime
    except OSError:  # who may not write here can look
        now = time.time()
    try:
        # Opening asks the server; the times of a path may be remembered.
        with path.open(encoding="utf-8", errors="replace") as file:
            beaten = os.fstat(file.fileno()).st_mtime
            return _Holder(file.read(), beaten, now - beaten)
    except FileNotFoundError:
        return None


def _slurm_job() -> list[str] | None:
    """Return the job and how often it was requeued, where there is one."""
    job = os.environ.get("SLURM_JOB_ID")
    return None if job is None else [job, os.environ.get("SLURM_RESTART_COUNT", "0")]


def _processes() -> str:
    """Return the namespace of process numbers: containers may share a host's name."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
