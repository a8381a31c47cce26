"""The process that `guarded` asks: reads one picture after the other, each within its limits, until its input ends."""

import contextlib
import errno
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from gmai_formats import limits
from gmai_formats.files import write_all
from gmai_formats.pictures.heap import keep_heap
from gmai_formats.pictures.picture import Picture
from gmai_formats.pictures.problems import PictureError


def main(shared: int) -> None:
    """Answer each question on the standard input with a line on the standard output; pixels go to `shared`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # it ends with the process that asks, however that ends
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected; nobody looks at its memory
    keep_heap()
    questions = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    while line := questions.readline():
        question = json.loads(line)
        content = os.pread(shared, question["bytes"], 0) if "bytes" in question else list(map(Path, question["paths"]))
        answers.write(json.dumps(_answer(question, content, shared)).encode() + b"\n")
        try:
            answers.flush()
        except BrokenPipeError:
            os._exit(0)  # who asked is gone; Python would say so of the pipe as it ends


def _answer(question: dict[str, Any], content: bytes | list[Path], shared: int) -> dict[str, Any]:
    try:
        limits.begin(len(content) if isinstance(content, bytes) else sum(map(_size_bytes, content)))
        picture = _read(question["what"], content, question["how"])
        return _put(picture, shared)
    except PictureError as error:
        return {"rule": error.rule, "detail": error.detail}
    except (MemoryError, OSError) as error:
        if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
            return {"rule": limits.TOO_MUCH, "detail": limits.too_much()}
        return {"errno": error.errno, "reason": error.strerror or str(error), "file": error.filename}
    except BaseException as error:
        words = f"{type(error).__name__}: {error}"
        if type(error).__module__ == "pyo3_runtime":  # a panic in Rust is no `Exception`
            return {"rule": limits.CRASHED, "detail": f"{words}; the file is damaged, or made to do harm: leave it out"}
        return {"bug": words}
    finally:
        limits.end()


def _read(what: str, content: bytes | list[Path], how: dict[str, Any]) -> Picture:
    if what == "series":
        from gmai_formats.pictures.series import series_picture

        return series_picture([] if isinstance(content, bytes) else content, **how)
    from gmai_formats.pictures.read import read_picture

    return read_picture(content if isinstance(content, bytes) else content[0], **how)


def _put(picture: Picture, shared: int) -> dict[str, Any]:
    image = picture.image
    pixels = image.tobytes()
    write_all(shared, pixels)
    values = {
        "changes": picture.changes, "window": picture.window, "format": picture.format,
        "metadata": sorted(picture.metadata), "slices": picture.slices, "pixel_mm": picture.pixel_mm,
        "volumes": picture.volumes, "patient": picture.patient,
    }  # fmt: skip
    return {"mode": image.mode, "size": image.size, "values": values}


def _size_bytes(path: Path) -> int:
    with contextlib.suppress(OSError):
        files = [child for child in path.iterdir() if child.is_file()] if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files)
    return 0


if __name__ == "__main__":
    main(int(sys.argv[1]))
