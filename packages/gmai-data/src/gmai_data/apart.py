"""A look into a file by a library in C, outside of a build's own processes: what it does there costs that file alone.

Sources are listed and cards are drafted in the command's process. A library that loops, crashes or takes all memory
over one damaged file would end or hang it; so such looks are taken in a process that is started once, and again after
each death. Where the process is one that may be lost already, they are taken in it.
"""

import atexit
import contextlib
import os
import resource
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from gmai_formats import limits
from gmai_formats.errors import UserError

from gmai_data.ledger import SourceError
from gmai_data.spawned import fresh_processes, ignore_signals

_T = TypeVar("_T")
MEMORY_BYTES = 2**30
"""What a look may take, or so many times the file as any item may: it reads names, shapes and labels."""
_LOOK_S = 5.0
"""Seconds between two looks at a process that does not answer."""


def look_apart(look: Callable[..., _T], size_bytes: int, file: str, *arguments: Any) -> _T:
    """Return what a function returns that is called in a process of its own, within limits.

    Args:
        look: A function of a module.
        size_bytes: Of the file.
        file: What a death is laid to.
        arguments: Of the function.

    Raises:
        SourceError: As the function; or the file crashed the process, or took too much time or memory.
        UserError: As the function.
    """
    if limits.is_limited():
        return look(*arguments)
    try:
        what, value = _reply(look, size_bytes, file, arguments)
    except _EndedError:  # may be a signal to all processes of a job; twice it is the file, or no memory is left
        what, value = _second_reply(look, size_bytes, file, arguments)
    if what == "refused":
        raise SourceError(*value)
    if what == "user":
        raise UserError(value)
    if what == "failed":
        raise RuntimeError(value)
    return value


def _second_reply(look: Callable[..., Any], size_bytes: int, file: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return _reply(look, size_bytes, file, arguments)
    except _EndedError as end:
        detail = f"its process was ended twice ({end}); leave it out, or give the job more memory"
        raise SourceError(limits.CRASHED, detail, file) from None


def _reply(look: Callable[..., Any], size_bytes: int, file: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    with _lock:
        process = _kept.pop() if _kept else _Process()
        try:
            reply = process.ask(look, size_bytes, file, arguments)
        except BaseException:
            process.end()
            raise
        _kept.append(process)
    return reply


class _EndedError(Exception):
    """The process was ended from outside; says how."""


class _Process:
    def __init__(self) -> None:
        context = fresh_processes()
        self._pipe, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, look: Callable[..., Any], size_bytes: int, file: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
        used_s, since, stood_still = None, time.monotonic(), False
        try:
            self._pipe.send((look, size_bytes, arguments))
            while not self._pipe.poll(_LOOK_S):
                now = limits.used_s(self._process.pid)
                if now is None or now != used_s:
                    used_s, since = now, time.monotonic()
                elif time.monotonic() - since > limits.STILL_S:
                    stood_still = True
                    self._process.kill()
            return self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
        code = self._process.exitcode
        if (problem := limits.of_its_item(code, stood_still=stood_still)) is not None:
            raise SourceError(*problem, file)
        raise _EndedError(limits.how_it_ended(code))

    def end(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.join()


_kept: list[_Process] = []
_lock = threading.Lock()


def _forget() -> None:
    """Leave the process to the one that this one was forked from."""
    global _lock
    _lock = threading.Lock()
    _kept.clear()


def _end_all() -> None:
    """End what waits for work; before `multiprocessing` asks it by a signal, which it ignores."""
    while _kept:
        _kept.pop().end()


os.register_at_fork(after_in_child=_forget)
atexit.register(_end_all)


def _work(pipe: "Connection[Any, Any]") -> None:
    ignore_signals()  # it ends with the process that started it, whose end closes the pipe
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected; nobody looks at its memory
    while True:
        try:
            look, size_bytes, arguments = pipe.recv()
        except (EOFError, ConnectionError):
            return
        limits.begin(size_bytes, MEMORY_BYTES)
        try:
            reply = ("done", look(*arguments))
        except SourceError as error:
            reply = ("refused", (error.rule, error.detail, error.file))
        except UserError as error:
            reply = ("user", str(error))
        except MemoryError:
            reply = ("refused", (limits.TOO_MUCH, limits.too_much(MEMORY_BYTES), str(arguments[1])))
        except Exception:
            reply = ("failed", traceback.format_exc())
        finally:
            limits.end()
        pipe.send(reply)
