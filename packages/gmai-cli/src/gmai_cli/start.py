"""What `gmai` runs first: a signal is heard before anything is imported that takes time.

Commands that hold a folder, train or serve put handlers of their own in place, which know what there is to save.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from gmai_cli.exit_codes import EXIT_INTERRUPTED, EXIT_REQUEUE

STOPS = (signal.SIGTERM, signal.SIGUSR1)
"""What Slurm sends before it kills."""


def main() -> None:
    """Run the command line of this process and exit with its code."""
    me = os.getpid()

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() == me:
            end_by(number)
        signal.signal(number, signal.SIG_DFL)  # a process that was forked for a library ends as it would without gmai
        os.kill(os.getpid(), number)

    for number in STOPS:
        signal.signal(number, stop)
    try:
        from gmai_cli.main import main as command
    except KeyboardInterrupt:
        _tell("interrupted before it began. Run the same command again.")
        os._exit(EXIT_INTERRUPTED)
    command()


def end_by(number: int) -> NoReturn:
    """End this process at once with one line that names the signal, and the exit code of a run that goes on later."""
    name = signal.Signals(number).name
    _tell(f"stopped by {name}: what is finished stays, the same command goes on from there")
    os._exit(EXIT_REQUEUE)


def _tell(what: str) -> None:
    """Write past Python's buffers: the signal may have come while a line was being printed or a module imported."""
    if (stream := sys.stderr) is not None:
        try:
            os.write(stream.fileno(), f"gmai: {what}\n".encode())
        except (OSError, ValueError):
            return  # nobody reads it
