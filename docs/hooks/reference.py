"""MkDocs hook: pages written from the code at every build, and links that lead out of docs/."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from gmai_bench.benchmarks.declared import Declaration
from gmai_bench.benchmarks.registry import PAPER, REGISTRY
from gmai_cli.main import build_app
from gmai_data import tables
from gmai_data.sources.cards.reference import _table as model_table
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#|mailto:)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the written pages."""
    for path, write in PAGES.items():
        files.append(File.generated(config, path, content="\n".join(write()).rstrip() + "\n"))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Show a link out of docs/ (to the examples, say) as the path in the repository; it must exist."""
    folder = Path(config.docs_dir, page.file.src_uri).parent
    markdown = markdown.replace("<!-- registry -->", "\n".join(benchmarks()))

    def keep(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(config.docs_dir):
            return link[0]
        if not target.exists():
            raise ValueError(f"{page.file.src_uri} links to {link[2]}, which does not exist")
        name = target.relative_to(ROOT).as_posix()
        return f"{link[1]}" if name in link[1] else f"{link[1]} (`{name}`)"

    return LINK.sub(keep, markdown)


def command_line() -> Iterator[str]:
    """Yield the page of every command."""
    yield from ("# Commands", "", "Written from the commands themselves: what `--help` says of each.", "")
    for name in ("init", "demo", "doctor", "data", "model", "train", "bench", "slurm"):
        command: Any = typer.main.get_command(build_app(name)).commands[name]
        yield from _commands(command, f"gmai {name}")


def _commands(command: Any, path: str) -> Iterator[str]:
    if command.hidden or command.deprecated:
        return
    context = typer.Context(command, info_name=path)
    children = {name: child for name, child in sorted(getattr(command, "commands", {}).items()) if not child.hidden}
    yield from (f"## {path}", "", "```text", " ".join((path, *command.collect_usage_pieces(context))), "```", "")
    yield from _help(command.help or "")
    shown = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if shown:
        yield from ("| option | meaning |", "|---|---|")
        yield from (f"| `{names.replace('|', BAR)}` | {_cell(meaning)} |" for names, meaning in shown)
        yield ""
    if children:
        yield from ("| command | what it does |", "|---|---|")
        for name, child in children.items():
            anchor = f"{path} {name}".replace(" ", "-")
            yield f"| [`{name}`](#{anchor}) | {_cell((child.help or '').partition(chr(10) * 2)[0])} |"
        yield ""
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")


BAR = r"\|"
OWN_LINES = "\b"
"""Stands alone in the first line of a paragraph whose lines stay as they are."""


def _help(text: str) -> Iterator[str]:
    """Yield the text of a command as Markdown: commands as blocks, all else as paragraphs."""
    for paragraph in re.split(r"\n{2,}", text):
        lines = [line.strip() for line in paragraph.split("\n") if line.strip() not in ("", OWN_LINES)]
        if paragraph.startswith((OWN_LINES, " ")) and all(line.startswith(("gmai ", "export ")) for line in lines):
            yield from ("```sh", *lines, "```", "")
        elif paragraph.startswith(OWN_LINES):
            yield from ("```text", *lines, "```", "")
        else:
            yield from (_prose(" ".join(lines)), "")


def _cell(text: str) -> str:
    return _prose(" ".join(text.replace(OWN_LINES, "").split())).replace("|", BAR)


def _prose(text: str) -> str:
    """Return text outside of backticks with what Markdown would read as its own escaped."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([<*\[\]_])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def benchmark_files() -> Iterator[str]:
    """Yield the page of a benchmark of one's own."""
    yield from ("# A benchmark of your own", "", "A YAML file describes your questions, and")
    yield from ("`gmai bench --benchmarks FILE.yaml` asks them. Every field is below, written from the code;",)
    yield from ("[formats](formats.md#benchmark-yaml-rows) has a whole file as an example.", "")
    yield from model_table(Declaration, "## Fields of the file")


def schemas() -> Iterator[str]:
    """Yield the page of Parquet schemas."""
    yield from (
        "# Parquet schemas",
        "",
        "Written from the schemas of `gmai data build`; [formats](formats.md) says what",
    )
    yield from ("the columns mean.", "")
    for title, schema in {
        "Samples": tables.SAMPLES,
        "Annotations": tables.ANNOTATIONS,
        "Questions": tables.QUESTIONS,
    }.items():
        yield from (f"## {title}", "", "| column | type |", "|---|---|")
        yield from (f"| `{field.name}` | `{field.type}` |" for field in schema)
        yield ""


def benchmarks() -> Iterator[str]:
    """Yield the table of benchmarks, which stands in the page about their protocols."""
    yield from ("| name | benchmark | protocols, the default first | in the paper |", "|---|---|---|---|")
    for name, entry in REGISTRY.items():
        protocols = ", ".join(f"`{protocol}`" for protocol in entry.protocols)
        yield f"| `{name}` | {entry.title} | {protocols} | {'yes' if name in PAPER else ''} |"


PAGES = {
    "reference/commands.md": command_line,
    "reference/benchmark-files.md": benchmark_files,
    "reference/schemas.md": schemas,
}
