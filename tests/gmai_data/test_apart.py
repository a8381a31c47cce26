"""What a file may do to a library outside of a build's processes: that file is lost, and the command goes on."""

import ctypes
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from gmai_data import apart
from gmai_data.apart import look_apart
from gmai_data.ledger import SourceError
from gmai_data.sources.files.array_files import count_images, read_text
from gmai_formats import limits
from gmai_formats.errors import UserError


@pytest.fixture(autouse=True)
def found_by_a_fresh_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process import what stands here; one that was started before would not."""
    monkeypatch.syspath_prepend(str(request.config.rootpath))
    apart._end_all()


def _harm(how: str, file: str) -> int:
    """Do to this process what a library may."""
    if how == "crash":
        ctypes.string_at(0)
    if how == "abort":
        os.abort()
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "memory":
        raise MemoryError
    if how == "refused":
        raise SourceError("file missing", "look", file)
    if how == "user":
        raise UserError("no such library")
    if how == "bug":
        raise AssertionError("the sums do not add up")
    if how == "loop":
        resource.setrlimit(resource.RLIMIT_CPU, (1, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        while True:
            pass
    return os.getpid()


def _soon(_: str, file: str) -> None:
    limits.CPU_S = 1


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("crash", SourceError, f"{limits.CRASHED}: its process ended with SIGSEGV"),
        ("abort", SourceError, f"{limits.CRASHED}: its process ended with SIGABRT"),
        ("loop", SourceError, limits.TOO_LONG),
        ("memory", SourceError, f"{limits.TOO_MUCH}: more than 1 GiB"),
        ("refused", SourceError, "file missing: look"),
        ("user", UserError, "no such library"),
        ("killed", SourceError, rf"{limits.CRASHED}: its process was ended twice \(SIGKILL\); leave it out, or give"),
        ("bug", RuntimeError, "the sums do not add up"),
    ],
)
def test_harm_costs_one_file_and_the_next_is_read(how: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        look_apart(_harm, 10, "a.h5", how, "a.h5")
    one = look_apart(_harm, 10, "b.h5", "", "b.h5")
    assert os.getpid() != one == look_apart(_harm, 10, "c.h5", "", "c.h5")


def test_a_process_that_may_be_lost_looks_itself() -> None:
    limits.begin(10)
    try:
        assert look_apart(_harm, 10, "a.h5", "", "a.h5") == os.getpid()
    finally:
        limits.end()


@pytest.mark.parametrize("place", [24, 48, 49])
def test_hdf5_in_which_the_library_goes_round_for_ever_is_named(tmp_path, place: int) -> None:
    """An object of no length in the heap of texts: https://github.com/HDFGroup/hdf5, `H5HG__cache_heap_deserialize`."""
    h5py = pytest.importorskip("h5py")
    for name in ("whole.h5", "damaged.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["pid"], file["images"] = "text", np.zeros((3, 4, 5))
    content = bytearray((tmp_path / "damaged.h5").read_bytes())
    content[content.index(b"GCOL") + place] = 0
    (tmp_path / "damaged.h5").write_bytes(content)
    look_apart(_soon, 10, "damaged.h5", "", "damaged.h5")
    with pytest.raises(SourceError, match=limits.TOO_LONG):
        read_text(tmp_path, "damaged.h5", "pid")
    assert read_text(tmp_path, "whole.h5", "pid") == "text"
    assert count_images(tmp_path, "damaged.h5", "images") == 3


def test_the_command_ends_though_the_process_waits(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    program = (
        "from pathlib import Path; from gmai_data.sources.files.array_files import array_names; import sys\n"
        "if __name__ == '__main__': print(array_names(Path(sys.argv[1]), 'a.npz'))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "['x']\n"
