"""One run at a time in a folder: a file that names the process at work, with a sign of life that can go stale."""

import json
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_cli.errors import UserError
from gmai_cli.processes import is_alive

HEARTBEAT_S = 20.0
STALE_S = 300.0
"""Seconds without a sign of life after which a lock of another machine is taken over."""


class RunLock:
    """Holds `OUT/run.lock` from `acquire` until `release`, or until this process is gone.

    The file is created exclusively, which holds on NFS too. A lock is taken over when its process is gone (same
    machine), when an earlier start of the same Slurm job left it (Slurm never runs a requeued job twice at once), or
    when it has shown no sign of life for five minutes.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / "run.lock"
        self._token = secrets.token_hex(8)
        self._ended = threading.Event()
        self._held = False

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            UserError: Another process works on this folder.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while not self._create():
            self._take_over()
        self._held = True
        threading.Thread(target=self._beat, daemon=True, name="run-lock").start()

    def _create(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "host": _host(), "pid": os.getpid(), "job": _slurm(),
                    "started": time.strftime("%Y-%m-%d %H:%M:%S"), "token": self._token,
                },
                file,
            )  # fmt: skip
        return True

    def _take_over(self) -> None:
        now = self._server_time()
        try:
            age_s = now - self._path.stat().st_mtime
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return  # released in between
        try:
            holder: dict[str, Any] = json.loads(text)
        except ValueError:
            holder = {}  # being written, or cut off by a full disk
        reason = _abandoned(holder, age_s)
        if reason is None:
            raise UserError(
                f"{self._path.parent} is being worked on by process {holder.get('pid')} on {holder.get('host')} since "
                f"{holder.get('started')} (last sign of life {age_s:.0f} s ago). Two runs would overwrite each other's "
                f"checkpoints. Wait for it, or choose another --out. If you know that it is gone, remove {self._path}."
            )
        # Of several processes that see the same stale lock, the rename succeeds for one only.
        stale = self._path.with_name(f".run.lock.{self._token}")
        try:
            self._path.rename(stale)
        except FileNotFoundError:
            return
        stale.unlink()
        say(f"took over {self._path}: {reason}")

    def _server_time(self) -> float:
        """Return the time as the file system's server stamps it, which may differ from this machine's."""
        probe = self._path.with_name(f".run.lock.{self._token}.time")
        probe.touch()
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            try:
                os.utime(self._path)
            except OSError:
                continue  # a hiccup of the file system; five minutes of them make the lock stale

    def release(self) -> None:
        """Let the next run begin; does nothing where the lock is not held."""
        self._ended.set()
        if self._held:
            self._path.unlink(missing_ok=True)
            self._held = False


def _abandoned(holder: dict[str, Any], age_s: float) -> str | None:
    if age_s > STALE_S:
        return f"no sign of life for {age_s:.0f} s"
    job, earlier = _slurm(), holder.get("job")
    if job and earlier and job[0] == earlier[0] and job[1] != earlier[1]:
        return f"it was an earlier start of this Slurm job, {job[0]}"
    if holder.get("host") == _host() and not is_alive(int(holder["pid"])):
        return f"its process {holder['pid']} is gone"
    return None


def _slurm() -> list[str] | None:
    """Return the job and how often it was requeued, where there is one."""
    job = os.environ.get("SLURM_JOB_ID")
    return None if job is None else [job, os.environ.get("SLURM_RESTART_COUNT", "0")]


def _host() -> str:
    """Return the machine, and the process namespace where there is one: containers may share a host's name."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}".strip()
