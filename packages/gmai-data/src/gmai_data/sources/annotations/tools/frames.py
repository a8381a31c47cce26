"""Frames of a video in JSON: a list of objects per frame, as many publishers write it.

Read are `{"0": [object, …], …}`, the same below `frames` or `annotations`, a list of `{"frame": 0, "objects": […]}`
and a flat list of objects with a `frame` each. An object has a label (`label`, `class`, `class_name`, `category`,
`name`) and a `bbox` or `box` (four numbers, or named) or a `polygon` or `points`; or it is a list of numbers, one of
which is the label's.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.tools.marked import Marked, Shape, corners, load_json, pairs, size_of

_FRAME = ("frame", "frame_id", "frame_number", "frame_index", "image_id")
_LABEL = ("label", "class", "class_name", "category", "name")
_LISTS = ("objects", "annotations", "labels", "boxes")


def read(path: Path, file: str, form: Literal["xywh", "xyxy"], label_position: int | None = None) -> list[Marked]:
    """Return the frames that a file names, in order.

    Args:
        path: The file.
        file: The same below the root.
        form: What the four numbers of a box are.
        label_position: Where in an object that is a list of numbers its label is; it holds for the frame as a whole.

    Raises:
        SourceError: It has none of the shapes above.
    """
    document: Any = load_json(path, file)
    size = size_of(document.get("width"), document.get("height")) if isinstance(document, dict) else None
    found: dict[int, list[Shape]] = {}
    labels: dict[int, dict[str, None]] = {}
    for frame, objects in _frames(document, file):
        known, tags = found.setdefault(frame, []), labels.setdefault(frame, {})
        for entry in objects:
            if label_position is not None:
                tags.update(_label_at(entry, label_position, frame, file))
                continue
            if not isinstance(entry, dict):
                detail = f"frame {frame} has {str(entry)[:40]!r}; an object is named fields: label and bbox or polygon"
                raise SourceError("annotation unreadable", detail, file)
            known.append(_shape(entry, form))
    return [Marked("", size, found[frame], tuple(labels[frame]), frame=frame) for frame in sorted(found)]


def _label_at(entry: Any, position: int, frame: int, file: str) -> dict[str, None]:
    """Return the label of an object that is a list of numbers; a number below 0 is none."""
    try:
        number = float(entry[position])
        if number % 1:
            raise ValueError
    except (IndexError, KeyError, TypeError, ValueError) as error:
        detail = f"frame {frame} has {str(entry)[:40]!r}; an object has the whole number of its label at {position}"
        raise SourceError("annotation unreadable", detail, file) from error
    return {str(int(number)): None} if number >= 0 else {}


def _frames(document: Any, file: str) -> Iterator[tuple[int, list[Any]]]:
    if isinstance(document, dict):
        document = next((document[name] for name in ("frames", "annotations") if name in document), document)
    if isinstance(document, dict):
        for name, objects in document.items():
            yield _number(name, file), _listed(objects)
        return
    if not isinstance(document, list) or not document:
        raise SourceError("annotation unreadable", "no frames in it; see docs/reference/recipes.md", file)
    for entry in document:
        number = next((entry[name] for name in _FRAME if name in entry), None) if isinstance(entry, dict) else None
        if number is None:
            raise SourceError(
                "annotation unreadable", f"an entry names no frame; it needs one of {', '.join(_FRAME)}", file
            )
        objects = next((entry[name] for name in _LISTS if isinstance(entry.get(name), list)), None)
        yield _number(number, file), [entry] if objects is None else objects


def _listed(objects: Any) -> list[Any]:
    if isinstance(objects, dict):
        return next((objects[name] for name in _LISTS if isinstance(objects.get(name), list)), [objects])
    return objects if isinstance(objects, list) else []


def _number(value: Any, file: str) -> int:
    """Return a frame's number; of a name such as `frame_000012.png` the last digits."""
    found = re.findall(r"\d+", str(value))
    if not found:
        raise SourceError("annotation unreadable", f"{str(value)[:40]!r} is no number of a frame", file)
    return int(found[-1])


def _shape(entry: dict[str, Any], form: str) -> Shape:
    label = next((str(entry[name]).strip() for name in _LABEL if entry.get(name) is not None), "")
    box, outline = (next((entry[name] for name in names if entry.get(name)), None) for names in
                    (("bbox", "box", "bounding_box"), ("polygon", "points")))  # fmt: skip
    try:
        if isinstance(box, dict):
            return Shape(label, "box", _named(box))
        if box is not None:
            a, b, c, d = (float(number) for number in box)
            return Shape(label, "box", ((a, b), (c, d)) if form == "xyxy" else corners(a, b, c, d))
        if outline is not None:
            return Shape(label, "polygon", pairs(outline))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return Shape(
            label, "other", name="box" if outline is None else "polygon", problem=f"{type(error).__name__}: {error}"
        )
    return Shape(label, "other", name="object", problem="it has neither a box nor a polygon")


_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
_SIZES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))


def _named(box: dict[str, Any]) -> tuple[tuple[float, float], tuple[float, float]]:
    for names in _CORNERS:
        if all(name in box for name in names):
            x1, y1, x2, y2 = (float(box[name]) for name in names)
            return (x1, y1), (x2, y2)
    for names in _SIZES:
        if all(name in box for name in names):
            return corners(*(box[name] for name in names))
    raise ValueError(f"{', '.join(box)} name no box")
