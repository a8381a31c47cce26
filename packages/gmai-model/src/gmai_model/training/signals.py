"""The wish to stop: SIGUSR1 (ahead of the walltime), SIGTERM (preemption) and Ctrl-C, in any phase of a run.

While steps are made, a signal asks for a checkpoint and an end after the step. Before and after, nothing is to be saved
and the process ends at once; so it does at the second signal.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from types import FrameType

from gmai_cli.console import say
from gmai_cli.exit_codes import EXIT_INTERRUPTED, EXIT_REQUEUE
from gmai_cli.processes import end_with

SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
ONE_WISH_S = 1.0
"""Signals within this time are one wish: a terminal, a launcher and Slurm may each pass on the same one."""


class StopAsked(Exception):  # noqa: N818 (an outcome, not an error)
    """A signal asked the run to stop; its state is saved and the same command goes on from there."""

    def __init__(self, message: str, *, code: int = EXIT_REQUEUE) -> None:
        super().__init__(message)
        self.code = code


class StopRequest:
    """Listens to the signals from its creation on, in a thread: also while the main thread waits inside a library.

    Attributes:
        received: The signal that asked, and `before_exit` what is done before the process ends on the spot.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.before_exit: list[Callable[[signal.Signals], None]] = []
        self._at = 0.0
        self._saves = False
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _note)
        threading.Thread(target=self._listen, args=(reader,), daemon=True, name="signals").start()

    @contextlib.contextmanager
    def saving(self) -> Generator[None]:
        """While the block runs, the first signal is left to it: it saves and raises `StopAsked`."""
        self._saves = True
        try:
            yield
        finally:
            self._saves = False
            if self.received is not None and sys.exc_info()[0] is None:
                self._end(self.received, "The steps are done and saved")

    @property
    def code(self) -> int:
        """The exit code that goes with the signal."""
        return EXIT_INTERRUPTED if self.received == signal.SIGINT else EXIT_REQUEUE

    def close(self) -> None:
        """Let the process end with its own exit code: a signal changes nothing any more.

        Python gives handlers back to the system while it shuts down, and a signal that came then would kill it.
        """
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _listen(self, reader: int) -> None:
        while data := os.read(reader, 1):
            if data[0] in SIGNALS:
                self._hear(signal.Signals(data[0]))

    def _hear(self, number: signal.Signals) -> None:
        now = time.monotonic()
        first = self.received is None
        if not first and now - self._at < ONE_WISH_S:
            return
        self.received, self._at = self.received or number, now
        if not first:
            self._end(number, "It is the second signal, so nothing more is saved")
        elif not self._saves:
            self._end(number, "No step was being made")

    def _end(self, number: signal.Signals, why: str) -> None:
        with contextlib.suppress(RuntimeError):  # the main thread may be printing
            say(f"stopped by {number.name}. {why}; the same command goes on from the last complete checkpoint.")
        for work in self.before_exit:
            with contextlib.suppress(Exception):  # nothing may keep the process from ending
                work(number)
        os._exit(self.code)


def _note(number: int, frame: FrameType | None) -> None:
    """Do nothing: that there is a handler makes Python pass the signal's number on to the listening thread."""


def shield_worker(*_: object) -> None:
    """Keep a process that reads for the run from taking part in its signals; it ends with the run, however that ends.

    Slurm, `timeout` and a terminal signal every process of a step. A worker that died of it would end the run before
    the step is saved.
    """
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    end_with(os.getppid())  # where the system cannot, an orphan ends at its next row
