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
    yield from ("# Commands", "", "Written from the commands themselves: what `--help` prints.", "")
    for name in ("data", "model", "train", "bench", "slurm", "doctor", "demo", "init"):
        command: Any = typer.main.get_command(build_app(name)).commands[name]
        yield from _commands(command, f"gmai {name}")


def _commands(command: Any, path: str) -> Iterator[str]:
    if command.hidden or command.deprecated:
        return
    context = typer.Context(command, info_name=path, max_content_width=100, terminal_width=100)
    yield from (f"## {path}", "", "```text", command.get_help(context), "```", "")
    for name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _commands(child, f"{path} {name}")


def benchmark_files() -> Iterator[str]:
    """Yield the page of a benchmark of one's own."""
    yield from ("# A benchmark of your own", "", "Written from the model and its docstrings; give the file to", "")
    yield from ("`gmai bench --benchmarks FILE.yaml`.", "")
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
