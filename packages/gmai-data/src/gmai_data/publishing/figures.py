"""A picture of a build on a page: its boxes with their names, its mask, and the texts about it, kept and dropped."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from gmai_formats.pages.shell import text

THUMBNAIL_PX = 360
"""Longer side of a picture on a page."""
COLOURS = ("#ffd400", "#4cc9f0", "#f72585", "#70e000", "#ff8c42", "#b388ff", "#00e5a8", "#ff5c5c")
"""Colours of the boxes, by label."""
_LETTER_SHARE = 0.04
"""Height of a box's name as a share of the picture's longer side."""
_LETTER_PX = 11
"""The same in the style of the page."""
_MASK_BGRA = (230, 160, 0, 255)
STYLE = """
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
figure[hidden] { display: none; } .frame { position: relative; background: #000; }
.frame img { display: block; width: 100%; } .frame svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.frame img.mask { position: absolute; inset: 0; height: 100%; opacity: .45; image-rendering: pixelated; }
.frame rect { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; pointer-events: all; }
.frame text { paint-order: stroke; stroke: #000; stroke-width: 2px; pointer-events: none; }
figcaption { padding: .45rem .6rem; font-size: .85rem; overflow-wrap: anywhere; } figcaption b { display: block; }
.id { color: var(--soft); font-size: .75rem; } .key { display: inline-block; width: .7rem; height: .7rem; }
details { margin-top: .3rem; } details dl { margin: .3rem 0; } dt { font-weight: 600; } dd { margin: 0 0 .4rem; }
.left-out { color: var(--bad); }
""" + "".join(f".frame .c{number} {{ fill: {colour}; }}\n" for number, colour in enumerate(COLOURS))


@dataclass(frozen=True)
class Text:
    """A sample about a picture; `reason` says why it was dropped, or nothing where it was kept."""

    kind: str
    language: str
    turns: tuple[tuple[str, str], ...]
    reason: str = ""


def figure(
    row: Mapping[str, Any],
    facts: Mapping[str, Sequence[str]],
    texts: Sequence[Text] = (),
    masks: Sequence[npt.NDArray[Any]] = (),
) -> str:
    """Return the HTML of an annotated picture.

    Args:
        row: Of the annotation files (docs/reference/formats.md).
        facts: What the page filters by.
        texts: About the picture.
        masks: Label masks of its size.
    """
    data = " ".join(f'data-{name}="{text(json.dumps(found, ensure_ascii=False))}"' for name, found in facts.items())
    boxed = list(dict.fromkeys(box["label"] for box in row["boxes"]))
    numbers = {label: number for number, label in enumerate(boxed)}
    key = "".join(
        f'<svg class="key" viewBox="0 0 9 9" aria-hidden="true"><rect width="9" height="9" '
        f'fill="{COLOURS[number % len(COLOURS)]}"/></svg> {text(label)} '
        for label, number in numbers.items()
    )
    size_px = (row["width"], row["height"])
    boxes = "".join(_box(box, numbers[box["label"]], size_px) for box in row["boxes"])
    window = json.loads(row["provenance"]).get("window", "")
    # A raster without a window says so by an empty text, a volume by its words.
    shown = f", {text(window)}" if window else ""
    mask = f'<img class="mask" alt="" src="data:image/png;base64,{_overlay(masks)}">' if masks else ""
    return (
        f'<figure {data}><div class="frame"><img alt="{text(", ".join(row["labels"]) or row["modality"])}" '
        f'loading="lazy" src="data:image/jpeg;base64,{thumbnail(row["image"]["bytes"])}">{mask}'
        f'<svg viewBox="0 0 {size_px[0]} {size_px[1]}" preserveAspectRatio="none">{boxes}</svg></div>'
        f"<figcaption><b>{text(', '.join(row['labels']) or 'no label')}</b>{text(row['modality'])}, "
        f"{text(row['source'])}, {text(row['split'])}{shown}"
        f'<div>{key}</div><div class="id">{text(row["id"])}</div>{_texts(texts)}</figcaption></figure>'
    )


def text_figure(name: str, row: Mapping[str, Any], texts: Sequence[Text]) -> str:
    """Return the HTML of a text without a picture."""
    words = f"{text(row['modality'])}, {text(row['source'])}, {text(row['split'])}"
    return (
        f'<figure><figcaption><b>text</b>{words}<div class="id">{text(name)}</div>{_texts(texts)}</figcaption></figure>'
    )


def _box(box: Mapping[str, Any], number: int, size_px: tuple[int, int]) -> str:
    left, top, right, bottom = box["xyxy"]
    scale = max(size_px) * _LETTER_SHARE / _LETTER_PX
    letter = max(size_px) * _LETTER_SHARE
    # Above the box, or inside it where there is no room above; from its right end where the picture ends soon.
    line = top - letter * 0.3 if top > letter * 1.2 else top + letter
    place, anchor = (right, "end") if left + right > size_px[0] else (left, "start")
    name, colour = text(box["label"]), COLOURS[number % len(COLOURS)]
    return (
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" stroke="{colour}">'
        f"<title>{name}</title></rect>"
        f'<text class="c{number % len(COLOURS)}" text-anchor="{anchor}" '
        f'transform="translate({place} {line:.1f}) scale({scale:.3f})">{name}</text>'
    )


def _texts(texts: Sequence[Text]) -> str:
    if not texts:
        return ""
    dropped = sum(bool(each.reason) for each in texts)
    words = f"{len(texts)} texts" + (f", {dropped} of them dropped" if dropped else "")
    entries = "".join(
        f"<p>{text(each.kind)}, {text(each.language)}"
        + (f' <span class="left-out">dropped: {text(each.reason)}</span>' if each.reason else "")
        + f'</p><dl lang="{text(each.language)}">'
        + "".join(f"<dt>{text(question)}</dt><dd>{text(answer)}</dd>" for question, answer in each.turns)
        + "</dl>"
        for each in texts
    )
    return f"<details><summary>{words}</summary>{entries}</details>"


def thumbnail(encoded: bytes) -> str:
    """Return a small JPEG of an encoded picture in base64.

    Raises:
        RuntimeError: It does not decode.
    """
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise RuntimeError("an image of the build does not decode")
    scale = THUMBNAIL_PX / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, buffer = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, 85))
    return base64.b64encode(buffer.tobytes()).decode()


def _overlay(masks: Sequence[npt.NDArray[Any]]) -> str:
    """Return a transparent PNG in base64 with all that the masks mark in one colour."""
    height, width = masks[0].shape
    shown = np.zeros((height, width, 4), np.uint8)
    for mask in masks:
        shown[mask != 0] = _MASK_BGRA
    scale = THUMBNAIL_PX / max(height, width)
    if scale < 1:
        shown = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    _, buffer = cv2.imencode(".png", shown)
    return base64.b64encode(buffer.tobytes()).decode()
