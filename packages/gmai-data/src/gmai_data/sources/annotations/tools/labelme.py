"""LabelMe: a JSON file per picture (https://github.com/wkentaro/labelme, `shapes` with `shape_type`)."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gmai_data.sources.annotations.run_lengths import runs_of
from gmai_data.sources.annotations.tools.marked import Marked, Point, Shape, load_json, open_png, pairs, size_of


def read(path: Path, file: str) -> list[Marked]:
    """Return the one picture of a file; its flags that are set are labels of the picture.

    Raises:
        SourceError: It is no LabelMe file.
    """
    document: Any = load_json(path, file)
    if not is_labelme(document):
        return []
    flags = [str(name) for name, is_set in (document.get("flags") or {}).items() if is_set is True]
    # The shapes of an object that is seen in parts have one number (`group_id`), which most objects have none of.
    numbers = [entry.get("group_id") for entry in document["shapes"]]
    shapes = [
        replace(_shape(entry), part_of="" if number is None else str(number))
        for entry, number in zip(document["shapes"], numbers, strict=True)
    ]
    name = str(document.get("imagePath") or "").replace("\\", "/")
    return [Marked(name, size_of(document.get("imageWidth"), document.get("imageHeight")), shapes, flags)]


def is_labelme(document: Any) -> bool:
    """Return whether a JSON document is one of LabelMe's."""
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


def _shape(entry: dict[str, Any]) -> Shape:
    label, kind = str(entry.get("label", "")).strip(), str(entry.get("shape_type") or "polygon")
    try:
        points = pairs(entry["points"])
        if kind == "mask":
            return _mask(label, entry["mask"], points)
    except (KeyError, TypeError, ValueError, IndexError, OSError) as error:
        return Shape(label, "other", name=kind, problem=f"{type(error).__name__}: {error}")
    if kind == "rectangle" and len(points) == 2:
        return Shape(label, "box", points)
    # Rectangles with four corners, turned ones as `oriented_rectangle` or, of forks, as `rotation`.
    if kind in ("polygon", "rectangle", "oriented_rectangle", "rotation", "ai_polygon"):
        return Shape(label, "polygon", points, name=kind)
    if kind == "circle" and len(points) == 2:
        return Shape(label, "circle", points)
    return Shape(label, "other", name=kind)


_ROUNDING_PX = 1.5


def _mask(label: str, data: str, points: Sequence[Point]) -> Shape:
    with open_png(base64.b64decode(data)) as image:
        mask = np.asarray(image.convert("L")) > 0
    corner, *ends = points
    # The second point is the last pixel of the mask (labelme/_label_file.py of wkentaro/labelme), or one behind it.
    for end in ends:
        spans = [last - first + 1 for first, last in zip(corner, end, strict=True)]
        if any(abs(span - size) > _ROUNDING_PX for span, size in zip(spans, mask.shape[::-1], strict=True)):
            stated, found = "×".join(f"{span:g}" for span in spans), "×".join(map(str, mask.shape[::-1]))
            raise ValueError(f"its points span {stated} pixels, its mask has {found}; draw it again")
    at = (float(round(corner[0])), float(round(corner[1])))
    return Shape(label, "mask", [at], runs=runs_of(mask), runs_size=(mask.shape[1], mask.shape[0]))
