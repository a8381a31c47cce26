"""VGG Image Annotator 1 and 2: a project, annotations as JSON, or as CSV.

https://www.robots.ox.ac.uk/~vgg/software/via/ with code and formats at https://gitlab.com/vgg/via.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError

from gmai_data.ledger import SourceError
from gmai_data.sources.tables import read_table
from gmai_data.sources.tools.marked import Marked, Shape, corners, load_json

_SHAPE, _ABOUT = "region_shape_attributes", "region_attributes"
"""The two columns of the CSV; in JSON `shape_attributes` and `region_attributes`."""


def read(path: Path, file: str, attribute: str | None) -> list[Marked]:
    """Return the pictures of a file.

    Args:
        path: The file.
        file: The same below the root.
        attribute: The attribute of regions (and of files) that is the label; None: the only one.

    Raises:
        SourceError: It is no file of VIA 1 or 2, or regions have several attributes and none is named.
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
        raise SourceError("annotation unreadable", "a project of VIA 3; export it as COCO or from VIA 2", file)
    found: list[Entry] = []
    for entry in document.get("_via_img_metadata", document).values():
        if not isinstance(entry, dict) or "filename" not in entry or "regions" not in entry:
            return []
        regions: Any = entry["regions"]
        listed: Iterable[Any] = regions.values() if isinstance(regions, dict) else regions  # VIA 1 numbers them
        parts = [(each.get("shape_attributes") or {}, each.get(_ABOUT) or {}) for each in listed]
        found.append((str(entry["filename"]), parts, entry.get("file_attributes") or {}))
    return found


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
