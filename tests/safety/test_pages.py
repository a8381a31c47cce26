"""Labels, file names and answers that would be markup, formulas or terminal codes where they are shown."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SCRIPT = "<script>document.title='PWNED'</script><img src=x onerror=alert(1)>"
FORMULA = "=HYPERLINK(1)"


class Elements(HTMLParser):
    """The elements and handlers that a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.images: list[str] = []
        self.handlers: list[str] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self._in_script = tag == "script"
        if tag == "img":
            self.images.append(dict(attrs).get("src") or "")

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False


def assert_harmless(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    seen = Elements(text)
    assert seen.handlers == [], path
    assert "x" not in seen.images, path
    assert not any(script.lstrip().startswith("document.title='PWNED'") for script in seen.scripts), path


def test_markup_in_a_card_is_text_on_every_page(
    gmai: Any, card: Callable[..., Path], source: Path, tmp_path: Path
) -> None:
    assert "a name must not hold ; < > [ ]" in gmai("data", "recipes", "check", card(label=SCRIPT)).stderr
    hostile = card(label="PWNED & co")
    hostile.write_text(hostile.read_text("utf-8").replace("A source of this test", f'"{SCRIPT}"'), encoding="utf-8")
    (source / "a/<img src=x onerror=alert(1)>.png").write_bytes(b"no picture")
    done = gmai("data", "build", hostile, "--root", source, "--out", tmp_path / "out")
    assert done.returncode == 3, done.stderr
    assert gmai("data", "view", tmp_path / "out").returncode == 0
    assert_harmless(tmp_path / "out/gallery.html")
    assert "PWNED" in (tmp_path / "out/gallery.html").read_text(encoding="utf-8"), "shown, as text"
    release = gmai("data", "publish", tmp_path / "out", tmp_path / "release")
    assert release.returncode == 0, release.stderr
    assert "<script>" not in (tmp_path / "release/README.md").read_text(encoding="utf-8")


def test_an_answer_is_text_in_report_and_terminal(gmai: Any, source: Path, tmp_path: Path) -> None:
    rows = [
        {"id": f"q{number}", "images": [{"bytes": file.read_bytes(), "path": None}], "question": f"What? {SCRIPT}",
         "choices": ["CT", SCRIPT], "reference": "CT"}
        for number, file in enumerate(sorted(source.rglob("*.png"))[:4])
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "own.parquet")
    (tmp_path / "own.yaml").write_text(
        "name: own\ntitle: Own\nprotocol: own/text\nquestions: own.parquet\ncolumns: {choices: choices}\n"
    )
    answers = [SCRIPT, FORMULA, "\x1b[31mred\x1b]0;PWNED\x07", "</script><script>PWNED</script>"]
    lines = [json.dumps({"id": f"q{number}", "response": text}) for number, text in enumerate(answers)]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ("--benchmark", tmp_path / "own.yaml", "--out", tmp_path / "scores")
    done = gmai("bench", "score", tmp_path / "answers.jsonl", *words)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert_harmless(tmp_path / "scores/report.html")  # tests/gmai_bench/report opens such a page in a browser
