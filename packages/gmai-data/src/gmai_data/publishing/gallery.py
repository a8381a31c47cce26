"""`gmai data view`: a build's images with boxes and filters, and what was dropped or quarantined, with the reasons."""

import base64
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from gmai_formats.files import write_text
from gmai_formats.pages.shell import page, text

from gmai_data.publishing.record import read_manifest
from gmai_data.seeded import hash_fraction
from gmai_data.untyped import pq

THUMBNAIL_PX = 360
"""Longer side of a picture in the gallery."""
SHOWN_LINES = 2000
"""More lines than this would make the page slow; the file has them all."""

_COLOURS = ("#ffd400", "#4cc9f0", "#f72585", "#70e000", "#ff8c42", "#b388ff", "#00e5a8", "#ff5c5c")
"""Of the boxes, by label."""
_STYLE = """
.filters { display: flex; gap: .8rem; flex-wrap: wrap; position: sticky; top: 0; padding: .6rem 0; z-index: 1;
  background: var(--ground); } .filters label { display: flex; gap: .35rem; align-items: center; }
.filters select { max-width: 16rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
figure[hidden] { display: none; } .frame { position: relative; background: #000; }
.frame img { display: block; width: 100%; } .frame svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.frame rect { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; pointer-events: all; }
figcaption { padding: .45rem .6rem; font-size: .85rem; overflow-wrap: anywhere; } figcaption b { display: block; }
.id { color: var(--soft); font-size: .75rem; } .key { display: inline-block; width: .7rem; height: .7rem; }
@media (max-width: 40rem) { .filters { position: static; } }
"""
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


def write_gallery(out: Path, file: Path, *, images: int) -> int:
    """Write the page and return how many images it shows, drawn by hash so that every source has its share.

    Args:
        out: A finished build.
        file: The page to write.
        images: At most so many.
    """
    manifest = read_manifest(out)
    chosen, total = _chosen(out, images)
    values: dict[str, set[str]] = {"source": set(), "modality": set(), "label": set(), "split": set()}
    figures: list[str] = []
    for row in _rows(out, chosen):
        facts = {
            "source": [row["source"]],
            "modality": [row["modality"]],
            "label": sorted(set(row["labels"])),
            "split": [row["split"]],
        }
        for name, found in facts.items():
            values[name].update(found)
        figures.append(_figure(row, facts))
    selects = "".join(
        f'<label>{name}<select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{text(value)}">{text(value)}</option>' for value in sorted(found))
        + "</select></label>"
        for name, found in values.items()
    )
    body = (
        f'<div class="filters">{selects}<span id="count" data-all="{total}" aria-live="polite"></span></div>'
        f'<div class="cards">{"".join(figures)}</div>{_account(manifest)}{_dropped(out)}{_quarantine(out)}'
    )
    write_text(file, page(f"Images of {out.resolve().name}", [body], style=_STYLE, script=_SCRIPT))
    return len(figures)


def _chosen(out: Path, images: int) -> tuple[set[str], int]:
    """Return the ids of the images shown, and how many there are."""
    by_source: dict[str, list[str]] = {}
    for path in sorted((out / "annotations").glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "source"]).to_pylist():
            by_source.setdefault(row["source"], []).append(row["id"])
    share = max(images // max(len(by_source), 1), 1)
    chosen = {
        name
        for names in by_source.values()
        for name in sorted(names, key=lambda name: hash_fraction("gallery", name))[:share]
    }
    return chosen, sum(map(len, by_source.values()))


def _rows(out: Path, chosen: set[str]) -> Iterator[dict[str, Any]]:
    for path in sorted((out / "annotations").glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                yield from (row for row in batch.to_pylist() if row["id"] in chosen)


def _figure(row: dict[str, Any], facts: dict[str, list[str]]) -> str:
    data = " ".join(f'data-{name}="{text(json.dumps(found, ensure_ascii=False))}"' for name, found in facts.items())
    boxed = list(dict.fromkeys(box["label"] for box in row["boxes"]))
    colours = {label: _COLOURS[number % len(_COLOURS)] for number, label in enumerate(boxed)}
    key = "".join(
        f'<svg class="key" viewBox="0 0 9 9" aria-hidden="true"><rect width="9" height="9" fill="{colour}"/></svg> '
        f"{text(label)} "
        for label, colour in colours.items()
    )
    rectangles = "".join(
        f'<rect x="{box["xyxy"][0]}" y="{box["xyxy"][1]}" width="{box["xyxy"][2] - box["xyxy"][0]}" '
        f'height="{box["xyxy"][3] - box["xyxy"][1]}" stroke="{colours[box["label"]]}">'
        f"<title>{text(box['label'])}</title></rect>"
        for box in row["boxes"]
    )
    window = json.loads(row["provenance"]).get("window", "")
    return (
        f'<figure {data}><div class="frame"><img alt="{text(", ".join(row["labels"]) or row["modality"])}" '
        f'loading="lazy" src="data:image/jpeg;base64,{_thumbnail(row["image"]["bytes"])}">'
        f'<svg viewBox="0 0 {row["width"]} {row["height"]}" preserveAspectRatio="none">{rectangles}</svg></div>'
        f"<figcaption><b>{text(', '.join(row['labels']) or 'no label')}</b>{text(row['modality'])}, "
        f"{text(row['source'])}, {text(row['split'])}{', ' + text(window) if window else ''}"
        f'<div>{key}</div><div class="id">{text(row["id"])}</div></figcaption></figure>'
    )


def _thumbnail(encoded: bytes) -> str:
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise RuntimeError("an image of the build does not decode")
    scale = THUMBNAIL_PX / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, buffer = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, 85))
    return base64.b64encode(buffer.tobytes()).decode()


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
    return f"<h2>Account</h2><div class='scroll'><table><tr>{head}</tr>{''.join(lines)}</table></div>"


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
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


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
