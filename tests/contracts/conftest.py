"""One build of phantoms, made by the command as a user would, that every package then reads."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

GMAI = "from gmai_cli.main import main; main()"


def run_gmai(*words: object) -> None:
    """Run `gmai WORDS…` in a fresh process; fail with what it printed."""
    command = [sys.executable, "-c", GMAI, *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session")
def build(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """What `gmai data build` makes of the small phantoms."""

    def make(folder: Path) -> None:
        run_gmai("data", "phantoms", folder / "phantoms")
        run_gmai("data", "build", "phantoms", "--root", folder / "phantoms", "--out", folder / "build")

    return made_once("contracts", make) / "build"


@pytest.fixture(scope="session")
def checkpoint(build: Path, made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A tiny random checkpoint whose tokenizer has read the build's text."""
    from gmai_model.assembly.presets import init_preset
    from gmai_model.batching.texts import iterate_texts

    def make(out: Path) -> None:
        init_preset("tiny", iterate_texts(build / "mix.yaml"), out, image_mode="pad", seed=0)

    return made_once("contracts-tiny", make)
