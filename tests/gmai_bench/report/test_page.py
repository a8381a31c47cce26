"""The page holds nothing but text of what models and data sets said."""

import base64
import gzip
import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.report import browse
from gmai_bench.report.page import published_blocks
from gmai_bench.run import Settings, score_file

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<!--<script>",
    "{{ 7*7 }} {% raw %} \u2028 & \" ' \x00",
)


class Elements(HTMLParser):
    """Counts elements as a browser's tokenizer would meet them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


@pytest.fixture
def hostile_report(inputs: SimpleNamespace, tmp_path: Path) -> Path:
    rows = inputs.held_out_rows()
    for row, hostile in zip(rows, HOSTILE, strict=False):
        row["question"] = f"Which? {hostile}"
        row["choices"] = [*row["choices"], hostile]
        row["department"] = hostile
    path = inputs.write_held_out(tmp_path / "benchmarks", rows, title=HOSTILE[0])
    answers = {row["id"]: HOSTILE[i % len(HOSTILE)] for i, row in enumerate(rows)}
    file = inputs.write_predictions(tmp_path / "answers.jsonl", answers)
    score_file(file, [DeclaredBenchmark(path)], tmp_path / "out", Settings(), model=HOSTILE[1])
    return tmp_path / "out"


def test_nothing_a_model_said_becomes_an_element(hostile_report: Path) -> None:
    text = (hostile_report / "report.html").read_text(encoding="utf-8")
    elements = Elements()
    elements.feed(text)
    assert [tag for tag, _ in elements.seen].count("script") == 2
    assert "img" not in {tag for tag, _ in elements.seen}
    assert not any(name.startswith("on") for _, attributes in elements.seen for name in attributes)
    without_texts = (
        html.unescape(text).replace(HOSTILE[1], "").replace(HOSTILE[1][:22], "")
    )  # whole, and cut to a label
    assert "onerror=" not in re.sub(r"<script.*?</script>", "", without_texts, flags=re.S)


def unpacked(text: str) -> dict[str, Any]:
    block = re.search(r'<script type="text/plain" id="data">(.*?)</script>', text, re.S)
    assert block is not None
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", block[1])
    return json.loads(gzip.decompress(base64.b64decode(block[1])))


def test_the_questions_arrive_unchanged_in_the_packed_data(hostile_report: Path) -> None:
    rows = unpacked((hostile_report / "report.html").read_text(encoding="utf-8"))["benchmarks"][0]["rows"]
    assert [row[5] for row in rows[:4]] == list(HOSTILE)


def test_the_page_asks_the_network_for_nothing(hostile_report: Path) -> None:
    text = (hostile_report / "report.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    elements = Elements()
    elements.feed(text)
    linked = [value for _, attributes in elements.seen for name, value in attributes.items() if name in ("src", "href")]
    assert all(value is not None and value.startswith("#") for value in linked)
    assert "http://" not in text
    assert "https://" not in text


def test_images_are_small(inputs: SimpleNamespace, tmp_path: Path) -> None:
    rows = inputs.held_out_rows(1)
    for row in rows:
        row["images"] = [{"bytes": inputs.draw(5, (2000, 1500)), "path": "big.png"}]
    file = inputs.write_predictions(tmp_path / "a.jsonl", {row["id"]: "CT" for row in rows})
    score_file(
        file, [DeclaredBenchmark(inputs.write_held_out(tmp_path / "b", rows))], tmp_path / "o", Settings(), model="m"
    )
    assert (tmp_path / "o/report.html").stat().st_size < 60_000


def test_all_questions_are_listed_and_images_beyond_the_limit_are_counted(
    inputs: SimpleNamespace, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "MOST_IMAGES", 4)
    file = inputs.write_predictions(tmp_path / "a.jsonl", {row["id"]: "CT" for row in inputs.held_out_rows()})
    score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "o", Settings(), model="m")
    text = (tmp_path / "o/report.html").read_text(encoding="utf-8")
    assert "All questions are listed; 4 of their 6 images, evenly chosen, are on this page" in text
    data = unpacked(text)
    assert len(data["benchmarks"][0]["rows"]) == 12
    assert [uri is not None for _, uri in data["images"]].count(True) == 4


def test_markdown_cannot_be_broken_by_a_name(hostile_report: Path) -> None:
    text = (hostile_report / "report.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<", text)


needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs headless Chromium: apt-get install -y --no-install-recommends chromium"
)


@pytest.mark.browser
@needs_chromium
def test_a_browser_runs_our_script_and_nothing_a_model_said(
    browser_dom: Callable[..., str], hostile_report: Path, tmp_path: Path
) -> None:
    dom = browser_dom(hostile_report / "report.html", tmp_path / "profile")
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None
    assert title[1].startswith("&lt;img src=x onerror=")
    assert dom.count('class="card question"') == 12
    assert "&lt;/script&gt;&lt;script&gt;document.title='owned'&lt;/script&gt;" in dom
    assert "12 of 12 questions" in dom


@pytest.mark.browser
@needs_chromium
def test_a_browser_filters_by_group_and_verdict(
    browser_dom: Callable[..., str], inputs: SimpleNamespace, held_out: Path, tmp_path: Path
) -> None:
    file = inputs.write_predictions(tmp_path / "a.jsonl", {row["id"]: "CT" for row in inputs.held_out_rows()})
    score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "o", Settings(), model="m")
    pick = (
        "function pick(name, value) { const s = document.querySelector('[data-filter=' + name + ']');"
        "s.value = value; s.dispatchEvent(new Event('change')); }"
    )
    dom = browser_dom(tmp_path / "o/report.html", tmp_path / "p1", f"{pick} pick('verdict', 'right')")
    assert dom.count('class="card question"') == 4
    dom = browser_dom(
        tmp_path / "o/report.html",
        tmp_path / "p2",
        f"{pick} pick('verdict', 'wrong'); pick('modality', 'MR')",
    )
    assert dom.count('class="card question"') == 4
    assert "4 of 12 questions" in dom
    assert '<li class="mistaken"><b>A</b>CT</li>' in dom


@pytest.mark.browser
@needs_chromium
def test_a_browser_turns_the_pages_of_a_long_list(
    browser_dom: Callable[..., str], inputs: SimpleNamespace, tmp_path: Path
) -> None:
    rows = inputs.held_out_rows(40)
    path = inputs.write_held_out(tmp_path / "benchmarks", rows)
    file = inputs.write_predictions(tmp_path / "a.jsonl", {row["id"]: "CT" for row in rows})
    score_file(file, [DeclaredBenchmark(path)], tmp_path / "o", Settings(), model="m")
    turn = "const f = document.querySelector('.pages input'); f.value = 4; f.dispatchEvent(new Event('change'))"
    dom = browser_dom(tmp_path / "o/report.html", tmp_path / "p", turn)
    assert dom.count('class="card question"') == 80 - 3 * 24
    assert "80 of 80 questions" in dom
    assert "of 4</span>" in dom
    assert "q39-1" in dom
    assert "q0-0" not in dom


@pytest.mark.browser
@needs_chromium
def test_a_reader_labels_by_keyboard_and_the_notes_are_those_of_the_file(
    browser_dom: Callable[..., str], inputs: SimpleNamespace, held_out: Path, tmp_path: Path
) -> None:
    said = {row["id"]: "<think>A or B?</think>CT" for row in inputs.held_out_rows()}
    file = inputs.write_predictions(tmp_path / "a.jsonl", said)
    score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "o", Settings(), model="m")
    keys = (
        "const act = (key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
        "{ key, bubbles: true })); act('j'); act('1'); act('j'); act('2'); act('k'); act('j'); act('j'); act('3');"
        "URL.createObjectURL = (blob) => { blob.text().then((t) => { document.title = t; }); return '#'; };"
        "document.querySelector('.review button').click()"
    )
    dom = browser_dom(tmp_path / "o/report.html", tmp_path / "p", keys, seen="<title>{")
    title = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert title is not None
    notes = [json.loads(line) for line in html.unescape(title[1]).strip().split("\n")]
    assert [(note["protocol"], note["id"], note["label"]) for note in notes] == [
        ("held_out/option-text", "q0-0", "right"),
        ("held_out/option-text", "q0-1", "wrong"),
        ("held_out/option-text", "q1-0", "unclear"),
    ]
    assert "3 questions with notes" in dom
    assert dom.count("<summary>reasoning (3 words)</summary>") == 12


def test_our_row_stands_only_among_rows_of_the_same_protocol() -> None:
    cell = {"text": "66.0", "protocol": "vqa-rad/exact-451", "n": 451, "interval": (0.6, 0.7)}
    other = {"text": "50.0", "protocol": "pmc-vqa/test2-33430", "n": 33430, "interval": (0.4, 0.6)}
    table = {
        "name": "table2", "columns": ("vqa_rad", "slake", "pmc_vqa"), "ours": [cell, None, other],
        "rows": [("LLaVA", "huatuo", ("50", "60", "40")), ("GMAI-VL", "", ("66.3", "72.9", "54.3")),
                 ("Whole", "whole", ("60", "", ""))],
    }  # fmt: skip
    found = published_blocks(table)
    assert [(block["about"].split(",")[0], block["ours"]) for block in found["blocks"]] == [
        ("vqa-rad/huatuo-251", None),
        ("question set not named by the source", None),
        ("vqa-rad/exact-451", [cell, None, None]),
    ]
    assert found["apart"] == ["pmc vqa 50.0 (pmc-vqa/test2-33430, n = 33430)"]
