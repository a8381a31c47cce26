"""Prodigy: JSON Lines with an answered task a line (https://prodi.gy/docs/api-interfaces#image_manual)."""

from pathlib import Path
from typing import Any

from gmai_data.sources.annotations.tools.marked import Marked, Shape, corners, load_entries, of_every, pairs, size_of


def read(path: Path, file: str) -> list[Marked]:
    """Return the pictures of a file; what was not accepted says nothing and is left out.

    Raises:
        SourceError: It is no JSON.
    """
    return of_every(load_entries(path, file), _picture)


def _picture(entry: dict[str, Any]) -> Marked | None:
    if "image" not in entry or "answer" not in entry:
        return None
    name = str(entry["image"])
    meta: Any = entry.get("meta") or {}
    if name.startswith("data:"):
        name = str(entry.get("path") or (meta.get("file") if isinstance(meta, dict) else "") or "")
        if not name:
            return Marked("", problem=("picture in the annotation", "it names no file; export paths of pictures"))
    if entry["answer"] != "accept":
        return Marked(name, set_aside=f"answered by {entry['answer']} in Prodigy")
    spans = [span for span in entry.get("spans") or [] if isinstance(span, dict)]
    accepted: Any = entry.get("accept") or []
    label = [str(entry["label"])] if "label" in entry else []
    tags = [*label, *map(str, accepted if isinstance(accepted, list) else [])]
    return Marked(name, size_of(entry.get("width"), entry.get("height")), [_shape(span) for span in spans], tags)


def _shape(span: dict[str, Any]) -> Shape:
    label, kind = str(span.get("label", "")), str(span.get("type") or ("rect" if "x" in span else "polygon"))
    try:
        if kind == "rect" and "x" in span:
            return Shape(label, "box", corners(span["x"], span["y"], span["width"], span["height"]))
        if kind in ("rect", "polygon", "freehand"):
            return Shape(label, "polygon", pairs(span["points"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return Shape(label, "other", name=kind, problem=f"{type(error).__name__}: {error}")
    return Shape(label, "other", name=kind)
