"""Remedies that work where gmai is on no index: from a clone, a wheel, a repository."""

import importlib.metadata
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_formats import installing
from gmai_formats.installing import pip_install


@pytest.fixture
def came_from(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let gmai-cli have come from somewhere, put there by an installer."""

    def pretend(origin: dict[str, Any] | None, installer: str = "pip\n") -> None:
        files = {"direct_url.json": json.dumps(origin) if origin is not None else None, "INSTALLER": installer}
        requires = importlib.metadata.requires("gmai-cli")
        own = SimpleNamespace(read_text=files.get, requires=requires)
        monkeypatch.setattr(installing.importlib.metadata, "distribution", lambda _name: own)
        installing._origin.cache_clear()

    yield pretend
    installing._origin.cache_clear()


def test_from_an_index(came_from: Callable[..., None]) -> None:
    came_from(None)
    assert pip_install("gmai-data") == "pip install gmai-data"
    assert pip_install("gmai-data[ocr]", "peft") == "pip install 'gmai-data[ocr]' peft"


def test_from_a_clone(came_from: Callable[..., None], tmp_path: Path) -> None:
    clone = tmp_path / "a clone"
    (clone / "packages/gmai-data").mkdir(parents=True)
    came_from({"url": (clone / "packages/gmai-cli").as_uri(), "dir_info": {"editable": True}}, "uv")
    assert pip_install("gmai-data[ocr]") == f"uv pip install '{clone}/packages/gmai-data[ocr]'"
    assert pip_install("gmai-bench") == "uv pip install gmai-bench"  # not beside it
    # An index would be asked for the packages that the extra names.
    data = f"{clone}/packages/gmai-data[arrays,nrrd,tables,video]"
    assert pip_install("gmai-cli[all]") == f"uv pip install 'gmai-bench[local]' '{data}' gmai-model"


def test_from_a_wheel(came_from: Callable[..., None], tmp_path: Path) -> None:
    came_from({"url": (tmp_path / "gmai_cli-0.1.0-py3-none-any.whl").as_uri(), "archive_info": {}})
    found = pip_install("gmai-data[ocr]", "gmai-bench")
    assert found == f"pip install --find-links {tmp_path} 'gmai-data[ocr]' gmai-bench"


def test_from_a_repository(came_from: Callable[..., None]) -> None:
    came_from({"url": "https://example.org/gmai.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}})
    expected = "pip install 'gmai-data @ git+https://example.org/gmai.git@abc#subdirectory=packages/gmai-data'"
    assert pip_install("gmai-data") == expected


def test_a_record_that_is_damaged_counts_as_none(
    came_from: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    came_from(None)
    broken = SimpleNamespace(read_text=lambda _name: "{")
    monkeypatch.setattr(installing.importlib.metadata, "distribution", lambda _name: broken)
    assert pip_install("gmai-data") == "pip install gmai-data"
