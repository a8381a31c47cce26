"""Slurm's wish to stop: SIGUSR1 (ahead of the walltime) and SIGTERM (preemption) ask for a checkpoint and an end."""

import signal
from types import FrameType


class StopAsked(Exception):  # noqa: N818 (an outcome, not an error)
    """A signal asked the run to stop; its state is saved and the same command goes on from there."""


class StopRequest:
    """Becomes true once a signal has asked this process to stop; the ranks agree on it after each step."""

    def __init__(self) -> None:
        self.received: str | None = None
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = signal.Signals(number).name
