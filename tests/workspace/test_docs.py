"""What the pages promise is there: links, commands, options, and the README's commands in CI."""

import ast
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from gmai_cli.main import build_app

LINK = re.compile(r"\[[^\]]+\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(gmai [^`]+)`")


def pages(root: Path) -> list[Path]:
    return [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("packages/*/README.md")]


def test_links_lead_somewhere(root: Path) -> None:
    menu = re.findall(r"[\w/-]+\.md$", (root / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    in_menu = {root / "docs" / name for name in menu}  # some are written from the code at every build of the site
    for page in pages(root):
        for target in LINK.findall(page.read_text("utf-8")):
            place = (page.parent / target).resolve()
            assert place.exists() or place in in_menu, f"{page.relative_to(root)} links to {target}"


def test_the_index_lists_every_page(root: Path) -> None:
    docs = root / "docs"
    listed = {(docs / target).resolve() for target in LINK.findall((docs / "index.md").read_text("utf-8"))}
    assert {page.resolve() for page in docs.rglob("*.md")} - {docs.resolve() / "index.md"} <= listed


def gmai_lines(text: str) -> list[str]:
    """Return the gmai commands of a page: lines of its code blocks and code spans of its sentences."""
    in_blocks = [line for block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    commands = [part.strip() for line in in_blocks for part in re.split(r"&&|;\s", line)]
    return [c for c in commands if c.startswith("gmai ")] + INLINE.findall(FENCE.sub("", text))


def check_command(line: str) -> None:
    """Fail unless every sub-command and option of the line exists."""
    words = shlex.split(line.replace("'", " ").replace('"', " "), comments=True)[1:]
    command: Any = typer.main.get_command(build_app(words[0]))
    options: set[str] = {"--help"}
    for position, word in enumerate(words):
        if word.startswith("-"):
            options.update(name for parameter in command.params for name in parameter.opts + parameter.secondary_opts)
            # The option may stand before a sub-command's own ones; all of the path's count.
            assert word.partition("=")[0] in options, f"`{line}`: no option {word}"
        elif hasattr(command, "commands") and command.commands:
            options.update(name for parameter in command.params for name in parameter.opts)
            names = word.split("|")
            known = [name for name in names if name in command.commands]
            if not known and any(parameter.opts[0] == words[position - 1] for parameter in command.params):
                continue  # the value of an option of a group
            if word in {"…", "COMMAND"} or known != names:
                assert word in {"…", "COMMAND"} or command.params[1:], f"`{line}`: no command {word}"
                continue
            command = command.commands[names[0]]


def test_commands_of_the_pages_exist(root: Path) -> None:
    found = 0
    for page in pages(root):
        for line in gmai_lines(page.read_text("utf-8")):
            found += 1
            check_command(line.split(" > ")[0])
    assert found > 30


@pytest.mark.parametrize("line", ["gmai data biuld x", "gmai data build x --uot y", "gmai trian --stage 1"])
def test_the_check_would_notice(line: str) -> None:
    with pytest.raises(AssertionError):
        check_command(line)


def test_ci_runs_the_readme_as_it_stands(root: Path) -> None:
    script = runpy.run_path(str(root / ".ci" / "readme_commands.py"))
    blocks = script["named_blocks"]((root / "README.md").read_text("utf-8"))
    assert set(blocks) == {"demo", "tests"}
    ci = (root / ".ci" / "run").read_text("utf-8")
    for name, commands in blocks.items():
        assert "\n" not in commands, f"{name}: one line does it"
        assert f"readme {name}" in ci
        assert commands not in ci, "CI runs the README's own text, never a copy"


def test_ci_runs_every_page_and_a_block_says_whether_it_is_run(root: Path) -> None:
    ci = (root / ".ci" / "run").read_text("utf-8")
    assert "pages docs docs/getting-started.md docs/*/*.md" in ci
    assert "pages packages packages/*/README.md" in ci
    for page in pages(root):
        for language, block in re.findall(
            r"^ *```(\w*)\n(.*?)^ *```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        ):
            commands = re.search(r"^ *(gmai|srun|sbatch|pip|git|uv) ", block, re.MULTILINE)
            assert not commands or language in ("bash", "sh"), f"{page.relative_to(root)}: mark as bash or sh: {block}"


def test_a_page_gives_its_unnamed_blocks_in_order(root: Path) -> None:
    script = runpy.run_path(str(root / ".ci" / "readme_commands.py"))
    page = "<!-- ci: x -->\n```bash\nfirst\n```\n```bash\nsecond\n```\n\n```sh\nnot run\n```\n```python\nthird()\n```\n"
    assert script["named_blocks"](page) == {"x": "first"}
    assert script["other_blocks"](page) == ["second", "python - <<'PYTHON'\nthird()\nPYTHON"]


def strings_of(root: Path) -> str:
    """Return every text that a module or script of the packages holds, one a line, f-strings in their fixed pieces."""
    found: list[str] = []
    for path in root.glob("packages/*/src/**/*"):
        if path.suffix == ".py":
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            found += [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        elif path.suffix in {".sh", ".sbatch"}:
            found.append(path.read_text("utf-8"))
    return "\n".join(found)


def test_what_troubleshooting_says_one_sees_is_what_the_code_says(root: Path) -> None:
    page = (root / "docs/how-to/troubleshooting.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ") and "you see" not in line]
    texts = strings_of(root)
    phrases = [phrase for row in rows for phrase in re.findall(r"`([^`]+)`", row)]
    assert len(rows) > 30
    assert [phrase for phrase in phrases if phrase not in texts] == []


@pytest.mark.parametrize(
    ("section", "row"),
    [
        ("`gmai data`", "| …: a file, and --out is a folder. | Give another --out. |"),
        ("`gmai bench`", "| …: holds no answer. | Check that it is the file of the model's answers. |"),
        ("`gmai model` and `gmai train`", "…: no column …, which the warm-up learns from. | Give a build. |"),
        ("Reasons in `quarantine.jsonl`", "| two scales | the header has a modality LUT; leave values.scale"),
        ("Files, pictures", '"…" is no URL.'),
    ],
)
def test_the_page_of_messages_has_what_the_code_raises(root: Path, section: str, row: str) -> None:
    script = runpy.run_path(str(root / "docs" / "hooks" / "messages.py"))
    page = "\n".join(script["page"]())
    (found,) = (part for part in page.split("\n## ") if part.startswith(section))
    assert row in found


def test_a_message_is_cut_behind_what_was_found(root: Path) -> None:
    parts = runpy.run_path(str(root / "docs" / "hooks" / "messages.py"))["_parts"]
    assert parts("…. A release is as it was. Publish again.") == ("…. A release is as it was.", "Publish again.")
    assert parts("…: no column, which is read.… Fix one of them.") == (
        "…: no column, which is read.",
        "Fix one of them.",
    )
    assert parts("--n: give COLUMN=N, such as --n a=27.") == ("--n: give COLUMN=N, such as --n a=27.", "")
