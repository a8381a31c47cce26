"""Pascal's objects with outlines: `<object>` with `<polygon>`, in XML, or as the same tree in JSON.

LabelMe's web tool writes it (http://labelme.csail.mit.edu/Release3.0, `annotation/object/polygon/pt`), Roboflow and
converters of VOC with `x1, y1, x2, y2 …` in `<polygon>`.
"""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from gmai_data.sources.annotations.tools.marked import Marked, Point, Shape, load_json, load_xml, size_of


def read(path: Path, file: str) -> list[Marked]:
    """Return the one picture of a file; a box counts from 1 and includes its end, as VOC's do.

    Raises:
        SourceError: It is no XML or JSON.
    """
    document: Any = _tree(load_xml(path, file)) if path.suffix.lower() == ".xml" else load_json(path, file)
    if isinstance(document, dict) and isinstance(document.get("annotation"), dict):
        document = document["annotation"]
    if not isinstance(document, dict) or not ({"filename", "object", "objects"} & document.keys()):
        return []
    size: Any = document.get("size") or document.get("imagesize") or {}
    stated = size_of(size.get("width", size.get("ncols")), size.get("height", size.get("nrows")))
    objects: Any = document.get("object", document.get("objects")) or []
    listed = [each for each in (objects if isinstance(objects, list) else [objects]) if isinstance(each, dict)]
    shapes = [_shape(each) for each in listed if str(each.get("deleted", "0")).strip() != "1"]
    return [Marked(str(document.get("filename") or "").strip().replace("\\", "/"), stated, shapes)]


def _tree(element: ElementTree.Element) -> Any:
    """Return an element as the JSON of it would be: repeated children as a list, a leaf as its text."""
    if len(element) == 0:
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        value = _tree(child)
        if child.tag in found:
            before = found[child.tag]
            found[child.tag] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[child.tag] = value
    return found


def _shape(entry: dict[str, Any]) -> Shape:
    label = str(entry.get("name", "")).strip()
    try:
        if entry.get("polygon"):
            return Shape(label, "polygon", _outline(entry["polygon"]))
        box: Any = entry.get("bndbox") or entry.get("box")
        if box:
            x1, y1, x2, y2 = (float(box[side]) for side in ("xmin", "ymin", "xmax", "ymax"))
            return Shape(label, "box", [(max(x1 - 1, 0), max(y1 - 1, 0)), (x2, y2)])
    except (KeyError, TypeError, ValueError) as error:
        return Shape(label, "other", name="object", problem=f"{type(error).__name__}: {error}")
    return Shape(label, "other", name=next((kind for kind in ("segm", "mask", "point") if kind in entry), "nothing"))


def _outline(polygon: Any) -> list[Point]:
    """Return the points of `pt` elements, of `x1, y1, x2, y2 …`, or of a list of pairs or numbers."""
    if isinstance(polygon, list):
        numbers = [float(each) for point in polygon for each in (point if isinstance(point, list | tuple) else [point])]
        return list(zip(numbers[::2], numbers[1::2], strict=True))
    if "pt" in polygon:
        return [(float(point["x"]), float(point["y"])) for point in polygon["pt"]]
    count = sum(re.fullmatch(r"x\d+", name) is not None for name in polygon)
    return [(float(polygon[f"x{at}"]), float(polygon[f"y{at}"])) for at in range(1, count + 1)]
