"""The demo's own parts; its whole run is the README's first command, which CI runs as it stands."""

import subprocess
import sys
from pathlib import Path

from gmai_cli.demo.run import steps


def test_every_option_of_every_step_exists() -> None:
    pages: dict[tuple[str, ...], str] = {}
    for step in steps():
        words = tuple(word for word in step.arguments[:2] if not word.startswith("-"))
        if words not in pages:
            pages[words] = subprocess.run(
                [sys.executable, "-m", "gmai_cli", *words, "--help"], capture_output=True, text=True, check=True
            ).stdout
        for option in (argument for argument in step.arguments if argument.startswith("--")):
            assert option in pages[words], (words, option)


def test_each_step_reads_what_an_earlier_one_wrote() -> None:
    written: list[str] = []
    for step in steps():
        for argument in step.arguments:
            folder = argument.split("/")[0]
            if folder in {"build", "models", "runs"} and argument != step.output:
                assert any(argument.startswith(done) for done in written), argument
        written.append(step.output)


def test_a_folder_that_no_demo_began_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "phantoms").mkdir()
    (tmp_path / "phantoms" / "mine.txt").write_text("keep me")
    result = subprocess.run(
        [sys.executable, "-m", "gmai_cli", "demo", "--out", str(tmp_path)], capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "is not empty and no `gmai demo` began it" in result.stderr
    assert (tmp_path / "phantoms" / "mine.txt").read_text() == "keep me"
