"""What people see: progress bars, tables and notes that become plain lines in a Slurm log."""

import contextlib
import io
import os
import re
import shlex
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, TextIO, cast

from gmai_formats.errors import UserError

LOG_INTERVAL_S = 15.0
"""Seconds between two progress lines when the output is not a terminal; `GMAI_LOG_INTERVAL_S` overrides it."""

RECENT_S = 60.0
"""Rate and time left are those of so many seconds: the first step, which compiles and fills caches, tells little."""
_AT_ONCE_S = 0.5
"""What comes within it is one: the answers of a batch come in one go, after a wait that was for all of them."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, what turns the direction of writing, and halves of surrogate pairs, which names that are no UTF-8
hold (PEP 383)."""


NOTHING: Mapping[str, str] = MappingProxyType({})
_LONGEST_DETAIL = 200
"""Characters of a detail in a log; a terminal cuts it at its own width."""


class Progress(Protocol):
    """A running count of one step."""

    def advance(self, count: int = 1, *, note: str = "", details: Mapping[str, str] = NOTHING) -> None:
        """Add `count` to what is done.

        Args:
            count: Units that were done since the last call.
            note: Shown beside the rate.
            details: Name ▶ one line each, shown below; an empty mapping leaves those that are shown.
        """
        ...


def open_streams() -> None:
    """Make standard output and error take any text, whatever the shell gave.

    One that is closed (`>&-`, a service without one) leads nowhere; what an encoding lacks is written as an escape.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", errors="backslashreplace")  # noqa: SIM115, PTH123
            setattr(sys, name, stream)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(message: str) -> None:
    """Print one line of news to standard error, where it never mixes with results on standard output.

    In a run of several processes the line begins with the process's rank. A name of a file or a text of others may hold
    what moves the cursor or colours the screen; it is shown as an escape.
    """
    print(f"{rank_label()}{visible(message)}", file=sys.stderr, flush=True)


def visible(text: str) -> str:
    """Return a text in which control characters, but line feeds and tabs, are written as Python escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say_next(*words: object) -> None:
    """Print the command that commonly follows, as it can be typed; its placeholders are words in capitals."""
    say(f"next: {shlex.join(('gmai', *map(str, words)))}")


def rank_label() -> str:
    """Return `[rank N] ` in a run of several processes (torchrun, accelerate or a Slurm step), nothing in one alone."""
    env = os.environ
    for rank, size in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        if rank in env and size in env:
            return f"[rank {env[rank]}] " if env[size] != "1" else ""
    return ""


def label_lines() -> None:
    """Let every line on standard error begin with the rank from here on, be it a warning or of a traceback."""
    if rank_label():
        sys.stderr = cast("TextIO", _Labelled(sys.stderr, rank_label()))


class _Labelled:
    """A text stream whose lines begin with a label, unless they bring it along."""

    def __init__(self, stream: TextIO, label: str) -> None:
        self._stream, self._label, self._in_line = stream, label, False

    def write(self, text: str) -> int:
        for line in text.splitlines(keepends=True):
            bare = self._in_line or line.startswith(self._label) or not line.strip()
            self._stream.write(line if bare else f"{self._label}{line}")
            self._in_line = not line.endswith("\n")
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def progress(description: str, total: int | None, *, unit: str = "items", shown: bool = True) -> Generator[Progress]:
    """Show how far a step has come, with rate and time left.

    On a terminal this is a bar; elsewhere a plain line every `LOG_INTERVAL_S` seconds and one at the end. `shown` is
    false on all processes but the one that speaks for them.
    """
    if not shown:
        yield _Lines(description, total, unit, interval_s=float("inf"))
    elif sys.stderr.isatty():
        with _bar(description, total, unit) as bar:
            yield bar
    else:
        lines = _Lines(description, total, unit, interval_s=_log_interval_s())
        yield lines
        lines.finish()


def _log_interval_s() -> float:
    text = os.environ.get("GMAI_LOG_INTERVAL_S", str(LOG_INTERVAL_S))
    try:
        return float(text)
    except ValueError:
        raise UserError(
            f'GMAI_LOG_INTERVAL_S is "{text}". It is the number of seconds between two lines of progress. Set a number '
            f"such as 15, or unset it."
        ) from None


