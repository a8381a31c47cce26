import signal
import subprocess
import sys
from pathlib import Path

import pytest
from gmai_cli.exit_codes import EXIT_INTERRUPTED, EXIT_REQUEUE

WAITS = """
import sys, time
class Waits:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            print("here", flush=True)
            time.sleep(600)
sys.meta_path.insert(0, Waits())
sys.argv = ["gmai", *"{words}".split()]
from gmai_cli.start import main
main()
"""
PHASES = [
    ("gmai_cli.main", "--help"),
    ("typer", "--help"),
    ("gmai_data.cli", "data build x --out y"),
    ("gmai_data.build", "data build phantom-fundus --out y"),
    ("gmai_model.cli", "train --stage 1 --model x --data y --out z"),
    ("gmai_model.training.run", "train --stage 1 --model x --data y --out z"),
    ("gmai_bench.run", "bench --model x --benchmarks y --out z"),
]
FORKS = """
import os, signal, time
import gmai_cli.main
from gmai_cli import start
def run():
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(600)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
gmai_cli.main.main = run
start.main()
"""


@pytest.mark.parametrize(("module", "words"), PHASES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_is_told_in_one_line_while_modules_are_imported(
    module: str, words: str, number: signal.Signals, tmp_path: Path
) -> None:
    for name in ("x", "y"):  # a path that is not there is told before anything is imported
        (tmp_path / name).mkdir()
    (tmp_path / "x" / "config.json").write_text("{}")
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS.format(module=module, words=words)], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=600)
    assert process.returncode == (EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_REQUEUE)
    assert said.count("\n") == 1, said
    assert f"stopped by {number.name}" in said or (number == signal.SIGINT and "interrupted" in said)


def test_a_process_that_a_library_forked_says_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True, timeout=600)
    assert (done.stdout, done.stderr) == (f"{-signal.SIGTERM}\n", "")
