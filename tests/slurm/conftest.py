"""A loopback cluster for all tests of this folder in a process, and sample data as small as training goes."""

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

GMAI = Path(sys.executable).parent / "gmai"


def _loopback() -> Any:
    spec = importlib.util.spec_from_file_location("loopback", Path(__file__).parent / "loopback.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Cluster:
    """Submits scripts as a user would, and waits for jobs."""

    def __init__(self, module: Any, environment: dict[str, str]) -> None:
        self._module = module
        self.environment = environment | {"PATH": f"{GMAI.parent}:{environment['PATH']}"}

    def run(self, *command: object, cwd: Path, **env: str) -> str:
        done = subprocess.run(
            list(map(str, command)), cwd=cwd, env=self.environment | env, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def submit(self, *options: object, cwd: Path, **env: str) -> str:
        return self.run("sbatch", "--parsable", *options, cwd=cwd, **env).strip().split(";")[0]

    def until(self, condition: Callable[[], bool], complaint: Callable[[], str], seconds: int = 400) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, complaint()
            time.sleep(0.1)

    def ended(self, *jobs: str, seconds: int = 600) -> list[dict[str, str]]:
        """Return what Slurm says of each job once all have left the queue."""
        lines = self._module.wait_for_jobs(self.environment, list(jobs), seconds)
        return [dict(pair.split("=", 1) for pair in line.split() if "=" in pair) for line in lines]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    module = _loopback()
    reason = module.missing()
    if reason:
        pytest.skip(reason)
    # Unix sockets have short paths, so the cluster does not live below pytest's folder. Jobs get no token and no cache.
    with tempfile.TemporaryDirectory(prefix="slurm-") as state, module.cluster(state) as environment:
        kept = {name: text for name, text in environment.items() if not name.startswith(("GMAI_", "HF_", "XDG_"))}
        yield Cluster(module, kept | {"HOME": str(_home(Path(state)))})


def _home(state: Path) -> Path:
    (state / "home").mkdir()
    return state / "home"


@pytest.fixture(scope="session")
def recipes(practice: Path) -> list[str]:
    """Two practice datasets."""
    return [f"{name}={practice / 'phantoms' / name}" for name in ("phantom-ct", "phantom-xray")]


@pytest.fixture(scope="session")
def local_build(practice: Path) -> Path:
    """What the same recipes give without Slurm."""
    return practice / "build"


@pytest.fixture(scope="session")
def tiny(practice: Path) -> Path:
    return practice / "tiny"
