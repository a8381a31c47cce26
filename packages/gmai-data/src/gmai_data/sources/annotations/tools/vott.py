"""VoTT: one JSON file for many images, or one for each (https://github.com/microsoft/VoTT)."""

from pathlib import Path
from typing import Any

from gmai_data.sources.annotations.tools.marked import Marked, Shape, corners, load_json, pairs, size_of

_NOT_VISITED, _TAGGED = 0, 2
"""States of an asset; 1 is one that was looked at and has no tag."""
_IMAGE = 1


def read(path: Path, file: str) -> list[Marked]:
    """Return the pictures of a file; those that nobody tagged may have anything and are left out.

    Raises:
        SourceError: It is no JSON.
    """
    document: Any = load_json(path, file)
    if not isinstance(document, dict):
        return []
    assets: Any = document.get("assets")
    if isinstance(document.get("asset"), dict) and isinstance(document.get("regions"), list):
        return [_picture(document)]
    if not isinstance(assets, dict):
        return []
    entries = [entry for entry in assets.values() if isinstance(entry, dict) and isinstance(entry.get("asset"), dict)]
    return [_picture(entry) for entry in entries]


def _picture(entry: dict[str, Any]) -> Marked:
    asset: dict[str, Any] = entry["asset"]
    name = str(asset.get("name", ""))
    if asset.get("type", _IMAGE) != _IMAGE:
        return Marked(name, problem=("several pictures", "a frame of a video; export images"))
    size: Any = asset.get("size") or {}
    regions = [region for region in entry.get("regions") or [] if isinstance(region, dict)]
    shapes = [_shape(region, str(tag)) for region in regions for tag in region.get("tags") or [""]]
    untagged = not shapes and asset.get("state", _NOT_VISITED) != _TAGGED
    return Marked(
        name, size_of(size.get("width"), size.get("height")), shapes, set_aside="not tagged in VoTT" if untagged else ""
    )


def _shape(region: dict[str, Any], label: str) -> Shape:
    kind = str(region.get("type", "")).upper()
    try:
        if kind in ("RECTANGLE", "SQUARE"):
            box: Any = region["boundingBox"]
            return Shape(label, "box", corners(box["left"], box["top"], box["width"], box["height"]))
        if kind == "POLYGON":
            return Shape(label, "polygon", pairs(region["points"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return Shape(label, "other", name=kind.lower(), problem=f"{type(error).__name__}: {error}")
    return Shape(label, "other", name=kind.lower() or "shape")
