"""`gmai data view`: a build's images with boxes and filters, and what was dropped or quarantined, with the reasons."""

import contextlib
import itertools
import json
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gmai_formats.files import write_text
from gmai_formats.pages.shell import page, text

from gmai_data.publishing.facts import grounded
from gmai_data.publishing.figures import STYLE, Text, figure, thumbnail
from gmai_data.publishing.record import read_manifest
from gmai_data.publishing.sub_datasets import sample_files
from gmai_data.sample import turns_of
from gmai_data.seeded import hash_fraction
from gmai_data.untyped import pc, pq

_BESIDE_PX = 180
"""Longer side of each picture of a text about two."""
SHOWN_LINES = 2000
"""More lines than this would make the page slow; the file has them all."""

_STYLE = (
    STYLE
    + """
.filters { display: flex; gap: .8rem; flex-wrap: wrap; position: sticky; top: 0; padding: .6rem 0; z-index: 1;
  background: var(--ground); } .filters label { display: flex; gap: .35rem; align-items: center; }
.filters select { max-width: 16rem; } nav a, nav b { margin-right: .6rem; }
@media (max-width: 40rem) { .filters { position: static; } }
"""
)
_FILTERS = ("source", "modality", "label", "split")
_SCRIPT = """
const figures = [...document.querySelectorAll('figure')], selects = [...document.querySelectorAll('select')];
function show() {
  let count = 0;
  for (const figure of figures) {
    const fits = selects.every(s => !s.value || JSON.parse(figure.dataset[s.name]).includes(s.value));
    figure.hidden = !fits; count += fits;
  }
  const place = document.getElementById('count'), all = place.dataset.all;
  place.textContent = count + ' of ' + figures.length + ' images shown; the build has ' + all;
}
selects.forEach(s => s.addEventListener('change', show)); show();
"""


def write_gallery(out: Path, file: Path, *, images: int, pages: int = 1) -> int:
    """Write the pages and return how many images they show, drawn by hash so that every source has its share.

    Args:
        out: A finished build.
        file: The first page to write; the others have a number behind its name.
        images: At most so many on a page.
        pages: At most so many pages; 0 for all images.
    """
    manifest = read_manifest(out)
    ordered = _ordered(out)
    count = -(-len(ordered) // images) or 1
    count = min(count, pages) if pages else count
    place = {name: number // images for number, name in enumerate(ordered[: count * images])}
    texts = _texts_of(out, place.keys())
    filters: list[dict[str, set[str]]]
    filters = [{name: set[str]() for name in _FILTERS} for _ in range(count)]
    with contextlib.ExitStack() as opened:
        # Figures wait on disk: all of them together can be larger than memory.
        figures = [opened.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(count)]
        for row in _rows(out, place.keys()):
            facts = {
                "source": [row["source"]],
                "modality": [row["modality"]],
                "label": sorted(set(row["labels"])),
                "split": [row["split"]],
            }
            number = place[row["id"]]
            for name, found in facts.items():
                filters[number][name].update(found)
            figures[number].write(figure(row, facts, texts.get(row["id"], ())))
        names = [file if not number else file.with_stem(f"{file.stem}-{number + 1}") for number in range(count)]
        account = f"{_account(manifest)}{_dropped(out)}{_quarantine(out)}"
        for number, (name, written) in enumerate(zip(names, figures, strict=True)):
            written.seek(0)
            links = _links(names, number)
            body = (
                f"{links}{_filters(filters[number], len(ordered))}"
                f'<div class="cards">{written.read()}</div>{links}{account if number == 0 else ""}'
            )
            write_text(name, page(f"Images of {out.resolve().name}", [body], style=_STYLE, script=_SCRIPT))
    return len(place)


def _links(names: Sequence[Path], number: int) -> str:
    if len(names) == 1:
        return ""
    links = " ".join(
        f"<b>{each + 1}</b>" if each == number else f'<a href="{text(quote(name.name))}">{each + 1}</a>'
        for each, name in enumerate(names)
    )
    return f"<nav>Page {links}</nav>"


def _filters(values: Mapping[str, set[str]], total: int) -> str:
    selects = "".join(
        f'<label>{name}<select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{text(value)}">{text(value)}</option>' for value in sorted(found))
        + "</select></label>"
        for name, found in values.items()
    )
    return f'<div class="filters">{selects}<span id="count" data-all="{total}" aria-live="polite"></span></div>'


def _ordered(out: Path) -> list[str]:
    """Return the ids of all images, by hash, the sources in turn."""
    by_source: dict[str, list[str]] = {}
    for path in sorted((out / "annotations").glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "source"]).to_pylist():
            by_source.setdefault(row["source"], []).append(row["id"])
    drawn = [sorted(names, key=lambda name: hash_fraction("gallery", name)) for names in by_source.values()]
    return [name for turn in itertools.zip_longest(*drawn) for name in turn if name is not None]


