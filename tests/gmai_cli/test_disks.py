"""Every command that writes, with a disk that is full or read-only where it would: one line, and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

COMMANDS = [
    "data phantoms OUT/new",
    "data build phantom-ct=IN/phantoms/phantom-ct --out OUT/new",
    "data view IN/build --to OUT/gallery.html",
    "data preview phantom-ct --root IN/phantoms/phantom-ct --to OUT/preview.html",
    "data publish IN/build OUT/release",
    "data export IN/build OUT/new --format llava",
    "data recipes new IN/phantoms/phantom-ct --to OUT/card.yaml",
    "model init --preset tiny --data IN/build/mix.yaml --out OUT/new",
    "model warmup --model IN/tiny --data IN/build/mix.yaml --out OUT/new",
    "train --stage 1 --model IN/tiny --data IN/build/mix.yaml --out OUT/new",
    "bench --model IN/tiny --benchmarks IN/build/benchmarks/held_out.yaml --out OUT/new --no-cache",
    "bench contamination --samples IN/build/samples --benchmarks IN/build/benchmarks/held_out.yaml --out OUT/f.json",
    "bench fingerprints --benchmarks IN/build/benchmarks/held_out.yaml --out OUT/f.jsonl",
    "slurm init OUT/new",
    "init IN/phantoms/phantom-ct --out OUT/new",
]
DISKS = {
    "full": (
        "mount -t tmpfs -o size=64k tmpfs {out}; head -c 100000 /dev/zero >{out}/fill 2>/dev/null",
        ("no space is left on the device", "No space left on device", "MB are free"),
    ),
    "read-only": ("mount -t tmpfs -o size=64k,ro tmpfs {out}", ("the file system is read-only", "Read-only file")),
}


@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[:3]))
def test_a_disk_that_takes_nothing_is_one_line(command: str, disk: str, practice: Path, tmp_path: Path) -> None:
    own = ["unshare", "--mount", "--map-root-user"]
    try:
        subprocess.run([*own, "true"], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no mounts of its own for a process: apt-get install util-linux, or a container with more rights")
    mount, said = DISKS[disk]
    words = command.replace("IN/", f"{practice}/").replace("OUT/", f"{tmp_path}/").split()
    done = subprocess.run(
        [*own, "sh", "-c", f'{mount.format(out=tmp_path)}; exec "$@"', "sh", sys.executable, "-m", "gmai_cli", *words],
        env={**os.environ, "HF_HUB_OFFLINE": "1"}, cwd=practice.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("gmai: ")]
    assert any(words in line for words in said), line
    assert str(tmp_path) in line
    assert "Traceback" not in done.stderr
