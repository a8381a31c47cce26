"""The repository as the tests of its house rules see it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path for path in (ROOT / "packages").iterdir() if (path / "pyproject.toml").is_file())


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(params=PACKAGES, ids=lambda path: path.name)
def package(request: pytest.FixtureRequest) -> Path:
    """Each of the four packages in turn."""
    return request.param


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Every file that git knows and that is there."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: `git ls-files` names the files of the repository")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
