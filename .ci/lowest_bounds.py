"""Exit with an error when a package names an older version than the one `.ci/lowest` installed: a bound nobody tried.

That happens when another requirement asks for more, as transformers does of tokenizers.
"""

import sys
from importlib.metadata import requires, version

from packaging.requirements import Requirement
from packaging.version import Version

EXTRAS = ["", "convert", "hub", "local", "lora", "ocr", "ray", "tensorboard", "wandb", "web"]  # as .ci/lowest does

untried: list[str] = []
for package in ("gmai-cli", "gmai-data", "gmai-model", "gmai-bench"):
    for need in map(Requirement, requires(package) or []):
        marker = need.marker
        if need.name.startswith("gmai-") or (marker and not any(marker.evaluate({"extra": each}) for each in EXTRAS)):
            continue
        (bound,) = need.specifier
        named, installed = Version(bound.version).release, Version(version(need.name))
        if installed.release[: len(named)] != named:
            untried.append(f"{package}: {need}, but the oldest that can be installed is {installed}")
sys.exit("\n".join(untried) or 0)
