"""One process per output folder: a lock file that says who holds it."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, NoReturn, cast

from gmai_cli.console import say
from gmai_cli.errors import EXIT_REQUEUE, UserError
from gmai_cli.processes import is_alive


@contextlib.contextmanager
def hold(folder: Path) -> Generator[None]:
    """Hold `folder/.lock` while the block runs.

    A lock of a process of this machine that is gone (it was killed) is taken over with a note. On another machine
    that cannot be known, so it is refused with the remedy. SIGTERM, which Slurm sends before it kills, gives the lock
    back and exits with `EXIT_REQUEUE`, so that a requeued job can go on elsewhere.

    Raises:
        UserError: Another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    if not _take(path):
        _explain_or_clear(path)
        if not _take(path):
            raise UserError(f"{path}: another process took this output folder just now. Use another --out.")
    in_main_thread = threading.current_thread() is threading.main_thread()  # only there can a signal be handled
    before = signal.signal(signal.SIGTERM, _stop) if in_main_thread else None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if in_main_thread:
            signal.signal(signal.SIGTERM, before)


def _stop(_signal: int, _frame: object) -> NoReturn:
    say("told to stop: the answers so far are kept, the same command goes on from there")
    raise SystemExit(EXIT_REQUEUE)


def _take(path: Path) -> bool:
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.strftime("%Y-%m-%d %H:%M:%S")}
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(owner, file)
    return True


def _explain_or_clear(path: Path) -> None:
    try:
        owner = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        pid, host, started = int(owner["pid"]), str(owner["host"]), str(owner["started"])
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        pid, host, started = -1, "unknown", "unknown"
    if host == socket.gethostname() and pid > 0 and not is_alive(pid):
        say(f"{path}: left by process {pid} of {started}, which is gone; taking the folder over")
        path.unlink(missing_ok=True)
        return
    raise UserError(
        f"{path}: process {pid} on {host} holds this output folder since {started}. One process writes to a folder at "
        f"a time. Wait for it or use another --out; if that process is gone, remove {path} and run the command again."
    )