class _Lines:
    def __init__(self, description: str, total: int | None, unit: str, *, interval_s: float) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._done, self._note, self._details = 0, "", NOTHING
        self._start = self._last = time.monotonic()
        self._recent = deque([(self._start, 0)])
        self._interval_s = interval_s

    def advance(self, count: int = 1, *, note: str = "", details: Mapping[str, str] = NOTHING) -> None:
        self._done += count
        self._note, self._details = note, details or self._details
        now = time.monotonic()
        if len(self._recent) > 1 and now - self._recent[-1][0] < _AT_ONCE_S:
            self._recent[-1] = (self._recent[-1][0], self._done)
        else:
            self._recent.append((now, self._done))
        while len(self._recent) > 3 and self._recent[1][0] < now - RECENT_S:
            self._recent.popleft()
        if time.monotonic() - self._last >= self._interval_s and self._done != self._total:  # its end has a line anyway
            self._last = time.monotonic()
            self._print()

    def _print(self) -> None:
        of_total = f"/{self._total}" if self._total is not None else ""
        line = f"{self._description}: {self._done}{of_total} {self._unit}"
        if len(self._recent) == 2:  # more of it may come at once, as the answers of a batch do
            line += f", the first after {_clock(self._recent[1][0] - self._start)}"
        else:
            (since, before), (until, done) = self._recent[0], self._recent[-2]
            rate = (done - before) / max(until - since, 1e-9)
            line += f", {rate:.1f}/s" if rate >= 1 or not rate else f", {_clock(1 / rate)} each"
            if self._total is not None and self._done < self._total and rate > 0:
                line += f", ETA {_clock((self._total - self._done) / rate)}"
        say(f"{line}, {self._note}" if self._note else line)
        for name, text in self._details.items():
            detail = _one_line(text)
            say(f"  {name}: {detail if len(detail) <= _LONGEST_DETAIL else f'{detail[:_LONGEST_DETAIL]}…'}")

    def finish(self) -> None:
        elapsed_s = time.monotonic() - self._start
        note = f", {self._note}" if self._note else ""
        say(f"{self._description}: {self._done} {self._unit} in {_clock(elapsed_s)}{note}")


def _one_line(text: str) -> str:
    """Return a text of others in one line, its control characters as escapes."""
    return visible(" ".join(text.split()))


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


@contextlib.contextmanager
def _bar(description: str, total: int | None, unit: str) -> Generator[Progress]:
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )

    class WithDetails(RichProgress):
        details: Mapping[str, str] = NOTHING

        def get_renderables(self) -> Iterable[RenderableType]:
            yield from super().get_renderables()
            for name, text in self.details.items():
                yield Text(f"  {name}: {_one_line(text)}", overflow="ellipsis", no_wrap=True)

    with WithDetails(*columns, console=Console(stderr=True)) as rich_progress:
        task = rich_progress.add_task(description, total=total, note="")

        class Bar:
            def advance(self, count: int = 1, *, note: str = "", details: Mapping[str, str] = NOTHING) -> None:
                rich_progress.details = details or rich_progress.details
                rich_progress.update(task, advance=count, note=visible(note))

        yield Bar()


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "", news: bool = False) -> None:
    """Print a table, columns aligned; numbers are set to the right.

    Every row has as many cells as there are columns; cells are shown as `str` and never interpreted as markup.

    Args:
        columns: The headings.
        rows: The cells.
        title: A line above.
        news: To standard error, like `say`, rather than to standard output, where results go.
    """
    file = sys.stderr if news else sys.stdout
    cells = [[visible(str(cell)) for cell in row] for row in rows]
    widths = [max([len(column), *(len(row[i]) for row in cells)]) for i, column in enumerate(columns)]
    right = [all(isinstance(row[i], int | float) for row in rows) and bool(rows) for i in range(len(columns))]

    def line(values: Sequence[str]) -> str:
        padded = (v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right, strict=True))
        return "  ".join(padded).rstrip()

    label = rank_label() if news else ""
    for text in (
        *([title] if title else []),
        line(columns),
        line(["-" * width for width in widths]),
        *map(line, cells),
    ):
        print(f"{label}{text}", file=file, flush=news)
