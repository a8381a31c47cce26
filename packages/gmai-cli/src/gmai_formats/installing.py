"""The command that installs another of gmai's packages or an extra, from where this installation itself came.

The packages are on no index yet: beside a clone the remedy names the clone's folder, beside a wheel the wheel's. Where
a distribution came from is recorded as https://packaging.python.org/en/latest/specifications/direct-url/ says.
"""

import functools
import importlib.metadata
import json
import re
import shlex
import urllib.parse
from pathlib import Path
from typing import Any

_OWN = "gmai-cli"


def pip_install(*requirements: str) -> str:
    """Return the command that installs requirements such as `gmai-data[ocr]`."""
    pip, origin = _origin()
    words: list[str] = []
    for requirement in (each for given in requirements for each in _in_full(given, origin)):
        name = re.split(r"[\[<>=!~ ]", requirement, maxsplit=1)[0]
        words += _from(origin, name, requirement) if name.startswith("gmai-") else [requirement]
    options = list(dict.fromkeys(word for word in words if word.startswith("--find-links")))
    return " ".join((*pip, *options, *(shlex.quote(word) for word in words if word not in options)))


def _in_full(requirement: str, origin: dict[str, Any]) -> list[str]:
    """Return what `gmai-cli[all]` stands for where pip would look for it in an index, else the requirement."""
    if requirement != f"{_OWN}[all]" or not ({"dir_info", "vcs_info"} & origin.keys()):
        return [requirement]
    named = (each.partition(";") for each in importlib.metadata.requires(_OWN) or ())
    return [re.split(r"[<>=!~ ]", what, maxsplit=1)[0] for what, _, mark in named if "all" in mark]


def _from(origin: dict[str, Any], name: str, requirement: str) -> list[str]:
    """Return the words that stand for a requirement where gmai-cli came from `origin`."""
    url = str(origin.get("url", ""))
    more = requirement[len(name) :]
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return [
            f"{requirement} @ {vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}#subdirectory=packages/{name}"
        ]
    if not url.startswith("file:"):
        return [requirement]
    found = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
    if "dir_info" in origin:
        folder = found.parent / name
        return [f"{folder}{more}"] if folder.is_dir() else [requirement]
    return [f"--find-links {shlex.quote(str(found.parent))}", requirement]


@functools.cache
def _origin() -> tuple[tuple[str, ...], dict[str, Any]]:
    try:
        own = importlib.metadata.distribution(_OWN)
        installer, origin = own.read_text("INSTALLER"), json.loads(own.read_text("direct_url.json") or "{}")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ("pip", "install"), {}
    return (("uv", "pip", "install") if (installer or "").strip() == "uv" else ("pip", "install")), origin
