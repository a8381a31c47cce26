"""Create ML: a JSON list of pictures, with the centre and size of each box in pixels.

https://developer.apple.com/documentation/createml/building-an-object-detector-data-source
"""

from pathlib import Path
from typing import Any

from gmai_data.sources.annotations.tools.marked import Marked, Shape, corners, load_entries, of_every


def read(path: Path, file: str) -> list[Marked]:
    """Return the pictures of a file.

    Raises:
        SourceError: It is no JSON.
    """
    return of_every(load_entries(path, file), _picture)


def _picture(entry: dict[str, Any]) -> Marked | None:
    name: Any = entry.get("image") or entry.get("imagefilename")
    marks: Any = entry.get("annotations", entry.get("annotation"))
    if not isinstance(name, str) or not isinstance(marks, list):
        return None
    objects = [mark for mark in marks if isinstance(mark, dict)]
    if any("coordinates" not in mark for mark in objects):
        return None
    return Marked(name.replace("\\", "/"), shapes=[_shape(mark) for mark in objects])


def _shape(mark: dict[str, Any]) -> Shape:
    label = str(mark.get("label", ""))
    try:
        place: Any = mark["coordinates"]
        width, height = float(place["width"]), float(place["height"])
        left, top = float(place["x"]) - width / 2, float(place["y"]) - height / 2
    except (KeyError, TypeError, ValueError) as error:
        return Shape(label, "other", name="box", problem=f"{type(error).__name__}: {error}")
    return Shape(label, "box", corners(left, top, width, height))
