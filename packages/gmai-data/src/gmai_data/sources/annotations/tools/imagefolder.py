"""`metadata.jsonl` of Hugging Face's ImageFolder, with the boxes of each picture.

https://huggingface.co/docs/datasets/image_dataset#object-detection
"""

from pathlib import Path
from typing import Any

from gmai_data.sources.annotations.tools.marked import Marked, Shape, corners, load_entries, of_every, size_of

_CATEGORIES = ("categories", "category", "label", "labels")


def read(path: Path, file: str) -> list[Marked]:
    """Return the pictures of a file; raw labels are the categories as they stand.

    Raises:
        SourceError: It is no JSON.
    """
    return of_every(load_entries(path, file), _picture)


def _picture(entry: dict[str, Any]) -> Marked | None:
    objects: Any = entry.get("objects")
    if not isinstance(entry.get("file_name"), str) or not isinstance(objects, dict):
        return None
    boxes: Any = objects.get("bbox")
    names: Any = next((objects[key] for key in _CATEGORIES if key in objects), None)
    size = size_of(entry.get("width"), entry.get("height"))
    if not isinstance(boxes, list) or not isinstance(names, list) or len(boxes) != len(names):
        problem = ("annotation unreadable", "`objects` needs `bbox` and `categories`, lists of one length")
        return Marked(entry["file_name"], size, problem=problem)
    return Marked(entry["file_name"], size, [_shape(box, str(name)) for box, name in zip(boxes, names, strict=True)])


def _shape(box: Any, label: str) -> Shape:
    try:
        x, y, width, height = box
        return Shape(label, "box", corners(x, y, width, height))
    except (TypeError, ValueError) as error:
        return Shape(label, "other", name="box", problem=f"{type(error).__name__}: {error}")
