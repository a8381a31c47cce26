"""Ends this process, with a message, when the run stands still or another rank has failed."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from gmai_cli.console import say
from gmai_cli.exit_codes import EXIT_REQUEUE, EXIT_USER_ERROR

from gmai_model.training.signals import StopAsked

BEAT_S = 2.0
_FAILED = "gmai/failed"


class Watchdog:
    """A thread that knows where every rank stands.

    All ranks go through the same moves in the same order, so that the rank with the fewest moves is the one that the
    others wait for inside a collective. Each thread tells its rank's moves to the store that the ranks met at; nothing
    is said inside the steps, and training pays nothing for it.

    Args:
        store: The process group's store.
        rank: Of this process.
        world: Number of ranks.
        timeout_s: Seconds without a move after which the process ends.
        on_exit: Called before the process ends.
    """

    def __init__(self, store: Any, *, rank: int, world: int, timeout_s: float, on_exit: Callable[[], None]) -> None:
        self._store, self._rank, self._world, self._timeout_s = store, rank, world, timeout_s
        self._on_exit = on_exit
        self._moves, self._place, self._since = 0, "starting", time.monotonic()
        self._first_step = self._step = -1
        self._beats = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")

    def at(self, step: int, doing: str) -> None:
        """Note what this rank begins to do; `step` is the number of steps done."""
        if self._first_step < 0:
            self._first_step = step
        self._step = step
        self._place = f"{doing}, step {step + 1}"
        self._since = time.monotonic()
        self._moves += 1

    def __enter__(self) -> "Watchdog":
        """Watch until the block ends; if by an error, tell the other ranks, so that none waits for this one."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._ended.set()
        self._thread.join()
        if error is None or isinstance(error, StopAsked):
            return
        with contextlib.suppress(RuntimeError):  # the store lives in one process, which may be gone
            if not self._store.check([_FAILED]):
                self._store.set(_FAILED, f"rank {self._rank}: {error}")

    def _watch(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                self._tell()
                failed = self._store.check([_FAILED])
                message = f"ended by {self._store.get(_FAILED).decode()}" if failed else self._stall()
            except RuntimeError:
                # The store lives in one process; where that is gone, this rank's next collective says so, or hangs.
                message = self._stall_alone()
            if message and not self._ended.is_set():
                self._exit(message, requeue=not message.startswith("ended by"))

    def _tell(self) -> None:
        self._beats += 1
        self._store.set(f"gmai/{self._rank}", f"{self._moves}|{self._beats}|{socket.gethostname()}|{self._place}")

    def _stood_s(self) -> float:
        return time.monotonic() - self._since

    def _stall_alone(self) -> str:
        if self._stood_s() < self._timeout_s:
            return ""
        return f"no rank can be asked where it stands, and this one has been {self._place} for {self._stood_s():.0f} s"

    def _stall(self) -> str:
        if self._stood_s() < self._timeout_s:
            return ""
        before = self._read()
        time.sleep(2 * BEAT_S)
        now = self._read()
        silent = [rank for rank in now if now[rank][1] == before[rank][1] and rank != self._rank]
        most = max(moves for moves, *_ in now.values())
        behind = [rank for rank, (moves, *_) in now.items() if moves < most]
        named = [
            f"rank {rank} on {now[rank][2]}: {now[rank][3]}{' (no sign of life)' if rank in silent else ''}"
            for rank in sorted({*silent, *behind})
        ]
        where = "; ".join(named[:8]) or f"all {self._world} ranks are {self._place}: a collective does not end"
        return f"the run has stood still for {self._stood_s():.0f} s. Waited for: {where}"

    def _read(self) -> dict[int, tuple[int, int, str, str]]:
        found: dict[int, tuple[int, int, str, str]] = {}
        for rank in range(self._world):
            key = f"gmai/{rank}"
            if self._store.check([key]):
                moves, beats, host, place = self._store.get(key).decode().split("|", 3)
                found[rank] = (int(moves), int(beats), host, place)
            else:
                found[rank] = (0, 0, "an unknown host", "starting")
        return found

    def _exit(self, message: str, *, requeue: bool) -> None:
        say(
            f"gmai: {message}. The last complete checkpoint stands; the same command goes on from there. "
            f"(`stall_timeout_s` is {self._timeout_s:g}.)"
        )
        self._on_exit()
        # Worth another try only where this start got further: a fault that comes back at once must not be requeued.
        os._exit(EXIT_REQUEUE if requeue and self._step > self._first_step else EXIT_USER_ERROR)
