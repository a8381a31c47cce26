"""SuperAnnotate: a JSON file per picture (https://doc.superannotate.com/docs/vector-json).

Pixel projects keep their objects in a blue-coded PNG beside the JSON, whose `parts` are then colours.
"""

from pathlib import Path
from typing import Any

from gmai_data.sources.annotations.tools.marked import Marked, Point, Shape, load_json, size_of


def read(path: Path, file: str) -> list[Marked]:
    """Return the one picture of a file; its tags are labels of the picture.

    Raises:
        SourceError: It is no JSON.
    """
    document: Any = load_json(path, file)
    if not isinstance(document, dict) or not isinstance(document.get("instances"), list):
        return []
    about: Any = document.get("metadata")
    if not isinstance(about, dict) or "name" not in about:
        return []
    names = _class_names(path)
    shapes = [_shape(entry, names) for entry in document["instances"] if isinstance(entry, dict)]
    tags = [str(tag) for tag in document.get("tags") or []]
    size = size_of(about.get("width"), about.get("height"))
    return [Marked(str(about["name"]).replace("\\", "/"), size, shapes, tags)]


def _class_names(path: Path) -> dict[Any, str]:
    """Return number ▶ name of the classes; files of old projects have only the number."""
    for place in (path.parent / "classes" / "classes.json", path.parent.parent / "classes" / "classes.json"):
        if place.is_file():
            entries: Any = load_json(place, place.name)
            if isinstance(entries, list):
                return {entry.get("id"): str(entry.get("name", "")) for entry in entries if isinstance(entry, dict)}
    return {}


def _shape(entry: dict[str, Any], names: dict[Any, str]) -> Shape:
    label, kind = str(entry.get("className") or names.get(entry.get("classId"), "")).strip(), str(entry.get("type"))
    try:
        points: Any = entry.get("points")
        if kind == "bbox":
            return Shape(label, "box", [(float(points["x1"]), float(points["y1"])),
                                        (float(points["x2"]), float(points["y2"]))])  # fmt: skip
        if kind == "rbbox":
            corners = [(float(points[f"x{number}"]), float(points[f"y{number}"])) for number in range(1, 5)]
            return Shape(label, "polygon", corners, name=kind)
        if kind == "polygon":
            return Shape(label, "polygon", _pairs(points), [_pairs(hole) for hole in entry.get("exclude") or []])
        if kind == "ellipse":
            centre, half = (float(entry["cx"]), float(entry["cy"])), (float(entry["rx"]), float(entry["ry"]))
            return Shape(label, "ellipse", [centre, half], rotation_deg=float(entry.get("angle") or 0))
    except (KeyError, TypeError, ValueError) as error:
        return Shape(label, "other", name=kind, problem=f"{type(error).__name__}: {error}")
    return Shape(label, "other", name=kind)


def _pairs(numbers: Any) -> list[Point]:
    values = [float(number) for number in numbers]
    return list(zip(values[::2], values[1::2], strict=True))
