"""`gmai` in a fresh process, with plug-ins that a test writes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Gmai = Callable[..., "subprocess.CompletedProcess[str]"]
PROGRAM = "from gmai_cli.main import main; main()"


class Site:
    """A folder on `sys.path` that packages are put into as an installer would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, package: str, entry_points: dict[str, str], **modules: str) -> None:
        """Install a package: its metadata, entry points of the group `gmai.commands`, and modules by name ▶ source."""
        info = self.folder / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[gmai.commands]", *lines, ""]))
        for name, source in modules.items():
            (self.folder / f"{name}.py").write_text(source)

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder), **more}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


@pytest.fixture
def gmai(site: Site) -> Gmai:
    """Return a function that runs `gmai WORDS…` in a fresh process with the site's plug-ins."""

    def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *words],
            capture_output=True, text=True, check=False, timeout=600, env=site.environment(**environment),
        )  # fmt: skip

    return run
