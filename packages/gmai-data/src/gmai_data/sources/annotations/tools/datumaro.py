"""Datumaro's own JSON: a file per subset
(https://openvinotoolkit.github.io/datumaro/latest/docs/data-formats/datumaro_format.html), as CVAT exports it, too.
"""

from pathlib import Path
from typing import Any

import numpy as np
from gmai_formats.pictures.picture import MAX_PIXELS

from gmai_data.sources.annotations.fits import Size
from gmai_data.sources.annotations.run_lengths import decode_rle, runs_of, unpack_counts
from gmai_data.sources.annotations.tools.marked import Marked, Point, Shape, corners, load_json, size_of

_NO_SHAPES = ("label", "caption")


def read(path: Path, file: str) -> list[Marked]:
    """Return the pictures of a file; annotations of the type `label` are labels of the picture.

    Raises:
        SourceError: It is no JSON.
    """
    document: Any = load_json(path, file)
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        return []
    categories: Any = document.get("categories")
    if not isinstance(categories, dict):
        return []
    labels: list[Any] = (categories.get("label") or {}).get("labels") or []
    names = [str(label.get("name", "")).strip() for label in labels]
    return [_picture(item, names) for item in document["items"] if isinstance(item, dict)]


def _picture(item: dict[str, Any], names: list[str]) -> Marked:
    image: dict[str, Any] = item.get("image") or (item.get("media") or {})
    name = str(image.get("path") or item.get("id") or "").replace("\\", "/")
    height, width = (image.get("size") or (None, None))[:2]
    entries: list[dict[str, Any]] = item.get("annotations") or []
    tags = [_label(entry, names) for entry in entries if entry.get("type") == "label"]
    size = size_of(width, height)
    shapes = [_shape(entry, names, size) for entry in entries if entry.get("type") not in _NO_SHAPES]
    return Marked(name, size, shapes, tags)


def _label(entry: dict[str, Any], names: list[str]) -> str:
    number = entry.get("label_id")
    return names[number] if isinstance(number, int) and 0 <= number < len(names) else f"label_id {number}"


def _shape(entry: dict[str, Any], names: list[str], size: Size | None) -> Shape:
    label, kind = _label(entry, names), str(entry.get("type"))
    group = str(entry.get("group") or "")  # parts of one object have one number
    try:
        if kind == "bbox":
            return Shape(label, "box", corners(*entry["bbox"]), part_of=group)
        if kind == "polygon":
            return Shape(label, "polygon", _pairs(entry["points"]), part_of=group)
        if kind == "ellipse":
            (left, top), (right, bottom) = _pairs(entry["points"])
            middle, half = ((left + right) / 2, (top + bottom) / 2), ((right - left) / 2, (bottom - top) / 2)
            return Shape(label, "ellipse", [middle, half], part_of=group)
        if kind == "mask":
            height, width = (int(side) for side in entry["rle"]["size"])
            if size != (width, height) or width * height > MAX_PIXELS:
                raise ValueError(
                    f"{width}×{height}; the picture is stated to be {size}, of {MAX_PIXELS} pixels at most"
                )
            counts: Any = entry["rle"]["counts"]
            lengths = unpack_counts(counts, width * height) if isinstance(counts, str) else counts
            mask = decode_rle(lengths, (height, width))
            runs = runs_of(mask.astype(np.bool_))
            return Shape(label, "mask", [(0.0, 0.0)], runs=runs, runs_size=(width, height), part_of=group)
    except (KeyError, TypeError, ValueError) as error:
        return Shape(label, "other", name=kind, problem=f"{type(error).__name__}: {error}", part_of=group)
    return Shape(label, "other", name=kind, part_of=group)


def _pairs(numbers: Any) -> list[Point]:
    values = [float(number) for number in numbers]
    return list(zip(values[::2], values[1::2], strict=True))
