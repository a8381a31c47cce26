"""The YAML files that ship with the package: trusted, and read by libyaml, ten times as fast as in Python."""

from importlib import resources
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Wheels of PyYAML bring libyaml; one that was built without it reads the same in Python."""


def bundled_yaml(package: str, *names: str) -> Any:
    """Return the values of a YAML file of a package; what users write goes through `gmai_formats.safe_yaml`.

    Args:
        package: Such as `gmai_data.checks`.
        names: The folders below it, and the file.
    """
    return trusted_yaml(resources.files(package).joinpath(*names).read_text(encoding="utf-8"))


def trusted_yaml(text: str) -> Any:
    """Return the values of text that ships with the package."""
    return yaml.load(text, _LOADER)  # noqa: S506 - a safe loader
