"""The whole build: its account, its refusals, and the same bytes after a kill and with more workers."""

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data.build import BuildSettings, RunOptions, build, plan
from gmai_data.sources.cards.catalogue import resolve
from gmai_data.sources.listing import list_sources
from gmai_data.vocabulary import Modality
from gmai_formats.errors import UserError
from PIL import Image

COMMAND = [sys.executable, "-c", "from gmai_cli.main import main; main()", "data", "build", "phantoms"]


def digests(out):
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


def alive_in_session(session):
    """Return the processes of a session that are neither ended nor waiting to be reaped."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(path.parent.name)
    return found


def test_account_of_every_recipe(phantom_build):
    manifest = json.loads((phantom_build / "manifest.json").read_text())
    assert len(manifest["recipes"]) == 8
    for recipe in manifest["recipes"].values():
        for of in ("items", "images", "boxes", "samples"):
            count = recipe[of]
            assert count["read"] == count["kept"] + sum(count["dropped"].values()) + count["quarantined"]
        assert sum(recipe["samples_by_kind"].values()) == recipe["samples"]["kept"]
    run = json.loads((phantom_build / "run.json").read_text())
    assert run["config"]["chinese_share"] == 0.2
    assert set(run["inputs"]) == set(manifest["recipes"])
    assert not (phantom_build / ".build" / "shards").exists()


def test_texts_of_no_modality_are_counted_under_none_and_offered_nowhere(phantom_build, phantoms, tmp_path):
    rows = [row for path in phantom_build.glob("samples/text_*/*.parquet") for row in pq.read_table(path).to_pylist()]
    texts = [row for row in rows if row["source"] == "phantom-text"]
    assert {row["modality"] for row in texts} == {None}
    assert {row["modality"] for row in rows if row not in texts} <= set(map(str, Modality))
    for row in texts:
        assert re.fullmatch(r"text#qa#none#phantom-text#questions\.jsonl#none#\d{6}#text_only#0", row["id"])
    manifest = json.loads((phantom_build / "manifest.json").read_text())
    assert manifest["recipes"]["phantom-text"]["samples_by"]["modality"] == {"none": len(texts)}
    assert "none" not in manifest["recipes"]["phantom-ct"]["samples_by"]["modality"]
    sources = resolve([f"{name}={phantoms / name}" for name in ("phantom-text", "phantom-xray")], None)
    jobs = plan(list_sources(sources, None), tmp_path, BuildSettings())
    assert {job.writer.modalities for job in jobs} == {(Modality.X_RAY,)}, "no text makes CT an option of a question"


def test_two_workers_give_the_same_bytes(phantoms, phantom_build, tmp_path):
    out = tmp_path / "out"
    assert build(resolve(["phantoms"], phantoms), out, BuildSettings(), RunOptions(workers=2)) == 0
    assert digests(out) == digests(phantom_build)


@pytest.mark.parametrize(
    ("sign", "count"), [(".build/shards/*/done.json", 1), (".build/shards/*/done.json", 12), ("samples/*", 1)]
)
def test_killed_build_goes_on_and_ends_with_the_same_bytes(phantoms, phantom_build, tmp_path, sign, count):
    out = tmp_path / "out"
    command = [*COMMAND, "--root", str(phantoms), "--out", str(out)]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while len(list(out.glob(sign))) < count:
        assert running.poll() is None, "the build ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (out / "manifest.json").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "shards were already done in an earlier run" in again.stderr
    assert digests(out) == digests(phantom_build)


def test_finished_shards_whose_files_were_cleared_are_built_again(phantoms, phantom_build, tmp_path, capsys):
    out, sources = tmp_path / "out", resolve(["phantoms"], phantoms)
    for position in range(2):
        build(sources, out, BuildSettings(), RunOptions(share=(position, 2)))
    first, second, *_ = sorted(out.glob(".build/shards/*/annotations.parquet"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-9])
    capsys.readouterr()
    assert build(sources, out, BuildSettings()) == 0
    assert "2 finished shards have lost files since" in capsys.readouterr().err
    assert digests(out) == digests(phantom_build)


def test_pictures_that_are_changed_in_place_are_read_again(card_file, tmp_path, capsys):
    """Of the same name and size; the first run left 3.bmp out as a copy of 2.bmp, which it is no longer."""

    def put(number, seed):
        pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        path = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.stat().st_size if path.exists() else None
        Image.fromarray(pixels).save(path)
        assert before in (None, path.stat().st_size)

    for number in range(8):
        put(number, min(number, 6) if number != 3 else 1)
    sources = resolve([str(card_file())], tmp_path / "pictures")
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    build(sources, out, BuildSettings(), RunOptions(share=(0, 1)))
    assert build_of_share_again(sources, out, capsys) == ""
    put(3, 99)
    assert "1 finished shards were made from files that have changed since" in build_of_share_again(
        sources, out, capsys
    )
    assert build(sources, out, BuildSettings()) == build(sources, fresh, BuildSettings()) == 0
    assert digests(out) == digests(fresh)


def build_of_share_again(sources, out, capsys):
    """Return what a task says of shards that it takes back."""
    capsys.readouterr()
    build(sources, out, BuildSettings(), RunOptions(share=(0, 1)))
    return "".join(line for line in capsys.readouterr().err.splitlines() if "changed since" in line)


def test_kills_at_random_points_lose_nothing_and_leave_nobody_working(phantoms, tmp_path):
    """With two processes, killed again and again wherever it happens to be, also while publishing."""
    names = ("phantom-fundus", "phantom-ct", "phantom-ultrasound")
    pairs = [f"{name}={phantoms / name}" for name in names]
    whole, out = tmp_path / "whole", tmp_path / "killed"
    command = [*COMMAND[:-1], *pairs, "--workers", "2", "--out"]
    started = time.monotonic()
    subprocess.run([*command, str(whole)], capture_output=True, check=True)
    whole_s = time.monotonic() - started
    rng, sessions = random.Random(7), []
    quiet = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    first = subprocess.Popen([*command, str(out)], start_new_session=True, **quiet)
    sessions.append(first.pid)
    while not (out / ".build").exists():
        time.sleep(0.002)
    os.kill(first.pid, signal.SIGKILL)  # one kill at least, however fast the machine has become since
    first.wait()
    for wait_s in (rng.uniform(0.1, 0.8) * whole_s for _ in range(5)):
        running = subprocess.Popen([*command, str(out)], start_new_session=True, **quiet)
        sessions.append(running.pid)
        try:
            running.wait(wait_s)
            break
        except subprocess.TimeoutExpired:
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
    subprocess.run([*command, str(out)], capture_output=True, text=True, check=True)
    assert digests(out) == digests(whole)
    deadline = time.monotonic() + 600
    while any(alive_in_session(session) for session in sessions) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for session in sessions for pid in alive_in_session(session)]


def test_complete_build_is_left_alone_and_changed_settings_are_refused(phantoms, tmp_path, capsys):
    out, sources = tmp_path / "out", resolve(["phantom-fundus"], phantoms / "phantom-fundus")
    assert build(sources, out, BuildSettings()) == 0
    before = digests(out)
    assert build(sources, out, BuildSettings()) == 0
    assert "this build is complete" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"was built with other values of settings\.chinese_share.*Give another --out"):
        build(sources, out, BuildSettings(chinese_share=0.5))
    with pytest.raises(UserError, match=r"other values of recipes\.phantom-fundus, recipes\.phantom-xray"):
        build(resolve(["phantom-xray"], phantoms / "phantom-xray"), out, BuildSettings())
    assert digests(out) == before


def test_a_complete_build_says_that_its_pictures_were_written_since(phantoms, tmp_path, capsys):
    root, out = tmp_path / "root", tmp_path / "out"
    shutil.copytree(phantoms / "phantom-fundus", root)
    sources = resolve(["phantom-fundus"], root)
    assert build(sources, out, BuildSettings()) == 0
    before = digests(out)
    assert build(sources, out, BuildSettings()) == 0
    assert "warning" not in capsys.readouterr().err
    picture = sorted(root.rglob("*.png"))[0]
    content = picture.read_bytes()
    with picture.open("r+b") as file:  # in place: its folder does not change
        file.write(content[:-12])
    os.utime(picture, ns=(0, time.time_ns() + 5_000_000_000))
    assert build(sources, out, BuildSettings()) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert (
        f"1 file(s) were written after this build began to read them, the first is {picture.relative_to(root)}" in said
    )
    assert "left as it is. To build from what they are now, give another --out, or delete this one." in said
    assert digests(out) == before


def test_foreign_folder_is_refused(phantoms, tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UserError, match="not empty, and not begun by `gmai data build`"):
        build(resolve(["phantom-xray"], phantoms / "phantom-xray"), tmp_path, BuildSettings())


def test_limit_takes_the_same_few_items(phantoms, tmp_path):
    sources = resolve(["phantom-xray"], phantoms / "phantom-xray")
    build(sources, tmp_path / "out", BuildSettings(limit=3))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["recipes"]["phantom-xray"]["items"]["read"] == 3
