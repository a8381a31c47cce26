"""Ends this process, with a message, when the run stands still or another rank has failed or left.

It watches from the first moment on. Until the ranks have met (`distributed.meet` says who is missing) it knows of this
process alone; from then on each rank tells the store that they met at where it stands.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from signal import SIGINT, Signals
from typing import Any

from gmai_cli.console import say
from gmai_cli.exit_codes import EXIT_INTERRUPTED, EXIT_REQUEUE, EXIT_USER_ERROR

from gmai_model.training.callbacks.callback import Callback, Run
from gmai_model.training.signals import StopAsked

BEAT_S = 2.0
LOOK_S = 10.0
"""Seconds between two looks of rank 0 at the other ranks' signs of life."""
_FAILED, _STOPPED = "gmai/failed", "gmai/stopped"


class Watchdog:
    """A thread that knows where every rank stands.

    All ranks go through the same moves in the same order, so that the rank with the fewest moves is the one that the
    others wait for inside a collective. Each thread tells its rank's moves to the store that the ranks met at; nothing
    is said inside the steps, and training pays nothing for it.

    Args:
        store: A connection of its own to the store of the process group: the main thread's may wait for long.
        rank: Of this process.
        world: Number of ranks.
        silence_s: Seconds without a sign of life after which a rank counts as gone, in any phase.
        stall_s: Seconds without a move, once steps are made, after which the process ends.
        on_exit: Called before the process ends.
    """

    def __init__(
        self, store: Any, *, rank: int, world: int, silence_s: float, stall_s: float, on_exit: Callable[[], None]
    ) -> None:
        self._store, self._rank, self._world = store, rank, world
        self._silence_s, self._stall_s = silence_s, stall_s
        self._on_exit = on_exit
        self._moves, self._place, self._since = 0, "starting", time.monotonic()
        self._limit_s: float | None = None
        self._first_step = self._step = -1
        self._beats = 0
        self._seen: dict[int, tuple[int, float]] = {}
        self._looked = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")

    def at(self, step: int, doing: str) -> None:
        """Note what this rank begins to do; `step` is the number of steps done. From here on a stall ends the run."""
        if self._first_step < 0:
            self._first_step = step
        self._step = step
        self._move(f"{doing}, step {step + 1}", self._stall_s)

    def begin(self, doing: str, *, limited: bool) -> None:
        """Note what is done before or after the steps.

        Args:
            doing: Such as "loading the model".
            limited: Whether it must end within `stall_s`; reading millions of samples for the first time need not.
        """
        self._move(doing, self._stall_s if limited else None)

    def _move(self, place: str, limit_s: float | None) -> None:
        self._place, self._limit_s = place, limit_s
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

    def leave(self, number: Signals) -> None:
        """Tell the other ranks that a signal ends this one, and give them the time to end, too."""
        if self._world > 1 and not self._ended.is_set():
            self._ended.set()
            self._store.set(_STOPPED, f"{number.name} on rank {self._rank}")
            time.sleep(BEAT_S * 1.5)

    def left(self) -> str:
        """Return which signal has ended another rank, where one has; waits for a moment, as the news may be on its way.

        A lost connection is found before the news of its reason.
        """
        with contextlib.suppress(RuntimeError):
            for _ in range(10 if self._world > 1 else 0):
                if self._store.check([_STOPPED]):
                    return self._store.get(_STOPPED).decode()
                time.sleep(0.1)
        return ""

    def _watch(self) -> None:
        while not self._ended.wait(BEAT_S):
            requeue, message = True, ""
            try:
                self._report()
                if self._store.check([_STOPPED]):
                    self._end_as_told(self._store.get(_STOPPED).decode())
                if self._store.check([_FAILED]):
                    requeue, message = False, f"ended by {self._store.get(_FAILED).decode()}"
                else:
                    message = self._silent_rank() or self._stall()
            except RuntimeError:
                # The store lives in one process; where that is gone, this rank's next collective says so, or hangs.
                message = self._stall_alone()
            if message and not self._ended.is_set():
                self._exit(message, requeue=requeue)

    def _report(self) -> None:
        self._beats += 1
        self._store.set(f"gmai/{self._rank}", f"{self._moves}|{self._beats}|{socket.gethostname()}|{self._place}")

    def _stood_s(self) -> float:
        return time.monotonic() - self._since

    def _stands_still(self) -> bool:
        return self._limit_s is not None and self._stood_s() >= self._limit_s

    def _stall_alone(self) -> str:
        limit_s = self._silence_s if self._limit_s is None else self._limit_s
        if self._stood_s() < limit_s:
            return ""
        return f"no rank can be asked where it stands, and this one has been {self._place} for {self._stood_s():.0f} s"

    def _silent_rank(self) -> str:
        """Return which rank gives no sign of life any more; rank 0 looks for all, as a store has one thread."""
        now = time.monotonic()
        if self._rank or self._world == 1 or now - self._looked < min(LOOK_S, self._silence_s / 2):
            return ""
        self._looked = now
        found = self._read()
        for rank, (_, beats, *_) in found.items():
            if rank not in self._seen or self._seen[rank][0] != beats:
                self._seen[rank] = (beats, now)
        silent = [rank for rank, (_, since) in self._seen.items() if now - since > self._silence_s]
        if not silent:
            return ""
        named = "; ".join(f"rank {rank} on {found[rank][2]}, last {found[rank][3]}" for rank in silent[:8])
        return f"no sign of life for {self._silence_s:g} s from {named}"

    def _stall(self) -> str:
        if not self._stands_still():
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
            f"(`stall_timeout_s` is {self._stall_s:g}, `startup_timeout_s` {self._silence_s:g}.)"
        )
        self._on_exit()
        # Worth another try only where this start got further: a fault that comes back at once must not be requeued.
        os._exit(EXIT_REQUEUE if requeue and self._step > self._first_step else EXIT_USER_ERROR)

    def _end_as_told(self, who: str) -> None:
        if self._ended.is_set():
            return
        say(f"stopped by {who}; the same command goes on from the last complete checkpoint.")
        self._on_exit()
        os._exit(EXIT_INTERRUPTED if who.startswith(SIGINT.name) else EXIT_REQUEUE)


class Watch(Callback):
    """Tells the watchdog what this rank does."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog

    def doing(self, run: Run, what: str) -> None:
        """Note the move."""
        self._watchdog.at(run.place.steps, what)
