"""Ctrl-C in every command that works for a while: a real SIGINT to its whole process group, at named moments."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

# Ctrl-C comes as the command touches a file of the two folders for the nth time.
PROGRAM = """
import os, signal, sys
nth, folders, me, seen = int(sys.argv[1]), tuple(sys.argv[2:4]), os.getpid(), 0
def touched(event, args):
    global seen
    if event not in ("open", "os.rename", "os.mkdir") or os.getpid() != me or not isinstance(args[0], (str, bytes)):
        return
    if os.fsdecode(args[0]).startswith(folders):
        seen += 1
        if seen == nth:
            os.killpg(0, signal.SIGINT)
sys.addaudithook(touched)
sys.argv = ["gmai", *sys.argv[4:]]
from gmai_cli.start import main
main()
"""
FEW = "--set max_steps=2 --set global_batch_size=2 --set micro_batch_size=1 --set pack_tokens=1024 --set answers=0"
COMMANDS = {
    "data phantoms OUT/new": 30,
    "data build phantom-ct=IN/phantoms/phantom-ct --out OUT/new --workers 1": 30,
    "data build phantom-ct=IN/phantoms/phantom-ct --out OUT/new --workers 2": 30,
    "data stats IN/build": 4,
    "data view IN/build --to OUT/gallery.html": 4,
    "data preview phantom-ct --root IN/phantoms/phantom-ct --to OUT/preview.html": 10,
    "data validate IN/build": 4,
    "data publish IN/build OUT/release": 20,
    "data export IN/build OUT/new --format llava": 4,
    "data recipes check phantom-ct --root IN/phantoms/phantom-ct": 10,
    "data recipes new IN/phantoms/phantom-ct --to OUT/card.yaml": 10,
    "model init --preset tiny --data IN/build/mix.yaml --out OUT/new": 4,
    "model warmup --model IN/tiny --data IN/build/mix.yaml --out OUT/new --vision-steps 2 --language-steps 2": 8,
    "model check IN/tiny": 4,
    f"train --stage 1 --model IN/tiny --data IN/build/mix.yaml --out OUT/new {FEW}": 30,
    f"train --stage 1 --model IN/tiny --data IN/build/mix.yaml {FEW} --dry-run": 6,
    "bench --model IN/tiny --benchmarks IN/build/benchmarks/held_out.yaml --out OUT/new --no-cache": 20,
    "bench contamination --samples IN/build/samples --benchmarks IN/build/benchmarks/held_out.yaml --out OUT/f.json": 4,
    "bench fingerprints --benchmarks IN/build/benchmarks/held_out.yaml --out OUT/f.jsonl": 3,
}
"""What is typed ▶ a moment in its work."""


def is_alone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("begun", [False, True], ids=["at the start", "in its work"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[:3]))
def test_ctrl_c_ends_a_command_in_one_line(command: str, begun: bool, practice: Path, tmp_path: Path) -> None:
    words = command.replace("IN/", f"{practice}/").replace("OUT/", f"{tmp_path}/").split()
    nth = COMMANDS[command] if begun else 1
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(nth), str(practice), str(tmp_path), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in what a shell starts with `&`
    )  # fmt: skip
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130, said
    told = [line for line in said.splitlines() if line.startswith("gmai: interrupted") or "stopped by SIGINT" in line]
    assert len(told) == 1, said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    while not is_alone(process.pid):  # a worker that was still starting ends by itself; the run's limit of time holds
        time.sleep(0.1)
