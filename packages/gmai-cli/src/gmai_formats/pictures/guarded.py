"""Pictures read in a process of their own, so that what a file does to its decoder costs that file alone.

A decoder in C or Rust can crash its process, loop for ever or take all memory, and no `except` holds that. Training,
benchmarks and chat therefore ask a process that is started once, and again after each death. Files go there, and pixels
come back, through shared memory; the answer itself is JSON, so that a decoder that was taken over can say nothing but a
picture.
"""

import contextlib
import json
import mmap
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from gmai_formats import limits
from gmai_formats.files import write_all
from gmai_formats.pictures.heap import keep_heap
from gmai_formats.pictures.picture import MAX_PIXELS, Picture
from gmai_formats.pictures.problems import PictureError

_LOOK_S = 5.0
"""Seconds between two looks at a process that does not answer."""
_CHANNELS = {"L": 1, "RGB": 3}
_KEPT_BYTES = 32 * 2**20
"""What the shared memory keeps from one picture to the next."""


def read_guarded(content: bytes | Path, **how: Any) -> Picture:
    """Return what `read.read_picture` returns.

    Raises:
        PictureError: As there; or the file crashed its decoder, or took too much time or memory.
        OSError: The file cannot be opened.
    """
    return _ask("picture", [content] if isinstance(content, Path) else content, how)


def series_guarded(files: Path | Sequence[Path], **how: Any) -> Picture:
    """Return what `series.series_picture` returns.

    Raises:
        PictureError: As there and `read_guarded`.
        OSError: The folder cannot be read.
    """
    return _ask("series", [files] if isinstance(files, Path) else files, how)


class _EndedError(Exception):
    """The process is gone."""

    def __init__(self, code: int | None, stood_still: bool) -> None:
        self.code, self.stood_still = code, stood_still


class _Reader:
    def __init__(self) -> None:
        keep_heap()
        self._shared = _memory()
        self._mapped: mmap.mmap | None = None
        # Python's own lines and those of libraries go to its stderr; a group of its own misses the terminal's signals.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gmai_formats.pictures.reading", str(self._shared)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, pass_fds=(self._shared,), start_new_session=True,
        )  # fmt: skip

    def ask(self, what: str, content: bytes | Sequence[Path], how: Mapping[str, Any]) -> Picture:
        if isinstance(content, bytes):
            given = {"bytes": len(content)}
        else:  # it works in the folder in which it was started
            given = {"paths": [str(path.absolute()) for path in content]}
        question = json.dumps({"what": what, "how": how, **given}).encode() + b"\n"
        to, answers = self._process.stdin, self._process.stdout
        assert to is not None and answers is not None  # noqa: S101, PT018 - both are pipes
        if isinstance(content, bytes):
            write_all(self._shared, content)
        try:
            to.write(question)
            to.flush()
        except OSError:
            raise self._end(stood_still=False) from None
        self._wait(answers)
        line = answers.readline()
        if not line.endswith(b"\n"):
            raise self._end(stood_still=False)
        try:
            return self._picture(json.loads(line))
        finally:
            self._give_back_memory()

    def _wait(self, answers: Any) -> None:
        used_s, since = None, time.monotonic()
        while not select.select([answers], [], [], _LOOK_S)[0]:
            now = limits.used_s(self._process.pid)
            if now is None or now != used_s:
                used_s, since = now, time.monotonic()
            elif time.monotonic() - since > limits.STILL_S:
                self._process.kill()
                raise self._end(stood_still=True)

    def _end(self, *, stood_still: bool) -> _EndedError:
        self.close()
        return _EndedError(self._process.wait(), stood_still)

    def _picture(self, reply: dict[str, Any]) -> Picture:
        if "rule" in reply:
            raise PictureError(reply["rule"], reply["detail"])
        if "errno" in reply:
            raise OSError(reply["errno"], reply["reason"], reply["file"])
        if "bug" in reply:
            raise RuntimeError(reply["bug"])
        mode, (width, height), values = reply["mode"], reply["size"], dict(reply["values"])
        if width * height > MAX_PIXELS:
            raise PictureError("image too large", f"{width}×{height} came back from the decoder")
        values["metadata"], values["changes"] = frozenset(values["metadata"]), tuple(values["changes"])
        return Picture(self._image(mode, (width, height)), **values)

    def _image(self, mode: str, size: tuple[int, int]) -> Image.Image:
        """Return the image whose pixels lie in the shared memory.

        Raises:
            RuntimeError: They do not: to read behind the end of what is mapped would end this process.
        """
        count, mapped = size[0] * size[1] * _CHANNELS[mode], self._map()
        if count > len(mapped):
            raise RuntimeError(f"{count} bytes of pixels are due from the decoder, {len(mapped)} came")
        with memoryview(mapped) as whole, whole[:count] as pixels:
            return Image.frombytes(mode, size, pixels)

    def _map(self) -> mmap.mmap:
        there = os.fstat(self._shared).st_size
        if self._mapped is None or len(self._mapped) < there:
            self._unmap()
            self._mapped = mmap.mmap(self._shared, there)
        return self._mapped

    def _give_back_memory(self) -> None:
        if sys.platform == "linux" and os.fstat(self._shared).st_size > _KEPT_BYTES:
            self._map().madvise(mmap.MADV_REMOVE, _KEPT_BYTES)

    def _unmap(self) -> None:
        if self._mapped is not None:
            self._mapped.close()
            self._mapped = None

    def close(self) -> None:
        """Close this end of everything: the process ends by that."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._unmap()
        with contextlib.suppress(OSError):
            os.close(self._shared)


def _memory() -> int:
    """Return a descriptor of a file without a name, which nobody can shorten while it is mapped, where it can be so."""
    if sys.platform == "linux":
        import fcntl

        shared = os.memfd_create("gmai-picture", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl.fcntl(shared, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        return shared
    handle, path = tempfile.mkstemp(prefix="gmai-picture-")
    Path(path).unlink()
    return handle


_idle: list[_Reader] = []
_lock = threading.Lock()


def _forget() -> None:
    """Leave the readers to the process that this one was forked from."""
    global _lock
    _lock = threading.Lock()
    for reader in _idle:
        reader.close()
    _idle.clear()


os.register_at_fork(after_in_child=_forget)


def _ask(what: str, content: bytes | Sequence[Path], how: Mapping[str, Any]) -> Picture:
    """Ask a process that has nothing to do; each thread that waits has one of its own."""
    for is_last in (False, True):
        with _lock:
            reader = _idle.pop() if _idle else None
        reader = reader or _Reader()
        try:
            picture = reader.ask(what, content, how)
        except _EndedError as end:
            if problem := limits.of_its_item(end.code, stood_still=end.stood_still):
                raise PictureError(*problem) from None
            if is_last:  # once may be a signal to all processes of a job; twice it is the file, or no memory is left
                how_it_ended = limits.how_it_ended(end.code)
                detail = f"its process was ended twice ({how_it_ended}); leave it out, or give the job more memory"
                raise PictureError(limits.CRASHED, detail) from None
            continue
        except BaseException as error:
            if isinstance(error, PictureError | OSError):
                _give_back(reader)
            else:
                reader.close()  # its answer may be on the way
            raise
        _give_back(reader)
        return picture
    raise AssertionError


def _give_back(reader: _Reader) -> None:
    with _lock:
        _idle.append(reader)
