"""MkDocs hook: the page of every message that ends a command and every reason in the quarantine, from the code."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
ENDS = {"UserError", "DamagedError", "UnreachableError"}
QUARANTINED = {"SourceError", "PictureError"}
SECTIONS = {
    "gmai_data": "`gmai data`",
    "gmai_model": "`gmai model` and `gmai train`",
    "gmai_bench": "`gmai bench`",
    "gmai_cli": "`gmai`, `gmai demo`, `gmai init` and `gmai slurm`",
    "gmai_formats": "Files, pictures, endpoints and GPUs, in every command",
}
VARIES = "…"
_END = re.compile(r"(?<=[.!?])…?\s+(?=\S)")
"""The end of a sentence; advice that is there in some cases only may stand behind it."""
_FEWEST_LETTERS = 8
"""A message with fewer letters of its own only hands on what another one says."""

INTRODUCTION = """\
# Every message

Written from the code. Search this page for words of the message that you see; … stands for what differs from case to
case. [Troubleshooting](../how-to/troubleshooting.md) has the frequent ones by symptom.

A command that ends with a message of the first five sections has exit code 2. An item that is set aside for a reason of
the last section is listed in `quarantine.jsonl`; the rest is built, and the exit code is 3.
"""


def on_files(files: Any, config: Any) -> Any:
    """Add the page."""
    files.append(File.generated(config, "reference/messages.md", content="\n".join(page()) + "\n"))
    return files


def page() -> Iterator[str]:
    """Yield the page, Markdown line by line."""
    yield from INTRODUCTION.splitlines()
    for package, title in SECTIONS.items():
        yield from _table(
            title, ("you see", "why, and what to do"), {_parts(text) for text, _ in raised(package, ENDS)}
        )
    reasons = {(reason, detail) for package in SECTIONS for reason, detail in raised(package, QUARANTINED)}
    yield from _table("Reasons in `quarantine.jsonl`", ("reason", "detail"), reasons)


def raised(package: str, errors: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the first two arguments of every error of these classes that a package raises, as text."""
    for path in sorted(ROOT.glob(f"packages/*/src/{package}/**/*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in errors or not node.args:
                continue
            text, more = (" ".join(_text(each, constants).split()) for each in (*node.args, ast.Constant(""))[:2])
            if _says(text):
                yield text, more


def _says(text: str) -> bool:
    return sum(letter.isalpha() for letter in text) >= _FEWEST_LETTERS


def _text(node: ast.expr, constants: Mapping[str, ast.expr]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value, constants) for value in values)
        case ast.FormattedValue(value=value):
            return _text(value, constants)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, constants) + _text(right, constants)
        case ast.Name(id=name) if name in constants:
            return _text(constants[name], {})
        case ast.Call(func=ast.Name(id="did_you_mean")):
            return f' Did you mean "{VARIES}"?'
        case ast.Call(func=ast.Name(id="pip_install"), args=[ast.Constant(value=str(what)), *_]):
            return f"pip install {what}"
        case _:
            return VARIES


def _parts(text: str) -> tuple[str, str]:
    """Return what was found, and the sentences after it: the rule and the remedy."""
    end = next((end for end in _END.finditer(text) if _says(text[: end.start()])), None)
    return (text[: end.start()], text[end.end() :]) if end else (text, "")


def _table(title: str, head: tuple[str, str], rows: set[tuple[str, str]]) -> Iterator[str]:
    yield from ("", f"## {title}", "", f"| {head[0]} | {head[1]} |", "|---|---|")
    for row in sorted(rows, key=lambda row: re.sub(r"^\W+", "", row[0]).lower()):
        yield "| " + " | ".join(_cell(text) for text in row) + " |"


def _cell(text: str) -> str:
    """Return text as Markdown shows it: nothing in it is markup but its own code."""
    pieces = text.split("`")
    pieces[::2] = [re.sub(r"([\\*_<>\[\]|&])", r"\\\1", piece) for piece in pieces[::2]]
    pieces[1::2] = [piece.replace("|", r"\|") for piece in pieces[1::2]]
    return "`".join(pieces)
