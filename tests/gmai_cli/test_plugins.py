import importlib.metadata
import re

import pytest
from gmai_cli import plugins
from gmai_formats.errors import UserError

from .conftest import Gmai, Site

GREET = """
import typer
app = typer.Typer()
@app.command()
def greet(name: str):
    "Greet someone."
    print("hello", name)
"""
PAIR = """
import typer
app = typer.Typer(no_args_is_help=True)
@app.command()
def one():
    print("one")
@app.command()
def two():
    print("two")
"""


def test_a_plugin_with_one_command_is_that_command(site: Site, gmai: Gmai) -> None:
    site.add("greeter", {"greet": "greeter_cli:app"}, greeter_cli=GREET)
    result = gmai("greet", "Ann")
    assert (result.returncode, result.stdout) == (0, "hello Ann\n")


def test_a_plugin_with_several_commands_is_a_group(site: Site, gmai: Gmai) -> None:
    site.add("pair", {"pair": "pair_cli:app"}, pair_cli=PAIR)
    assert gmai("pair", "two").stdout == "two\n"


def test_help_lists_a_foreign_plugin_without_importing_it(site: Site, gmai: Gmai) -> None:
    site.add("loud", {"loud": "loud_cli:app"}, loud_cli="raise SystemExit('imported')")
    result = gmai("--help")
    assert result.returncode == 0
    assert "Provided by loud." in result.stdout
    assert "imported" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("def broken(:", "SyntaxError"),
        ("raise RuntimeError('the licence server is away')", "RuntimeError: the licence server is away"),
        ("other = 1", "AttributeError"),
    ],
)
def test_a_broken_plugin_explains_itself_and_breaks_nothing_else(
    site: Site, gmai: Gmai, source: str, reason: str
) -> None:
    site.add("cracked", {"cracked": "cracked_cli:app"}, cracked_cli=source)
    site.add("greeter", {"greet": "greeter_cli:app"}, greeter_cli=GREET)
    result = gmai("cracked", "x")
    assert result.returncode == 2
    assert result.stderr.startswith("gmai: `gmai cracked` is installed (cracked) but does not load: ")
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert gmai("--help").returncode == 0
    assert gmai("greet", "Ann").stdout == "hello Ann\n"


def test_an_entry_point_must_be_a_typer_app(site: Site, gmai: Gmai) -> None:
    site.add("odd", {"odd": "odd_cli:app"}, odd_cli="app = 3")
    result = gmai("odd")
    assert result.returncode == 2
    assert "the entry point odd_cli:app of odd is a int" in result.stderr


def test_an_absent_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: ())
    found = plugins.discover()
    assert set(found) == {"data", "model", "train", "bench"}
    for name, package in (("data", "gmai-data"), ("train", "gmai-model"), ("bench", "gmai-bench")):
        with pytest.raises(UserError, match=f"pip install .*{package}"):
            found[name].load()


def test_help_says_which_packages_are_absent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer
    from gmai_cli.main import build_app

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: ())
    with pytest.raises(SystemExit):
        typer.main.get_command(build_app(None)).main(args=["--help"], prog_name="gmai")
    assert re.search(r"not installed: (uv )?pip install \S*gmai-data", " ".join(capsys.readouterr().out.split()))


def test_the_commands_of_this_workspace_load() -> None:
    for plugin in plugins.discover().values():
        assert plugin.load() is not None
