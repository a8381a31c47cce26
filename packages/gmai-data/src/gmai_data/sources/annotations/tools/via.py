"""VGG Image Annotator 1 and 2: a project, annotations as JSON, or as CSV; of version 3 a project.

https://www.robots.ox.ac.uk/~vgg/software/via/ with code and formats at https://gitlab.com/vgg/via.
The project of version 3: https://gitlab.com/vgg/via/-/blob/master/via-3.x.y/CodeDoc.md.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError

from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.tools.marked import Marked, Shape, corners, load_json
from gmai_data.sources.files.tables import read_table

_SHAPE, _ABOUT = "region_shape_attributes", "region_attributes"
"""The two columns of the CSV; in JSON `shape_attributes` and `region_attributes`."""


def read(path: Path, file: str, attribute: str | None) -> list[Marked]:
    """Return the pictures of a file.

    Args:
        path: The file.
        file: The same below the root.
        attribute: The attribute of regions (and of files) that is the label; None: the only one.

    Raises:
        SourceError: It is no file of VIA, or regions have several attributes and none is named.
    """
    entries = _of_table(path, file) if path.suffix.lower() == ".csv" else _of_json(load_json(path, file), file)
    if attribute is None:
        names = {
            name for _, regions, about in entries for part in (about, *(each[1] for each in regions)) for name in part
        }
        if len(names) > 1:
            detail = f"regions and files have {', '.join(sorted(names))}; name one as `label_attribute` in the layout"
            raise SourceError("several attributes", detail, file)
        attribute = next(iter(names), "")
    return [
        Marked(
            name,
            None,
            [_shape(shape, label) for shape, about in regions for label in _labels(about.get(attribute)) or [""]],
            _labels(about.get(attribute)),
        )
        for name, regions, about in entries
    ]


Entry = tuple[str, list[tuple[dict[str, Any], dict[str, Any]]], dict[str, Any]]


def _of_json(document: Any, file: str) -> list[Entry]:
    if not isinstance(document, dict):
        return []
    if "project" in document and "metadata" in document:
        return list(_of_project(document, file))
    found: list[Entry] = []
    for entry in document.get("_via_img_metadata", document).values():
        if not isinstance(entry, dict) or "filename" not in entry or "regions" not in entry:
            return []
        regions: Any = entry["regions"]
        listed: Iterable[Any] = regions.values() if isinstance(regions, dict) else regions  # VIA 1 numbers them
        parts = [(each.get("shape_attributes") or {}, each.get(_ABOUT) or {}) for each in listed]
        found.append((str(entry["filename"]), parts, entry.get("file_attributes") or {}))
    return found


_IMAGE, _CHECKBOX = 2, 2
"""Type of a file, and of an attribute, in version 3."""
_NUMBERED = {1: "point", 2: "rect", 3: "circle", 4: "ellipse", 5: "line", 6: "polyline", 7: "polygon"}
_EXTREME_RECTANGLE, _EXTREME_CIRCLE = 8, 9


def _of_project(project: dict[str, Any], file: str) -> Iterator[Entry]:
    """Yield the pictures of a project of version 3, in the words of version 2."""
    try:
        attributes = {str(number): each for number, each in project["attribute"].items()}
        views = {str(number): [str(each) for each in view["fid_list"]] for number, view in project["view"].items()}
        found: dict[str, Entry] = {}
        for number, each in project["file"].items():
            if each["type"] != _IMAGE:
                detail = f'"{each["fname"]}" is no image: regions of a video stand at seconds; export its frames'
                raise SourceError("annotation unreadable", detail, file)
            found[str(number)] = (str(each["fname"]), [], {})
        for mark in project["metadata"].values():
            files = views[str(mark["vid"])]
            if len(files) != 1:
                raise SourceError("annotation unreadable", f"a view of {len(files)} pictures; give each its own", file)
            values = dict(_value_of(attributes[str(number)], value) for number, value in mark["av"].items())
            _, regions, about = found[files[0]]
            if mark["xy"]:
                regions.append((_shape_attributes([float(number) for number in mark["xy"]]), values))
            else:
                about.update(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        detail = f"no project of VIA 3: {type(error).__name__} {error}"
        raise SourceError("annotation unreadable", detail, file) from error
    yield from found.values()


def _value_of(attribute: dict[str, Any], value: Any) -> tuple[str, Any]:
    """Return (name of an attribute, its value); the options of a list are named by their keys."""
    options = {str(key): str(text) for key, text in (attribute.get("options") or {}).items()}
    if attribute.get("type") == _CHECKBOX:
        return str(attribute["aname"]), {options.get(key, key): True for key in str(value).split(",") if key}
    return str(attribute["aname"]), options.get(str(value), value)


def _shape_attributes(numbers: list[float]) -> dict[str, Any]:
    kind, (xs, ys) = int(numbers[0]), (numbers[1::2], numbers[2::2])
    if kind == _EXTREME_RECTANGLE:
        left, top = min(xs), min(ys)
        return {"name": "rect", "x": left, "y": top, "width": max(xs) - left, "height": max(ys) - top}
    if kind == _EXTREME_CIRCLE:
        a, b, c = (complex(x, y) for x, y in zip(xs, ys, strict=True))
        # The centre of a circle through three points, where a is the origin of the plane.
        b, c = b - a, c - a
        cross = (b.conjugate() * c).imag
        if cross == 0:
            raise ValueError("three points of a circle on one line")
        centre = 1j * (b * abs(c) ** 2 - c * abs(b) ** 2) / (2 * cross)
        return {"name": "circle", "cx": (a + centre).real, "cy": (a + centre).imag, "r": abs(centre)}
    names = {2: ("x", "y", "width", "height"), 3: ("cx", "cy", "r"), 4: ("cx", "cy", "rx", "ry")}.get(kind, ())
    found: dict[str, Any] = {"name": _NUMBERED.get(kind, f"shape {kind}"), "all_points_x": xs, "all_points_y": ys}
    return {**found, **dict(zip(names, numbers[1:], strict=bool(names)))}


def _of_table(path: Path, file: str) -> list[Entry]:
    try:
        names, rows = read_table(path, lambda names: _SHAPE in names)
        if _SHAPE not in names:
            return []
        found: dict[str, Entry] = {}
        for number, row, _ in rows:
            name = row.get("filename") or row.get("#filename") or ""  # VIA 1 writes the sign
            shape, about, of_file = (
                _object(row.get(each, ""), number, file) for each in (_SHAPE, _ABOUT, "file_attributes")
            )
            _, regions, _ = found.setdefault(name, (name, [], of_file))
            if shape:
                regions.append((shape, about))
    except UserError as error:
        raise SourceError("annotation unreadable", str(error), file) from error
    return list(found.values())


def _object(cell: str, number: int, file: str) -> dict[str, Any]:
    try:
        value = json.loads(cell) if cell else {}
    except ValueError as error:
        raise SourceError("annotation unreadable", f"data row {number}: {error}", file) from error
    return value if isinstance(value, dict) else {}


def _labels(value: Any) -> list[str]:
    """Return the labels of an attribute: a text, or the boxes that are ticked."""
    if isinstance(value, dict):
        return [str(name) for name, is_set in value.items() if is_set]
    text = "" if value is None else str(value).strip()
    return [text] if text else []


def _shape(shape: dict[str, Any], label: str) -> Shape:
    kind = str(shape.get("name", ""))
    try:
        if kind == "rect":
            return Shape(label, "box", corners(shape["x"], shape["y"], shape["width"], shape["height"]))
        if kind == "polygon":
            xs, ys = shape["all_points_x"], shape["all_points_y"]
            return Shape(label, "polygon", [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)])
        if kind in ("circle", "ellipse"):
            centre = (float(shape["cx"]), float(shape["cy"]))
            rx, ry = ("r", "r") if kind == "circle" else ("rx", "ry")
            half = (float(shape[rx]), float(shape[ry]))
            turned = math.degrees(float(shape.get("theta") or 0))
            return Shape(label, "ellipse", [centre, half], rotation_deg=turned)
    except (KeyError, TypeError, ValueError) as error:
        return Shape(label, "other", name=kind, problem=f"{type(error).__name__}: {error}")
    return Shape(label, "other", name=kind)
