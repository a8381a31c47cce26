"""Commands of the other packages, found by the entry-point group `gmai.commands` and imported on first use."""

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

import typer
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install

GROUP = "gmai.commands"
DOCTORS = "gmai.doctors"
"""The group of what `gmai doctor` can look at for another package: a function that returns whether all is good."""

KNOWN = {
    "data": ("gmai-data", "Turn raw medical datasets into records and instruction samples."),
    "model": ("gmai-model", "Assemble, check and try a GMAI-VL checkpoint."),
    "train": ("gmai-model", "Train one of the three stages of the paper."),
    "bench": ("gmai-bench", "Ask a model benchmark questions and score the answers."),
}
"""Command ▶ (the package that brings it, its line in `gmai --help`)."""


@dataclass(frozen=True)
class Plugin:
    """One command, installed or not."""

    name: str
    package: str
    summary: str
    entry_point: importlib.metadata.EntryPoint | None

    def load(self) -> typer.Typer:
        """Import the command's module and return its typer app.

        Raises:
            UserError: The package is not installed, does not import, or its entry point is no `typer.Typer`.
        """
        if self.entry_point is None:
            raise UserError(
                f"`gmai {self.name}` comes with the package {self.package}, which is not installed in this "
                f"environment. Install it with `{pip_install(self.package)}` (or everything with "
                f"`{pip_install('gmai-cli[all]')}`)."
            )
        try:
            app = self.entry_point.load()
        except Exception as error:
            raise UserError(
                f"`gmai {self.name}` is installed ({self.package}) but does not load: "
                f"{type(error).__name__}: {error}. The other commands are not affected. "
                f"Reinstall it with `{pip_install(self.package)} --force-reinstall`; `gmai doctor` shows the versions."
            ) from error
        if not isinstance(app, typer.Typer):
            raise UserError(
                f"the entry point {self.entry_point.value} of {self.package} is a {type(app).__name__}. "
                f"An entry point of the group `{GROUP}` must name a `typer.Typer`. Report this to its authors."
            )
        return app


def discover() -> dict[str, Plugin]:
    """Return every command of the group, the known but absent ones too, without importing any of them."""
    plugins = {name: Plugin(name, package, summary, None) for name, (package, summary) in KNOWN.items()}
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        package = entry_point.dist.name if entry_point.dist is not None else "unknown"
        _, summary = KNOWN.get(entry_point.name, ("", f"Provided by {package}."))
        plugins[entry_point.name] = Plugin(entry_point.name, package, summary, entry_point)
    return plugins


def attach(app: typer.Typer, plugin: Plugin, *, selected: bool) -> None:
    """Add a command to the app: the real one when it is the one being run, else a line for `gmai --help`."""
    if not selected:
        summary = plugin.summary
        if plugin.entry_point is None:
            summary += f" (not installed: {pip_install(plugin.package)})"

        # A short help of its own: from `help` alone the list would show the first sentence only.
        app.command(plugin.name, help=summary, short_help=summary)(_stub)
        return
    plugin_app = plugin.load()
    single = plugin_app.registered_callback is None and len(plugin_app.registered_commands) == 1
    if single and (callback := plugin_app.registered_commands[0].callback) is not None:
        app.command(plugin.name, help=plugin_app.registered_commands[0].help)(callback)
    else:
        app.add_typer(plugin_app, name=plugin.name)


def _stub() -> None:
    """Stand in `gmai --help` for a command that is not the one being run."""


def load_doctor(name: str) -> Callable[[], bool]:
    """Import what `gmai doctor --NAME` runs.

    Raises:
        UserError: The package that brings it is not installed.
    """
    found = next(iter(importlib.metadata.entry_points(group=DOCTORS, name=name)), None)
    if found is None:
        package = KNOWN[name][0]
        raise UserError(f"`gmai doctor --{name}` comes with {package}. Install it with `{pip_install(package)}`.")
    return found.load()
