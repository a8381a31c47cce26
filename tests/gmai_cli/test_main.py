import shlex
import signal
import subprocess
import sys

import pytest
from gmai_cli.main import with_home

from .conftest import PROGRAM, Gmai, Site

TRIP = """
import time, typer
from gmai_cli.exit_codes import EXIT_PARTIAL
from gmai_formats.errors import UserError
app = typer.Typer()
@app.command()
def mistake():
    raise UserError("card.yaml: no such label. Labels stand in the card. Add it.")
@app.command()
def bug():
    raise ZeroDivisionError("nobody expected this")
@app.command()
def full():
    raise OSError(28, "No space left on device", "/data/out")
@app.command()
def same():
    raise typer.Exit(130)
@app.command()
def stubborn():
    try:
        print("ready", flush=True)
        time.sleep(3600)
    finally:
        print("closing", flush=True)
        time.sleep(3600)
@app.command()
def foreign():
    print("骨 é \\udcff")
    print("骨", file=__import__("sys").stderr)
@app.command()
def partial():
    raise typer.Exit(EXIT_PARTIAL)
@app.command()
def wait():
    print("ready", flush=True)
    time.sleep(3600)
"""


@pytest.fixture
def trip(site: Site) -> None:
    """A plug-in whose commands go wrong in every way."""
    site.add("trip", {"trip": "trip_cli:app"}, trip_cli=TRIP)


@pytest.mark.usefixtures("trip")
def test_a_users_mistake_is_one_message_and_code_2(gmai: Gmai) -> None:
    result = gmai("trip", "mistake")
    assert result.returncode == 2
    assert result.stderr == "gmai: card.yaml: no such label. Labels stand in the card. Add it.\n"
    assert result.stdout == ""


@pytest.mark.usefixtures("trip")
def test_a_bug_shows_its_traceback_and_asks_for_a_report(gmai: Gmai) -> None:
    result = gmai("trip", "bug")
    assert result.returncode == 1
    assert "ZeroDivisionError: nobody expected this" in result.stderr
    assert result.stderr.splitlines()[-1] == (
        "gmai: this is a bug. Please report it with the lines above and `gmai doctor`."
    )


@pytest.mark.usefixtures("trip")
def test_a_command_may_end_with_a_code_of_its_own(gmai: Gmai) -> None:
    assert gmai("trip", "partial").returncode == 3


@pytest.mark.usefixtures("trip")
def test_an_error_of_the_system_is_one_line_and_code_2(gmai: Gmai) -> None:
    result = gmai("trip", "full")
    assert result.returncode == 2
    assert result.stderr.startswith("gmai: /data/out: no space is left on the device")
    assert result.stderr.count("\n") == 1


def started(site: Site, command: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "trip", command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=site.environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in what a shell starts with `&`
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    return process


@pytest.mark.usefixtures("trip")
def test_ctrl_c_says_so_in_one_line_and_ends_with_130(site: Site) -> None:
    process = started(site, "wait")
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130
    assert errors == "gmai: interrupted. What is finished stays; run the same command to resume.\n"


@pytest.mark.usefixtures("trip")
def test_a_second_ctrl_c_ends_what_closes(site: Site) -> None:
    process = started(site, "stubborn")
    assert process.stdout is not None
    assert process.stdout.readline() == "closing\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "Traceback" not in errors


@pytest.mark.usefixtures("trip")
def test_a_code_130_of_a_command_is_no_interrupt(gmai: Gmai) -> None:
    result = gmai("trip", "same")
    assert (result.returncode, result.stderr) == (130, "")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("~/data", "/home/lee/data"),
        ("--out=~/runs", "/home/lee/runs"),
        ("phantom-ct=~/data", "/home/lee/data"),
        ("--set=data=~/mix.yaml", "/home/lee/mix.yaml"),
        ("a.yaml,~/b.yaml,~", "/home/lee/b.yaml,/home/lee"),
        ("./~/data", None),
        ("benchmark=~", None),
        ("--set=benchmark=~", None),
        ("https://host/~/v1", None),
        ("a~/b", None),
        ("~5 cm", None),
        ("~lee/data", None),
    ],
)
def test_a_path_may_begin_with_the_home_folder(word: str, meant: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/lee")
    assert with_home(word) == word if meant is None else with_home(word).endswith(meant)
    assert with_home(word).count("~") == (0 if meant else word.count("~"))


def test_version_alone_lists_the_packages(gmai: Gmai) -> None:
    result = gmai("--version")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "gmai-cli", "gmai-data", "gmai-model", "gmai-bench",
    ]  # fmt: skip


def test_help_lists_every_command(gmai: Gmai) -> None:
    result = gmai("--help")
    assert result.returncode == 0
    for command in ("data", "model", "train", "bench", "doctor", "demo"):
        assert f"\n  {command} " in result.stdout


def test_no_arguments_show_the_help(gmai: Gmai) -> None:
    result = gmai()
    assert result.returncode == 2
    assert "Usage: gmai" in result.stdout + result.stderr


@pytest.mark.parametrize("words", [("nope",), ("doctor", "--nope"), ("doctor", "nope")])
def test_a_wrong_command_line_is_code_2_with_its_usage(gmai: Gmai, words: tuple[str, ...]) -> None:
    result = gmai(*words)
    assert result.returncode == 2
    assert "Usage: gmai" in result.stderr
    assert "nope" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_closed_pipe_is_no_bug(site: Site) -> None:
    """`gmai … | head` must not end in a traceback."""
    command = f'"{sys.executable}" -c "{PROGRAM}" --help | head -n 1'
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=site.environment())  # noqa: S602
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "骨 é \\udcff"), ("ascii", "\\u9aa8 \\xe9 \\udcff"),
                                                 ("latin-1", "\\u9aa8 é \\udcff")])  # fmt: skip
def test_a_terminal_of_another_encoding_shows_escapes(site: Site, encoding: str, shown: str) -> None:
    site.add("trip", {"trip": "trip:app"}, trip=TRIP)
    done = subprocess.run([sys.executable, "-c", PROGRAM, "trip", "foreign"], capture_output=True,
                          env=site.environment(PYTHONIOENCODING=encoding))  # fmt: skip
    assert (done.returncode, done.stdout.decode(encoding)) == (0, f"{shown}\n"), done.stderr


@pytest.mark.parametrize(
    ("closed", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), (">&- <&-", 0), (">/dev/full", 2)]
)
def test_streams_that_the_shell_closed_are_no_bug(site: Site, closed: str, code: int) -> None:
    site.add("trip", {"trip": "trip:app"}, trip=TRIP)
    for words in ("trip foreign", "--help", "--version"):
        line = f'{shlex.quote(sys.executable)} -c "{PROGRAM}" {words} {closed}'
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=site.environment())
        assert done.returncode == code, (words, done.stderr)
        assert "Traceback" not in done.stderr
        if code:
            assert done.stderr.splitlines()[-1].startswith("gmai: standard output: no space is left on the device")
