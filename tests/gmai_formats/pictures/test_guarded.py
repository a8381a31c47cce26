"""Pictures read in a process of their own: the same pictures, and harm that costs one file."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from gmai_formats.pictures import guarded
from gmai_formats.pictures.guarded import read_guarded, series_guarded
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import read_picture
from PIL import Image

HARM = """
import os, signal, sys, time
from gmai_formats import limits
from PIL import Image
limits.CPU_S, limits.MEMORY_BYTES, limits.MEMORY_PER_BYTE = 1, 2**28, 1
real = Image.open
def open_(file, *given, **named):
    content = file.getvalue()
    if b"HARM crash" in content:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"HARM kill" in content:
        os.kill(os.getpid(), signal.SIGKILL)
    while b"HARM loop" in content:
        pass
    if b"HARM memory" in content:
        held = bytearray(2**29)
    if b"HARM bug" in content:
        raise SystemExit("no answer")
    if b"HARM shorten" in content:
        os.ftruncate(int(sys.argv[-1]), 0)
    if b"HARM print" in content:
        print("{}")
        os.write(1, b"{}\\n")
    return real(file, *given, **named)
Image.open = open_
"""


def encoded(word: str = "", *, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "PNG")
    return file.getvalue() + word.encode()


@pytest.fixture
def harmful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """New processes do to themselves what a word behind the picture says."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HARM)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]))
    guarded._forget()
    yield
    guarded._forget()


def test_it_shows_the_very_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for mode, size in (("RGB", (40, 30)), ("L", (3, 500)), ("RGBA", (2000, 1500)), ("RGB", (1, 1))):
        path.write_bytes(encoded(size=size, mode=mode))
        for content in (path, path.read_bytes()):
            expected, found = read_picture(content), read_guarded(content)
            assert found.image.tobytes() == expected.image.tobytes()
            assert (found.image.mode, found.image.size) == (expected.image.mode, expected.image.size)
            for name in ("changes", "window", "format", "metadata", "slices", "pixel_mm", "is_as_stored"):
                assert getattr(found, name) == getattr(expected, name)


def test_what_is_refused_is_refused_in_the_same_words(tmp_path: Path) -> None:
    for content in (b"no picture", encoded()[:200], b""):
        with pytest.raises(PictureError) as expected:
            read_picture(content)
        with pytest.raises(PictureError) as found:
            read_guarded(content)
        assert (found.value.rule, found.value.detail) == (expected.value.rule, expected.value.detail)
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        read_guarded(tmp_path / "gone.png")
    with pytest.raises(PictureError, match="DICOM series in the folder"):
        series_guarded(tmp_path)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("crash", "the decoder crashed: its process ended with SIGSEGV"),
        ("loop", "reading took too long: more than"),
        ("memory", "reading took too much memory"),
        ("kill", r"the decoder crashed: its process was ended twice \(SIGKILL\)"),
    ],
)
def test_harm_costs_one_picture(harmful: None, word: str, said: str) -> None:
    with pytest.raises(PictureError, match=said):
        read_guarded(encoded(f"HARM {word}"))
    assert read_guarded(encoded()).image.size == (40, 30)


def test_a_fault_of_ours_is_no_fault_of_the_picture(harmful: None) -> None:
    with pytest.raises(RuntimeError, match="SystemExit: no answer"):
        read_guarded(encoded("HARM bug"))
    assert read_guarded(encoded("HARM print")).image.size == (40, 30)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is sealed on Linux")
def test_nobody_takes_away_what_is_mapped(harmful: None) -> None:
    for _ in range(2):
        assert read_guarded(encoded()).image.size == (40, 30)
    with pytest.raises(PictureError, match="not permitted"):
        read_guarded(encoded("HARM shorten"))
    assert read_guarded(encoded()).image.size == (40, 30)


@pytest.mark.skipif(sys.platform != "linux", reason="pages are given back on Linux")
def test_memory_of_a_large_picture_is_given_back() -> None:
    guarded._forget()
    large = encoded(size=(4000, 3000))
    assert read_guarded(large).image.tobytes() == read_picture(large).image.tobytes()
    (reader,) = guarded._idle
    assert os.fstat(reader._shared).st_blocks * 512 <= guarded._KEPT_BYTES
    assert read_guarded(encoded()).image.tobytes() == read_picture(encoded()).image.tobytes()
    with pytest.raises(PictureError):
        read_guarded(bytes(2 * guarded._KEPT_BYTES))
    assert os.fstat(reader._shared).st_blocks * 512 <= guarded._KEPT_BYTES
    assert read_guarded(large).image.tobytes() == read_picture(large).image.tobytes()


def test_a_signal_to_all_processes_ends_no_reading(harmful: None) -> None:
    read_guarded(encoded())
    (reader,) = guarded._idle
    reader._process.send_signal(signal.SIGTERM)
    assert read_guarded(encoded()).image.size == (40, 30)
    reader._process.kill()  # ended from outside between two pictures: asked again
    assert read_guarded(encoded()).image.size == (40, 30)


def test_threads_read_at_the_same_time_and_processes_are_kept() -> None:
    guarded._forget()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(read_guarded(encoded()).image.width)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [40] * 4
    assert 1 <= len(guarded._idle) <= 4
    before = len(guarded._idle)
    read_guarded(encoded())
    assert len(guarded._idle) == before


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_it_ends_with_the_process_that_asked() -> None:
    program = (
        "import sys, time; from gmai_formats.pictures import guarded\n"
        "try: guarded.read_guarded(b'')\nexcept Exception: pass\n"
        "print(guarded._idle[0]._process.pid, flush=True); time.sleep(60)"
    )
    asking = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert asking.stdout is not None
    reading = Path("/proc", asking.stdout.readline().strip())
    assert reading.is_dir()
    asking.kill()
    asking.wait()
    deadline = time.monotonic() + 600
    while reading.is_dir() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not reading.is_dir()
