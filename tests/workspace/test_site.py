"""The site of the documents: lists are lists, and at 400 and 1300 px no text is cut and no picture missing."""

import asyncio
import contextlib
import functools
import http.server
import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from gmai_cli.main import build_app

LOOK = """(async () => {
  const found = [], frame = document.createElement("iframe");
  frame.style = "border: 0; height: 900px; width: WIDTHpx";
  document.body.replaceChildren(frame);
  for (const path of PATHS) {
    await new Promise(then => { frame.onload = then; frame.src = path; });
    const page = frame.contentDocument;
    for (let i = 0; i < 30 && !page.querySelector(".md-typeset__scrollwrap") && page.querySelector("td"); i++)
      await new Promise(then => setTimeout(then, 100));
    const name = element => `${path}: ${element.tagName} ${element.textContent.trim().slice(0, 60)}`;
    if (page.documentElement.scrollWidth > page.documentElement.clientWidth) found.push(path + ": the page is wide");
    for (const image of page.images)
      if (!image.complete || !image.naturalWidth) found.push(path + ": no picture " + image.currentSrc);
    for (const element of page.querySelector(".md-content").querySelectorAll("*"))
      if (getComputedStyle(element).overflowX != "visible" && element.clientWidth
          && element.scrollWidth > element.clientWidth + 1) found.push(name(element));
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of the site, and the paths of its pages below it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert built.returncode == 0, built.stderr[-2000:]
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.html"))]

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.closing(server.socket):
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()


@pytest.mark.browser
@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("width", [400, 1300])
def test_no_page_is_cut(site: tuple[str, list[str]], browser: Any, tmp_path: Path, width: int) -> None:
    address, paths = site
    assert len(paths) > 40
    script = LOOK.replace("WIDTH", str(width)).replace("PATHS", str([f"/{path}" for path in paths]))
    found, _ = asyncio.run(browser.visit(f"{address}/404.html", tmp_path, script=script, width=width))
    assert found == []


def lists(html: str) -> list[str]:
    """Return the tags of a page's lists, in their order."""
    return re.findall(r"</?(?:ol|ul|li)\b", html)


def test_a_list_of_the_site_is_the_list_of_the_repository(root: Path) -> None:
    """MkDocs asks for four blanks before what lies within an item, GitHub for two or three."""
    markdown, markdown_it = pytest.importorskip("markdown"), pytest.importorskip("markdown_it")
    extensions = ["tables", "admonition", "toc", "pymdownx.highlight", "pymdownx.superfences"]
    for page in (root / "docs").rglob("*.md"):
        text = page.read_text("utf-8")
        of_github = markdown_it.MarkdownIt("commonmark").enable("table").render(text)
        assert lists(markdown.markdown(text, extensions=extensions)) == lists(of_github), page.relative_to(root)


def test_ci_builds_the_site_so_that_a_warning_fails(root: Path) -> None:
    """With `--quiet` MkDocs drops warnings before `--strict` counts them."""
    lines = [line for name in (".ci/run", "Makefile") for line in (root / name).read_text("utf-8").splitlines()]
    builds = [line for line in lines if "mkdocs build" in line]
    assert len(builds) > 1
    assert all("--strict" in line and not re.search(r" (--quiet|-q)\b", line) for line in builds)


@pytest.fixture(scope="module")
def narrow(root: Path) -> dict[str, Any]:
    return runpy.run_path(str(root / "docs" / "hooks" / "narrow.py"))


@pytest.fixture(scope="module")
def shown(narrow: dict[str, Any]) -> Callable[[str], str]:
    return lambda html: narrow["on_page_content"](html, None, None, None)


def table(*rows: str) -> str:
    cells = [[f"<td>{cell}</td>" for cell in row.split("|")] for row in rows]
    return "<table>" + "".join(f"<tr>{''.join(row)}</tr>" for row in cells).replace("td>", "th>", 0) + "</table>"


@pytest.mark.parametrize(
    ("rows", "stacked"),
    [
        (["what|n", "a sentence that goes on for long|1"], False),
        (["what|why", "a sentence that goes on for long|another one that does so"], False),
        (["what|n|m|k", "a sentence that goes on for long|1|2|3"], False),
        (["what|why|then", "a sentence that goes on|another one that does|and a third one there"], True),
        (["circumstances|multiplication|interpretations|considerations", "1|2|3|4"], True),
    ],
)
def test_a_table_of_texts_is_stacked(shown: Callable[[str], str], rows: list[str], stacked: bool) -> None:
    html = shown(table(*rows))
    assert ('<div class="stacked">' in html) == stacked
    assert ('data-title="what"' in html) == (stacked and rows[0].startswith("what"))


def test_an_option_stays_whole_and_a_name_breaks_at_its_joints(shown: Callable[[str], str]) -> None:
    assert '<span class="whole">--dry-run</span>' in shown("<p><code>gmai train --dry-run</code></p>")
    assert "writing.<wbr>judge_<wbr>share" in shown("<p><code>writing.judge_share</code></p>")
    assert "0.3" in shown("<p><code>--chinese-share 0.3</code></p>")
    assert "wbr" not in shown("<pre><code>writing.judge_share</code></pre>"), "what is copied stays as it is"
    assert shown("<p>well-known --x</p>") == "<p>well-known --x</p>"


def test_a_gap_before_a_comment_can_shrink_and_what_a_line_begins_with_cannot(shown: Callable[[str], str]) -> None:
    html = shown("<pre><code>    a: 1      # one\n<span>b</span>     <span># two</span></code></pre>")
    assert '    a: 1<span class="gap">      </span># one\n' in html
    assert '<span>b</span><span class="gap">     </span><span># two</span>' in html


def test_the_page_of_commands_has_every_option(root: Path) -> None:
    page = "\n".join(runpy.run_path(str(root / "docs" / "hooks" / "reference.py"))["command_line"]())

    def check(command: Any, path: str) -> None:
        section = page.split(f"\n## {path}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            if not getattr(parameter, "hidden", False):
                assert parameter.opts[0] in section, f"{path} {parameter.opts[0]}"
        for name, child in getattr(command, "commands", {}).items():
            if not child.hidden:
                check(child, f"{path} {name}")

    for name in ("init", "demo", "doctor", "data", "model", "train", "bench", "slurm"):
        command: Any = typer.main.get_command(build_app(name))
        check(command.commands[name], f"gmai {name}")
    assert "\b" not in page
