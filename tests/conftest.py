"""Fixtures for the tests of every package."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def _module(path: str) -> Any:
    """Return a file of tests/ as a module; folders of tests are no packages."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, Path(__file__).parent / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
def serving() -> Any:
    """The context manager of `tests/servers/transformers_serve.py`: checkpoint, folder ▶ URL of the real server."""
    return _module("servers/transformers_serve.py").serving
