"""Metrics that a kept package computes: which one, and how it is installed where it is missing."""

import importlib
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install


def package(module: str, *, scoring: str, command: str) -> Any:
    """Return a module of the package that computes a metric.

    Args:
        module: What is imported.
        scoring: Name of the scorer that needs it.
        command: What installs it.

    Raises:
        UserError: It is not installed, or does not load.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f'scoring "{scoring}" needs the package that brings {module} ({error}). Install it with `{command}`, '
            f"then run the same command again; answers that are there are kept."
        ) from error


def texts() -> str:
    """Return the command that installs the packages of the text metrics."""
    return pip_install("gmai-bench[texts]")
