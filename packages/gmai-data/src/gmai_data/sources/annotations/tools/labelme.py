"""LabelMe: a JSON file per picture (https://github.com/wkentaro/labelme, `shapes` with `shape_type`)."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gmai_data.sources.annotations.run_lengths import runs_of
from gmai_data.sources.annotations.tools.marked import Marked, Shape, load_json, open_png, pairs, size_of


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
            return _mask(label, entry["mask"], points[0])
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


def _mask(label: str, data: str, corner: tuple[float, float]) -> Shape:
    with open_png(base64.b64decode(data)) as image:
        mask = np.asarray(image.convert("L")) > 0
    at = (float(round(corner[0])), float(round(corner[1])))
    return Shape(label, "mask", [at], runs=runs_of(mask), runs_size=(mask.shape[1], mask.shape[0]))
