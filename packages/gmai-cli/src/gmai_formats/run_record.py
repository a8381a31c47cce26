"""What ran, when, with which versions, settings and inputs: `run.json` of every output folder."""

import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gmai_formats.files import installed_versions
from gmai_formats.state import write_state

NAME = "run.json"
"""In the output folder; `state.read_state` reads it."""


def write_run_record(directory: Path, *, config: Mapping[str, Any], inputs: Mapping[str, Any], **more: Any) -> None:
    """Write `run.json`: what ran, when, with which versions, settings and inputs; with its digest.

    Args:
        directory: The run's output folder.
        config: The resolved settings, all of them.
        inputs: Name of each input to its digest, count or revision.
        more: Further entries such as `seed` or `device`.
    """
    write_state(
        directory / NAME,
        {
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "versions": installed_versions(),
            "git_commit": _git_commit(),
            "config": dict(config),
            "inputs": dict(inputs),
            **more,
        },
    )


def _git_commit() -> str | None:
    """Return the commit of the working directory's repository, with `+changes` where it is not clean."""
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True)
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")
