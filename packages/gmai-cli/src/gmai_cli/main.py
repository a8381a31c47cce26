"""The `gmai` script: finds the command, runs it, and turns errors into messages and exit codes."""

import os
import re
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from gmai_formats.errors import UserError

from gmai_cli import plugins
from gmai_cli.console import label_lines, open_streams, say
from gmai_cli.exit_codes import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, EXIT_USER_ERROR

HELP = """The open toolkit for training your own GMAI-VL.

`gmai data build` turns medical datasets into instruction samples, `gmai train --stage 1|2|3` trains a LLaVA-style
model on them, `gmai bench` measures it. New here? `gmai demo` runs all of it on a laptop in minutes, `gmai init DATA`
takes your own folder to a first report; `gmai doctor` says what this machine has and what to install.
"""
_TILDE = re.compile(r"(?<![^=,])~(?=/)|(?<![^,])~(?=,|$)")
"""Where a path begins with the home folder. `--set benchmark=~` is YAML's way to write none."""


def build_app(selected: str | None) -> typer.Typer:
    """Return the whole command line; only the selected plug-in is imported."""
    app = typer.Typer(
        name="gmai", help=HELP, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
    )

    @app.callback(help=HELP)
    def root(
        version: Annotated[
            bool,
            typer.Option(
                "--version",
                is_eager=True,  # else `--version` alone asks for a command
                callback=_print_versions,
                help="Print the versions of the gmai packages.",
            ),
        ] = False,
    ) -> None:
        del version

    for plugin in plugins.discover().values():
        plugins.attach(app, plugin, selected=plugin.name == selected)

    @app.command(short_help="Show what is installed, what this machine has, and what to install for each task.")
    def doctor(
        train: Annotated[
            bool, typer.Option("--train", help="Check whether this machine can train, as a run does.")
        ] = False,
        slurm: Annotated[bool, typer.Option("--slurm", help="Check this cluster, too, with a small job.")] = False,
        partition: Annotated[str | None, typer.Option(help="With --slurm: where the job runs.")] = None,
        account: Annotated[str | None, typer.Option(help="With --slurm: what the job is charged to.")] = None,
        shared: Annotated[Path, typer.Option(help="With --slurm: a folder that your jobs use.")] = Path(),
        nodes: Annotated[int, typer.Option(min=1, help="With --slurm: nodes of the job.")] = 2,
        wait_s: Annotated[float, typer.Option(help="With --slurm: seconds to wait for the job.")] = 300.0,
    ) -> None:
        """Show what is installed, which devices and launchers this machine has, and what to install for each task.

        With --slurm a one-minute job does what training does on the nodes, and every finding comes with its remedy;
        --train looks at this machine as a training run does before it starts.
        """
        if train:
            from gmai_cli.plugins import load_doctor

            raise typer.Exit(EXIT_OK if load_doctor("train")() else EXIT_USER_ERROR)
        if slurm:
            from gmai_cli.slurm.checks import run as check

            raise typer.Exit(
                EXIT_OK
                if check(partition=partition, account=account, shared=shared, nodes=nodes, wait_s=wait_s)
                else EXIT_USER_ERROR
            )
        from gmai_cli.doctor import run

        run()

    from gmai_cli.slurm.cli import app as slurm_app

    app.add_typer(slurm_app, name="slurm")

    from gmai_cli.demo.run import demo
    from gmai_cli.guided import init

    app.command()(demo)
    app.command()(init)
    return app


def _print_versions(asked: bool) -> None:
    if not asked:
        return
    from gmai_formats.files import installed_versions

    for name, number in installed_versions().items():
        if name.startswith("gmai-"):
            print(name, number)
    raise typer.Exit


def _selected(argv: list[str]) -> str | None:
    words = os.environ.get("COMP_WORDS", "").split()[1:] or argv  # shell completion passes the line in COMP_WORDS
    return next((word for word in words if not word.startswith("-")), None)


def with_home(word: str) -> str:
    """Return a word of the command line with the home folder for a `~` that begins a path in it.

    A shell does that at the start of a word alone, so that `--out=~/runs` would make a folder called `~`, and
    `phantom-ct=~/data` or `a.yaml,~/b.yaml` would not be found.
    """
    home = os.path.expanduser("~")  # noqa: PTH111 (which raises where nobody has a home)
    return _TILDE.sub(lambda _: home, word)


def main() -> None:
    """Run the command line of this process and exit with its code."""
    open_streams()
    label_lines()
    sys.argv[1:] = map(with_home, sys.argv[1:])
    try:
        app = build_app(_selected(sys.argv[1:]))
        typer.main.get_command(app).main(args=sys.argv[1:], prog_name="gmai")
    except UserError as error:
        say(f"gmai: {error}")
        sys.exit(EXIT_USER_ERROR)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED and _is_of_an_interrupt(end):  # typer makes an exit of Ctrl-C
            _interrupted()
        try:
            sys.stdout.flush()  # the interpreter ends with 120 where it cannot do so later
        except BrokenPipeError:  # `| head` has read enough
            _drop_output()
        except OSError as error:
            _failed(error)
        raise
    except Exception as error:
        _failed(error)


def _failed(error: Exception) -> NoReturn:
    """Say what went wrong, and exit with the code of it."""
    from gmai_cli.system_errors import explain

    line = explain(error)
    if line is None:
        traceback.print_exc()
    say(f"gmai: {line or 'this is a bug. Please report it with the lines above and `gmai doctor`.'}")
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
    sys.exit(EXIT_USER_ERROR if line else EXIT_BUG)


def _drop_output() -> None:
    """Leave what standard output did not take: the interpreter would try again at its end."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123


def _is_of_an_interrupt(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _interrupted() -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C does not wait for what closes
    say("gmai: interrupted. What is finished stays; run the same command to resume.")
    sys.exit(EXIT_INTERRUPTED)
