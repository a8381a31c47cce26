"""Fixtures for the tests of every package."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

settings.register_profile("same in every run", derandomize=True, deadline=None)
settings.load_profile("same in every run")


def _module(path: str) -> Any:
    """Return a file of tests/ as a module; folders of tests are no packages."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, Path(__file__).parent / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process waits alone for the last test."""
    long = ("slurm", "e2e", "browser")
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in long))


@pytest.fixture(scope="session", autouse=True)
def _cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what is made of datasets out of the user's cache folder, and out of the next run's sight."""
    os.environ["GMAI_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a function of a name and a maker: the folder of that name, made once for all processes of this run.

    The maker gets the folder's path, where nothing is yet. Tests only read what lies there.
    """
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / "made" / name, shared / "made" / f"{name}.done"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # a maker before this one failed
                make(folder)
                done.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def practice(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """What the commands make of two practice datasets: `phantoms`, their `build`, and a `tiny` checkpoint for it."""
    gmai = Path(sys.executable).with_name("gmai")

    def make(folder: Path) -> None:
        folder.mkdir()
        named = [f"{name}={folder / 'phantoms' / name}" for name in ("phantom-ct", "phantom-xray")]
        for words in (
            ["data", "phantoms", "phantoms"],
            ["data", "build", *named, "--out", "build"],
            ["model", "init", "--preset", "tiny", "--data", "build/mix.yaml", "--out", "tiny"],
        ):
            subprocess.run([gmai, *words], cwd=folder, check=True, capture_output=True)

    return made_once("practice", make)


@pytest.fixture
def hub_server() -> Iterator[Any]:
    """A running `tests/servers/hub.py`: repositories, faults on demand, and the environment for a client's process."""
    with _module("servers/hub.py").Hub() as hub:
        yield hub


@pytest.fixture
def openai_server() -> Any:
    """The module `tests/servers/openai.py`: `Server` is a hostile OpenAI-compatible server with books."""
    return _module("servers/openai.py")


@pytest.fixture
def vllm_engine() -> Any:
    """The module `tests/servers/vllm_engine.py`: `module` makes a stand-in for vLLM's offline engine."""
    return _module("servers/vllm_engine.py")


@pytest.fixture
def serving() -> Any:
    """The context manager of `tests/servers/transformers_serve.py`: checkpoint, folder ▶ URL of the real server."""
    return _module("servers/transformers_serve.py").serving


@pytest.fixture(scope="session")
def forked_gmai() -> Any:
    """The module `tests/servers/forked.py`: `Server` starts `gmai` without the time of its imports."""
    return _module("servers/forked.py")


@pytest.fixture
def browser() -> Any:
    """The module `tests/servers/browser.py`: `visit` opens a page in headless Chromium."""
    return _module("servers/browser.py")
