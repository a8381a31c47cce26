"""Supervisely: a JSON file per picture (https://developer.supervisely.com/getting-started/supervisely-annotation-format)."""

import base64
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from gmai_data.sources.annotations.run_lengths import runs_of
from gmai_data.sources.annotations.tools.marked import Marked, Shape, load_json, open_png, pairs, size_of

_MOST_BYTES = 2**28


def read(path: Path, file: str) -> list[Marked]:
    """Return the one picture of a file, which is called as the file is, `NAME.png.json` or `NAME.json`.

    Raises:
        SourceError: It is no JSON.
    """
    document: Any = load_json(path, file)
    if not isinstance(document, dict) or not isinstance(document.get("objects"), list) or "size" not in document:
        return []
    size: Any = document["size"] or {}
    tags = [_tag(tag) for tag in document.get("tags") or []]
    shapes = [_shape(entry) for entry in document["objects"]]
    return [Marked("", size_of(size.get("width"), size.get("height")), shapes, tags)]


def _tag(tag: Any) -> str:
    if not isinstance(tag, dict):
        return str(tag)
    value = tag.get("value")
    return str(tag.get("name", "")) if value is None else f"{tag.get('name', '')}: {value}"


def _shape(entry: dict[str, Any]) -> Shape:
    label, kind = str(entry.get("classTitle", "")).strip(), str(entry.get("geometryType") or "")
    try:
        if kind == "bitmap":
            return _bitmap(label, entry["bitmap"])
        if kind in ("rectangle", "polygon"):
            outline = pairs(entry["points"]["exterior"])
            if kind == "polygon":
                return Shape(label, "polygon", outline, [pairs(hole) for hole in entry["points"].get("interior") or []])
            (x1, y1), (x2, y2) = outline
            # Corners are pixels, of which the last belongs to the rectangle: its SDK counts right - left + 1.
            return Shape(label, "box", [(min(x1, x2), min(y1, y2)), (max(x1, x2) + 1, max(y1, y2) + 1)])
    except (KeyError, TypeError, ValueError, IndexError, OSError, zlib.error) as error:
        return Shape(label, "other", name=kind, problem=f"{type(error).__name__}: {error}")
    return Shape(label, "other", name=kind)


def _bitmap(label: str, bitmap: dict[str, Any]) -> Shape:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(bitmap["data"]), _MOST_BYTES)
    with open_png(data) as image:
        marked = image.getchannel("A") if image.mode in ("RGBA", "LA") else image.convert("L")
        mask = np.asarray(marked) > 0
    x, y = bitmap["origin"]
    return Shape(label, "mask", [(float(x), float(y))], runs=runs_of(mask), runs_size=(mask.shape[1], mask.shape[0]))
