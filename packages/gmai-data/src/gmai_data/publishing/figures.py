"""A picture of a build on a page: its boxes with their names, its mask, and the texts about it, kept and dropped."""

import base64
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gmai_formats.pages.shell import text
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.raster import decode_raster
from PIL import Image

from gmai_data.seeded import hash_fraction

THUMBNAIL_PX = 360
"""Longer side of a picture on a page."""
COLOURS = ("#ffd400", "#4cc9f0", "#f72585", "#70e000", "#ff8c42", "#b388ff", "#00e5a8", "#ff5c5c")
"""Colours of the boxes, by the name of the label."""
_LETTER_SHARE = 0.04
"""Height of a box's name as a share of the picture's longer side."""
_LETTER_PX = 11
"""The same in the style of the page."""
_MASK_RGBA = (0, 160, 230, 255)
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
.left-out { color: var(--bad); } .both { display: flex; gap: .4rem; } .both img { width: 48%; object-fit: contain; }
""" + "".join(f".frame .c{number} {{ fill: {colour}; }}\n" for number, colour in enumerate(COLOURS))


@dataclass(frozen=True)
class Text:
    """A sample about a picture; `reason` says why it was dropped, or nothing where it was kept."""

    kind: str
    language: str
    turns: tuple[tuple[str, str], ...]
    reason: str = ""
    pictures: tuple[str, ...] = ()
    """Small JPEGs in base64 of the images that a text about several is about, in order."""


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
    numbers = _colours({box["label"] for box in row["boxes"]})
    key = "".join(
        f'<svg class="key" viewBox="0 0 9 9" aria-hidden="true"><rect width="9" height="9" '
        f'fill="{COLOURS[number]}"/></svg> {text(label)} '
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


def _colours(labels: Collection[str]) -> dict[str, int]:
    """Return the number of each label's colour: by its name, so that it is the same in each picture.

    It is the next one where the picture has another label of that colour, and one that is free.
    """
    found: dict[str, int] = {}
    for label in sorted(labels):
        wanted = int(hash_fraction("colour", label) * len(COLOURS))
        turns = [(wanted + turn) % len(COLOURS) for turn in range(len(COLOURS))]
        found[label] = next((number for number in turns if number not in found.values()), wanted)
    return found


def _box(box: Mapping[str, Any], number: int, size_px: tuple[int, int]) -> str:
    left, top, right, bottom = box["xyxy"]
    scale = max(size_px) * _LETTER_SHARE / _LETTER_PX
    letter = max(size_px) * _LETTER_SHARE
    # Above the box, or inside it where there is no room above; from its right end where the picture ends soon.
    line = top - letter * 0.3 if top > letter * 1.2 else top + letter
    place, anchor = (right, "end") if left + right > size_px[0] else (left, "start")
    name, colour = text(box["label"]), COLOURS[number]
    return (
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" stroke="{colour}">'
        f"<title>{name}</title></rect>"
        f'<text class="c{number}" text-anchor="{anchor}" '
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
        + f"</p>{_pictures(each.pictures)}"
        + f'<dl lang="{text(each.language)}">'
        + "".join(f"<dt>{text(question)}</dt><dd>{text(answer)}</dd>" for question, answer in each.turns)
        + "</dl>"
        for each in texts
    )
    return f"<details><summary>{words}</summary>{entries}</details>"


def _pictures(pictures: Sequence[str]) -> str:
    shown = (
        f'<img alt="image {number}" loading="lazy" src="data:image/jpeg;base64,{picture}">'
        for number, picture in enumerate(pictures, 1)
    )
    return f'<div class="both">{"".join(shown)}</div>' if pictures else ""


def thumbnail(encoded: bytes, longer_px: int = THUMBNAIL_PX) -> str:
    """Return a small JPEG of an encoded picture in base64.

    Raises:
        RuntimeError: It does not decode.
    """
    try:
        picture = Image.fromarray(decode_raster(encoded).pixels)
    except PictureError as error:
        raise RuntimeError(f"an image of the build does not decode: {error}") from error
    picture.thumbnail((longer_px, longer_px), Image.Resampling.BOX)
    return _base64(picture, "JPEG", quality=85)


def _overlay(masks: Sequence[npt.NDArray[Any]]) -> str:
    """Return a transparent PNG in base64 with all that the masks mark in one colour."""
    height, width = masks[0].shape
    shown = np.zeros((height, width, 4), np.uint8)
    for mask in masks:
        shown[mask != 0] = _MASK_RGBA
    picture = Image.fromarray(shown)
    picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.NEAREST)
    return _base64(picture, "PNG")


def _base64(picture: Image.Image, form: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return base64.b64encode(buffer.getvalue()).decode()
