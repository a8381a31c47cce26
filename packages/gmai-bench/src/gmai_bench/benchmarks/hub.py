"""Benchmarks from the Hugging Face Hub, each at one pinned revision."""

import os
from dataclasses import dataclass
from pathlib import Path

from gmai_cli.console import say
from gmai_cli.hub_calls import library, patiently
from gmai_formats.errors import UserError
from gmai_formats.state import DamagedError, read_state, write_state


@dataclass(frozen=True, slots=True)
class HubSource:
    """Where a benchmark lies on the Hub."""

    repo_id: str
    patterns: tuple[str, ...]
    """Files that are needed, as glob patterns."""
    folder: str = ""
    """Its folder below `--data-root`, where that is another than the benchmark's name."""

    def command(self, name: str) -> str:
        """Return the command that downloads the files on a machine with a network."""
        include = "".join(f" --include '{pattern}'" for pattern in self.patterns)
        return f"hf download {self.repo_id} --repo-type dataset{include} --local-dir DATA/{self.folder or name}"


def cache_folder() -> Path:
    """Return the user's cache folder of this package (`$GMAI_BENCH_CACHE`, else below `$XDG_CACHE_HOME`)."""
    given = os.environ.get("GMAI_BENCH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(given) if given else Path(base) / "gmai" / "bench"


def fetch(source: HubSource, name: str) -> tuple[Path, str]:
    """Return the folder of a data set on the Hub and its commit; only what is missing is downloaded.

    The package cannot know the commits of data sets ahead, so the first download pins the one that it finds, in
    `hub-revisions.json` of the cache folder, and every later run reads that one, whatever the Hub holds then.

    Raises:
        UserError: The Hub cannot be reached, refuses, or does not know the data set.
    """
    revision = _read_pins(_pins_file()).get(source.repo_id)
    try:
        revision = revision or pin(source.repo_id, None, name)
        folder: str = patiently(
            lambda: library().snapshot_download(
                source.repo_id, repo_type="dataset", revision=revision, allow_patterns=list(source.patterns)
            ),
            what=name,
            where=f"dataset {source.repo_id}",
        )
    except UserError as error:
        raise type(error)(
            f"{str(error).rstrip('.')}. Without --data-root a benchmark is downloaded. On a machine with a network run "
            f"`{source.command(name)}`, copy DATA here and pass --data-root DATA."
        ) from error
    return Path(folder), revision


def pin(repo_id: str, revision: str | None, name: str) -> str:
    """Let every later run read a data set at one commit, and return it.

    Args:
        repo_id: The data set.
        revision: A commit, tag or branch; the newest commit where None.
        name: The benchmark, for messages.

    Raises:
        UserError: The Hub knows no such revision, cannot be reached, or refuses.
    """
    found = patiently(
        lambda: str(library().HfApi().dataset_info(repo_id, revision=revision).sha),
        what=name,
        where=f"dataset {repo_id}",
        first_contact=True,
    )
    pins = _read_pins(_pins_file())
    if pins.get(repo_id) != found:
        write_state(_pins_file(), {**pins, repo_id: found})
        before = f" (it was {pins[repo_id]})" if repo_id in pins else ""
        say(f"{name}: pinned {repo_id} at {found}{before} in {_pins_file()}")
    return found


def _pins_file() -> Path:
    return cache_folder() / "hub-revisions.json"


def _read_pins(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        return read_state(path)
    except (OSError, DamagedError) as error:
        raise UserError(
            f"{path}: cannot be used ({error}). It says which revision of each benchmark is used. "
            f"Repair or remove it; the revisions are then taken anew."
        ) from error