def _rows(out: Path, chosen: Collection[str]) -> Iterator[dict[str, Any]]:
    for path in sorted((out / "annotations").glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                yield from (row for row in batch.to_pylist() if row["id"] in chosen)


def _texts_of(out: Path, chosen: Collection[str]) -> dict[str, list[Text]]:
    """Return the samples about pictures by the picture's id, those that a check dropped with its reason behind."""
    found: dict[str, list[Text]] = {}
    pictured = _of_two(out, chosen)
    columns = ["id", "messages", "kind", "language"]
    for _, _, files in sample_files(out):
        for path in files:
            for row in pq.read_table(path, columns=columns).to_pylist():
                about = _about(row["id"])
                if about in chosen:
                    sample = Text(
                        row["kind"], row["language"], turns_of(row["messages"]), pictures=pictured.get(row["id"], ())
                    )
                    found.setdefault(about, []).append(sample)
    for entry in _lines(out / "dropped.jsonl"):
        about = _about(str(entry.get("id") or ""))
        if about in chosen and entry.get("language"):
            reason = ": ".join(filter(None, (str(entry.get("check") or ""), str(entry.get("detail") or ""))))
            sample = Text(str(entry.get("kind")), str(entry["language"]), (("", str(entry.get("text") or "")),), reason)
            found.setdefault(about, []).append(sample)
    return found


def _of_two(out: Path, chosen: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return the samples about two images: id ▶ small pictures of both."""
    shown: dict[str, tuple[str, str]] = {}
    for _, _, files in sample_files(out):
        for path in files:
            table = pq.read_table(path, columns=["id", "provenance"])
            for row in table.filter(pc.match_substring(table["provenance"], '"beside"')).to_pylist():
                provenance = json.loads(row["provenance"])
                if _about(row["id"]) in chosen and "beside" in provenance:
                    shown[row["id"]] = (provenance["annotation"], provenance["beside"]["annotation"])
    both = {name for names in shown.values() for name in names}
    small = {row["id"]: thumbnail(row["image"]["bytes"], _BESIDE_PX) for row in _rows(out, both)} if both else {}
    return {name: (small[one], small[other]) for name, (one, other) in shown.items() if {one, other} <= small.keys()}


def _about(sample_id: str) -> str:
    """Return the id of the record that a sample is about, see `qualified_id`."""
    return sample_id.rsplit("#", 2)[0]


def _account(manifest: dict[str, Any]) -> str:
    lines = [
        f"<tr><td>{text(name)}</td>"
        + "".join(f'<td class="n">{value}</td>' for value in (
            entry["items"]["read"], entry["items"]["kept"], sum(entry["items"]["dropped"].values()),
            entry["items"]["quarantined"], entry["images"]["kept"], entry["boxes"]["kept"],
        ))
        + f"<td>{text(_reasons(entry))}</td></tr>"
        for name, entry in manifest["recipes"].items()
    ]  # fmt: skip
    heads = ("source", "items", "kept", "dropped", "quarantined", "images", "boxes", "dropped because")
    head = "".join(f"<th>{name}</th>" for name in heads)
    table = f"<h2>Account</h2><div class='scroll'><table><tr>{head}</tr>{''.join(lines)}</table></div>"
    sentences: Counter[str] = Counter()
    for entry in manifest["recipes"].values():
        sentences.update(entry.get("written", {}).get("sentences", {}))
    return table + (f"<p>{text(share)}</p>" if (share := grounded(sentences)) else "")


def _reasons(entry: dict[str, Any]) -> str:
    found = [(what, entry[what]["dropped"]) for what in ("items", "images", "samples")]
    return ", ".join(f"{what}: {reason}: {count}" for what, each in found for reason, count in each.items())


def _quarantine(out: Path) -> str:
    entries = _lines(out / "quarantine.jsonl")
    if not entries:
        return '<h2 id="quarantine">Quarantine</h2><p>Empty: every input could be used.</p>'
    rows = [(*entry["reason"].partition(": ")[::2], entry["recipe"], entry["file"]) for entry in entries]
    return _listing("Quarantine", "quarantine", ("reason", "found", "source", "file"), rows, "quarantine.jsonl")


def _dropped(out: Path) -> str:
    """Return the items, images and samples that a check refused, with what it found and the refused text."""
    entries = _lines(out / "dropped.jsonl")
    names = ("check", "detail", "kind", "language", "recipe", "id", "text")
    rows = [tuple(str(entry.get(name) or "") for name in names) for entry in entries]
    heads = ("check", "found", "kind", "language", "source", "id", "text")
    return _listing("Dropped by checks", "dropped", heads, rows, "dropped.jsonl") if rows else ""


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def _listing(title: str, name: str, heads: Sequence[str], rows: Sequence[tuple[str, ...]], file: str) -> str:
    """Return a table of rows, whose first column is the reason; however often one comes, all others are seen."""
    counts = Counter(reason for reason, *_ in rows)
    words = ", ".join(f"{text(reason)}: {count}" for reason, count in counts.most_common())
    room = max(SHOWN_LINES // len(counts), 1)
    by_reason = itertools.groupby(sorted(rows), lambda row: row[0])
    shown = [row for _, group in by_reason for row in itertools.islice(group, room)]
    more = f"<p>At most {room} of each; all are in {file}.</p>" if len(shown) < len(rows) else ""
    head = "".join(f"<th>{each}</th>" for each in heads)
    lines = "".join(f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>" for row in shown)
    body = f'<div class="scroll"><table><tr>{head}</tr>{lines}</table></div>'
    return f'<h2 id="{name}">{title} ({len(rows)})</h2><p>{words}</p>{more}{body}'
