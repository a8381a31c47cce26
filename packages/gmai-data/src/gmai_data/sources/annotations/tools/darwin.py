"""V7 Darwin: a JSON file per picture, version 2 (https://docs.v7labs.com/reference/darwin-json) or 1.

An annotation has its place under the name of its kind, and beside a polygon the box of it. Files of videos, volumes and
slides have several slots or frames, and are refused.
"""

from pathlib import Path
from typing import Any

import numpy as np
from gmai_formats.pictures.picture import MAX_PIXELS

from gmai_data.sources.annotations.run_lengths import runs_of
from gmai_data.sources.annotations.tools.marked import Marked, Shape, corners, load_json, pairs, size_of

_KINDS = (
    "polygon", "complex_polygon", "ellipse", "line", "keypoint", "skeleton", "cuboid", "graph", "eye", "table",
    "simple_table", "string", "link",
)  # fmt: skip
"""Kinds beside which an annotation may state its box."""


def read(path: Path, file: str) -> list[Marked]:
    """Return the one picture of a file; its tags are labels of the picture.

    Raises:
        SourceError: It is no JSON.
    """
    document: Any = load_json(path, file)
    if not isinstance(document, dict) or not isinstance(document.get("annotations"), list):
        return []
    item: Any = document.get("item")
    if isinstance(item, dict) and isinstance(item.get("slots"), list):
        slots: list[Any] = item["slots"]
        # The file of a slot is called as on the annotator's disk; the item may have been renamed.
        of_slot: Any = (slots[0].get("source_files") or [{}])[0] if len(slots) == 1 else {}
        name = str(of_slot.get("file_name") if isinstance(of_slot, dict) and of_slot.get("file_name") else item["name"])
        if len(slots) != 1 or slots[0].get("type") not in (None, "image"):
            kinds = ", ".join(sorted({str(slot.get("type")) for slot in slots}))
            return [Marked(name, problem=("several pictures", f"{len(slots)} slot(s) of {kinds}; export images"))]
        size = size_of(slots[0].get("width"), slots[0].get("height"))
    elif isinstance(image := document.get("image"), dict) and "filename" in image:
        name = str(image.get("original_filename") or image["filename"])
        size = size_of(image.get("width"), image.get("height"))
    else:
        return []
    entries = [entry for entry in document["annotations"] if isinstance(entry, dict)]
    if any("frames" in entry for entry in entries):
        return [Marked(name, problem=("several pictures", "the frames of a video; export images"))]
    tags = [str(entry.get("name", "")).strip() for entry in entries if "tag" in entry]
    names = {entry.get("id"): str(entry.get("name", "")).strip() for entry in entries}
    shapes = [shape for entry in entries if "tag" not in entry for shape in _shapes(entry, names, size)]
    return [Marked(name.replace("\\", "/"), size, shapes, tags)]


def _shapes(entry: dict[str, Any], names: dict[Any, str], size: tuple[int, int] | None) -> list[Shape]:
    label = str(entry.get("name", "")).strip()
    kind = next((kind for kind in _KINDS if kind in entry), "bounding_box")
    try:
        if "raster_layer" in entry:
            kind = "raster_layer"
            return _masks(entry["raster_layer"], names, size)
        if "mask" in entry:
            return []  # its pixels stand in the raster layer
        if kind in ("polygon", "complex_polygon"):
            paths: Any = entry[kind].get("paths") or entry[kind]["path"]
            outlines = paths if paths and isinstance(paths[0], list) else [paths]
            return [Shape(label, "polygon", pairs(outlines[0]), [pairs(hole) for hole in outlines[1:]])]
        if kind == "ellipse":
            place = entry[kind]
            centre, half = ((float(place[part]["x"]), float(place[part]["y"])) for part in ("center", "radius"))
            turned = float(np.rad2deg(float(place.get("angle") or 0)))
            return [Shape(label, "ellipse", [centre, half], rotation_deg=turned)]
        if kind == "bounding_box":
            box = entry[kind]
            return [Shape(label, "box", corners(box["x"], box["y"], box["w"], box["h"]))]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return [Shape(label, "other", name=kind, problem=f"{type(error).__name__}: {error}")]
    return [Shape(label, "other", name=kind)]


def _masks(layer: Any, names: dict[Any, str], size: tuple[int, int] | None) -> list[Shape]:
    """Return the objects of a raster layer: `value, count, value, count …` along the rows, and whose each value is."""
    if size is None or size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"the picture is stated to be {size}, of {MAX_PIXELS} pixels at most")
    runs = np.asarray(layer["dense_rle"], np.int64)
    lengths = runs[1::2]
    if lengths.min(initial=0) < 0 or int(lengths.sum()) != size[0] * size[1]:
        raise ValueError(f"its runs add up to {int(lengths.sum())} pixels of {size[0]}×{size[1]}")
    values = np.repeat(runs[::2], lengths)
    return [
        Shape(names[number], "mask", [(0.0, 0.0)], runs=runs_of(values == value), runs_size=size)
        for number, value in layer["mask_annotation_ids_mapping"].items()
    ]
