"""Benchmarks from the Hugging Face Hub, each at one pinned revision."""

import importlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gmai_cli.console import say
from gmai_cli.errors import UserError
from gmai_cli.files import write_json


@dataclass(frozen=True, slots=True)
class HubSource:
    """Where a benchmark lies on the Hub."""

    repo_id: str
    patterns: tuple[str, ...]
    """Files that are needed, as glob patterns."""

    def command(self, name: str) -> str:
        """Return the command that downloads the files on a machine with a network."""
        include = "".join(f" --include '{pattern}'" for pattern in self.patterns)
        return f"hf download {self.repo_id} --repo-type dataset{include} --local-dir DATA/{name}"


def cache_folder() -> Path:
    """Return the user's cache folder of this package (`$GMAI_BENCH_CACHE`, else below `$XDG_CACHE_HOME`)."""
    given = os.environ.get("GMAI_BENCH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(given) if given else Path(base) / "gmai" / "bench"


def fetch(source: HubSource, name: str) -> tuple[Path, str]:
    """Return the folder of a data set on the Hub and its revision; only what is missing is downloaded.

    The revision of the first download is pinned in `hub-revisions.json` of the cache folder, and every later run reads
    that one, whatever the Hub holds then. Remove the entry to move on.

    Raises:
        UserError: The Hub cannot be reached, refuses, or does not know the data set.
    """
    hub: Any = importlib.import_module("huggingface_hub")
    pins_file = cache_folder() / "hub-revisions.json"
    pins = _read_pins(pins_file)
    try:
        revision = pins.get(source.repo_id) or str(hub.HfApi().dataset_info(source.repo_id).sha)
        folder: str = hub.snapshot_download(
            source.repo_id, repo_type="dataset", revision=revision, allow_patterns=list(source.patterns)
        )
    except Exception as error:  # the client lets the errors of its HTTP library through, whichever that is
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{name}: {source.repo_id} could not be read from the Hub ({reason}). Without --data-root a benchmark is "
            f"downloaded. On a machine with a network run `{source.command(name)}`, copy DATA here and pass "
            f"--data-root DATA; a gated data set needs HF_TOKEN."
        ) from error
    if source.repo_id not in pins:
        write_json(pins_file, {**pins, source.repo_id: revision})
        say(f"{name}: pinned {source.repo_id} at {revision} in {pins_file}")
    return Path(folder), revision


def _read_pins(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        return cast("dict[str, str]", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not readable as JSON ({error}). It says which revision of each benchmark is used. "
            f"Repair or remove it; the revisions are then taken anew."
        ) from error
