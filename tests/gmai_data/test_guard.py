"""What a file may do to the process that decodes it: one file is lost, its reason is kept, and the others are built."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data import shards
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.guard import build_shards
from gmai_data.sources import reading
from gmai_data.sources.cards.catalogue import resolve
from gmai_formats import limits
from gmai_formats.errors import UserError
from gmai_formats.limits import CRASHED, TOO_LONG, TOO_MUCH
from PIL import Image

HARM = {"harm-crash": CRASHED, "harm-abort": CRASHED, "harm-loop": TOO_LONG, "harm-memory": TOO_MUCH}


def _read_with_harm(item, recipe, root, ledger):
    """Stand in for a decoder: the name of a file says what it does to its process."""
    if item.problem is not None:
        yield from _real(item, recipe, root, ledger)
    if "harm-crash" in item.key:
        ctypes.string_at(0)
    if "harm-abort" in item.key:
        os.abort()
    if "harm-killed" in item.key:
        os.kill(os.getpid(), 9)
    if "harm-bug" in item.key:
        raise AssertionError("the sums do not add up")
    while "harm-loop" in item.key:
        pass
    if "harm-still" in item.key:
        time.sleep(600)
    held = [np.zeros(2**27) for _ in range(5) if "harm-memory" in item.key]
    del held
    yield from _real(item, recipe, root, ledger)


_real = reading.read_pictures


def harmful() -> None:
    """Prepare a process of the pool: called in it, since the test's own patches do not reach there."""
    import gmai_data.annotating

    gmai_data.annotating.read_pictures = _read_with_harm
    limits.CPU_S = 2
    limits.MEMORY_BYTES, limits.MEMORY_PER_BYTE = 2**30, 1


@pytest.fixture
def source(tmp_path: Path, card_file):
    def make(*names: str):
        root = tmp_path / "data"
        generator = np.random.default_rng(0)
        for label in "ab":
            (root / label).mkdir(parents=True)
            for number in range(3):
                Image.fromarray(generator.integers(0, 256, (40, 40), np.uint8)).save(root / label / f"{number}.png")
        for name in names:
            Image.fromarray(generator.integers(0, 256, (40, 40), np.uint8)).save(root / "a" / f"{name}.png")
        return resolve([f"{card_file(labels={'a': 'alpha', 'b': 'beta'})}={root}"], None)

    return make


def built(sources, out: Path, monkeypatch, workers: int = 1) -> int:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))  # the processes import `harmful` from here
    monkeypatch.setattr("gmai_data.build.guarded", lambda jobs, count: build_shards(jobs, count, harmful))
    return build(sources, out, BuildSettings(), RunOptions(workers=workers, guarded=True))


def test_each_harm_costs_one_file_and_its_reason_is_kept(source, tmp_path, monkeypatch, capsys):
    assert built(source(*HARM), tmp_path / "out", monkeypatch) == 3
    lines = map(json.loads, (tmp_path / "out/quarantine.jsonl").read_text().splitlines())
    assert {Path(line["file"]).stem: line["reason"].split(":")[0] for line in lines} == HARM
    rows = pq.read_table(tmp_path / "out/annotations").to_pylist()
    assert sum(row["task"] is not None for row in rows) == 6
    said = capsys.readouterr().err
    assert "a/harm-crash.png: the decoder crashed: its process ended with SIGSEGV" in said


def test_a_file_that_never_comes_is_given_up(source, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "STILL_S", 5.0)
    assert built(source("harm-still"), tmp_path / "out", monkeypatch) == 3
    (line,) = map(json.loads, (tmp_path / "out/quarantine.jsonl").read_text().splitlines())
    assert line["reason"].startswith(f"{TOO_LONG}: no answer for 5 s")


def test_a_process_that_is_killed_is_not_laid_to_its_file(source, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"most often because memory ran out \(SIGKILL\)\. Finished shards stand"):
        built(source("harm-killed"), tmp_path / "out", monkeypatch)


SIGNALLED = """
import os, sys, types
from gmai_data.executors import _start_worker
from gmai_data.guard import _work
def jobs():
    os.kill(os.getpid(), int(sys.argv[1]))
    print("goes on")
    raise EOFError
_work(types.SimpleNamespace(recv=jobs), _start_worker)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_to_a_process_that_reads_ends_nothing(number):
    command = [sys.executable, "-c", SIGNALLED, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout) == (0, "goes on\n")


def test_a_bug_ends_the_build_with_where_it_was(source, tmp_path, monkeypatch):
    with pytest.raises(AssertionError) as caught:
        built(source("harm-bug"), tmp_path / "out", monkeypatch)
    assert any("_read_with_harm" in note for note in caught.value.__notes__)


def test_good_files_give_the_same_bytes_as_without_a_guard(phantoms, phantom_build, tmp_path):
    sources = resolve([f"phantom-fundus={phantoms / 'phantom-fundus'}"], phantoms)
    outs = [tmp_path / name for name in ("plain", "guarded", "two")]
    for out, options in zip(outs, (RunOptions(), RunOptions(guarded=True), RunOptions(workers=2)), strict=True):
        assert build(sources, out, BuildSettings(), options) == 0
    files = [
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*") if path.is_file() and path.stem != "run"}
        for out in outs
    ]
    assert files[0] == files[1] == files[2]


def test_the_shard_is_told_of_each_item(monkeypatch, tmp_path, source):
    (entry,) = source()
    from gmai_data.build import plan
    from gmai_data.sources.listing import list_sources

    job = max(plan(list_sources([entry], None), tmp_path / "work", BuildSettings()), key=lambda job: len(job.items))
    seen: list[str] = []
    shards.build_shard(job, lambda item: seen.append(item.key))
    assert seen == [item.key for item in job.items]
