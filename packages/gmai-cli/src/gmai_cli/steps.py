"""Guided runs: commands of gmai in order, each in a process of its own, with a record by which the same run goes on."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_cli import plugins
from gmai_cli.console import say
from gmai_cli.exit_codes import EXIT_INTERRUPTED, EXIT_REQUEUE
from gmai_cli.processes import ending_with_this
from gmai_cli.run_lock import hold


@dataclass(frozen=True)
class Step:
    """One command of a guided run."""

    title: str
    arguments: tuple[str, ...]
    output: str
    """The folder or file it writes, relative to the run's; its name in the record."""
    resumes: bool = False
    """Whether the command itself goes on with a half-written folder."""
    beside: bool = False
    """Whether it runs beside the steps after it, none of which reads what it writes."""
    again: bool = False
    """Whether it runs each time, whatever the record says."""
    accepts: tuple[int, ...] = (0,)
    """Exit codes with which the run goes on."""
    needs: str = ""
    """File that an earlier step may have had no reason to write, relative to the run's; without it the run ends."""
    without: str = ""
    """What its absence means, and the remedy."""


class StepError(UserError):
    """A command of a guided run ended with a code that it may not end with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def claim(out: Path, record: Path, *, command: str) -> None:
    """Make a folder that of a guided run, or find that it is.

    Raises:
        UserError: It holds something else.
    """
    if record.is_file():
        return
    if out.exists() and any(out.iterdir()):
        raise UserError(
            f"{out} is not empty and no `{command}` began it (there is no {record.name}). It replaces what a step left "
            f"half-done, so it takes a folder of its own. Give another --out."
        )
    write_state(record, {})


def look_ahead(out: Path, steps: Sequence[Step], *, room_mb: int, takes: str) -> None:
    """Check before the first command that all of them can run, and say what is to come.

    Args:
        out: Folder to write to.
        steps: The commands.
        room_mb: Megabytes that they write together.
        takes: How long, in words.

    Raises:
        UserError: A package is missing, or the disk has not the room.
    """
    commands = plugins.discover()
    wanted = dict.fromkeys(step.arguments[0] for step in steps)
    absent = [commands[name].package for name in wanted if commands[name].entry_point is None]
    if absent:
        named = " ".join(dict.fromkeys(absent))
        raise UserError(
            f"not installed: {named}. The commands to come need it. Install it: {pip_install(*dict.fromkeys(absent))}"
        )
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    free_mb = shutil.disk_usage(place).free // 1_000_000
    if free_mb < room_mb:
        raise UserError(
            f"{place}: {free_mb} MB are free, and about {room_mb} are written. Make room, or give another --out."
        )
    say(f"{len(steps)} commands, {takes}; about {room_mb} MB in {out}. The same command goes on after a stop.")


def run_all(steps: Sequence[Step], out: Path, record: Path, *, command: str) -> None:
    """Run commands one after the other, those that were done before not again, each printed before it runs.

    Args:
        steps: In order.
        out: Folder that they run in.
        record: JSON file in `out` with each step's command and seconds; made by `claim`.
        command: What goes on with the run, for messages.

    Raises:
        StepError: A step ended with a code that it may not end with.
        KeyboardInterrupt: Ctrl-C; the step has ended. `SystemExit` where it has said so itself, and at SIGTERM.
        UserError: A file that a step needs was not written, or another run works on the folder.
    """
    # Of two runs in one folder each would remove what a step of the other has half done.
    with hold(out):
        _run_all(steps, out, record, command)


def _run_all(steps: Sequence[Step], out: Path, record: Path, command: str) -> None:
    done = read_done(record)
    interrupted = stopped = False
    shown: _Running | None = None
    beside: list[_Running] = []

    def note(*_: object) -> None:
        nonlocal interrupted
        interrupted = True

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        for running in (*beside, *([shown] if shown else [])):
            running.terminate()

    def finish(running: _Running) -> None:
        seconds = running.finish(command)
        done[running.step.output] = {"command": running.line, "seconds": seconds}
        write_state(record, done)

    # Ctrl-C reaches the command that runs, too. That one saves and says so in one line; here it is waited for. SIGTERM
    # reaches this process alone, and is passed on.
    before_us = signal.signal(signal.SIGINT, note)
    before_stop = signal.signal(signal.SIGTERM, stop)
    try:
        for number, step in enumerate(steps, start=1):
            if interrupted:
                raise KeyboardInterrupt
            if stopped:
                break
            line = shlex.join(("gmai", *step.arguments))
            say(f"\n[{number}/{len(steps)}] {step.title}\n$ {line}")
            if step.needs and not (out / step.needs).exists():
                raise UserError(f"{out / step.needs}: not there. {step.without}")
            before = done.get(step.output, {})
            if not step.again and before.get("command") == line and (out / step.output).exists():
                say(f"done before, in {before['seconds']:.0f} s")
                continue
            if not step.resumes:
                _remove(out / step.output)
            if step.beside:
                say("runs beside the next steps; what it prints is shown when it has ended")
                beside.append(_Running(step, line, out, shown=False))
                continue
            shown = _Running(step, line, out, shown=True)
            finish(shown)
            while beside and beside[0].has_ended():
                finish(beside.pop(0))
        while beside:
            finish(beside.pop(0))
        if interrupted:
            raise KeyboardInterrupt
    except StepError as error:
        if not interrupted and not stopped:
            raise
        if interrupted and error.code == EXIT_INTERRUPTED:  # it has said so
            raise SystemExit(EXIT_INTERRUPTED) from None
        if interrupted:
            raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before_us)
        signal.signal(signal.SIGTERM, before_stop)
        for running in beside:
            running.stop()
    if stopped:
        say(f"gmai: stopped. What is finished stays; the same `{command}` goes on.")
        raise SystemExit(EXIT_REQUEUE)


def read_done(record: Path) -> dict[str, Any]:
    """Return what of a guided run is done; where the record is damaged nothing is, and every step runs again."""
    try:
        return read_state(record)
    except DamagedError as error:
        say(f"{error}; every step is run again, and goes on where it can")
        return {}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class _Running:
    """A step in a process of its own; what is not shown at once goes to `logs/`."""

    def __init__(self, step: Step, line: str, out: Path, *, shown: bool) -> None:
        self.step, self.line, self._out = step, line, out
        self._started_s = time.time()
        self._log = None if shown else out / "logs" / f"{step.output.replace('/', '-')}.log"
        command = [sys.executable, "-m", "gmai_cli", *step.arguments]
        if self._log is None:
            self._process = subprocess.Popen(command, cwd=out, env=_environment(), preexec_fn=ending_with_this())
            return
        self._log.parent.mkdir(exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=out, env=_environment(), stdout=log, stderr=log, preexec_fn=ending_with_this()
            )

    def has_ended(self) -> bool:
        """Return whether the process is over."""
        return self._process.poll() is not None

    def finish(self, command: str) -> float:
        """Wait for the end, show what was printed and return how many seconds it took.

        Raises:
            StepError: It failed.
        """
        code = self._process.wait()
        if self._log:
            say(f"\n{self.step.title}:\n{self._log.read_text('utf-8', errors='replace').rstrip()}")
        if code not in self.step.accepts:
            raise StepError(
                code,
                f"a step ended with code {code}: `{self.line}` in {self._out}. Its own message stands above. The same "
                f"`{command}` goes on from this step.",
            )
        # A step beside others ends unseen; its last line, the report's, tells when.
        ended_s = self._log.stat().st_mtime if self._log else time.time()
        return round(ended_s - self._started_s, 1)

    def terminate(self) -> None:
        """Ask the process to end; the same command goes on where it was."""
        self._process.terminate()

    def stop(self) -> None:
        """End the process and wait for it."""
        self.terminate()
        self._process.wait()


def _environment() -> dict[str, str]:
    # Without bytecode every process would compile torch and transformers anew, which takes longer than the training.
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    # Threads of a tiny model wait for one another more than they compute, above all where other programs run.
    return {"OMP_NUM_THREADS": "1", **inherited, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
