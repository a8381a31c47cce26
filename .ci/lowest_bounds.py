"""Exit with an error when a package names an older version than the one `.ci/lowest` installed: a bound nobody tried.

That happens when another requirement asks for more, as transformers does of tokenizers. Extras count, so a new one must
be installed there.
"""

import sys
from importlib.metadata import requires, version

from packaging.requirements import Requirement
from packaging.version import Version

untried: list[str] = []
for package in ("gmai-cli", "gmai-data", "gmai-model", "gmai-bench"):
    for need in map(Requirement, requires(package) or []):
        if need.name.startswith("gmai-"):
            continue
        (bound,) = need.specifier
        named, installed = Version(bound.version).release, Version(version(need.name))
        if installed.release[: len(named)] != named:
            untried.append(f"{package}: {need}, but the oldest that can be installed is {installed}")
sys.exit("\n".join(untried) or 0)
