"""OsiriX and Horos: a property list per picture with its regions of interest (https://www.osirix-viewer.com)."""

import plistlib
import re
from pathlib import Path
from typing import Any

from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.tools.marked import Marked, Shape

_POINT = re.compile(r"\(\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*,\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*\)", re.IGNORECASE)


def read(path: Path, file: str) -> list[Marked]:
    """Return the one picture of a file, which is called as the file is.

    A region of three points or more is an outline in pixels; one of fewer is a point or a line without an area.

    Raises:
        SourceError: It is no property list in XML, or of several pictures.
    """
    data = path.read_bytes()
    if b"<plist" not in data:
        return []
    try:
        document: Any = plistlib.loads(data, fmt=plistlib.FMT_XML)
        pictures: list[dict[str, Any]] = document["Images"]
        regions: list[dict[str, Any]] = [region for picture in pictures for region in picture["ROIs"]]
        shapes = [_shape(region) for region in regions]
    except Exception as error:  # plistlib raises what expat and its converters do
        raise SourceError(
            "annotation unreadable", f"no regions of OsiriX ({error}); export them again", file
        ) from error
    if len({picture.get("ImageIndex", 0) for picture in pictures}) > 1:
        raise SourceError("annotation unreadable", "regions of several slices; export them slice by slice", file)
    return [Marked("", None, shapes)]


def _shape(region: dict[str, Any]) -> Shape:
    label = str(region.get("Name", "")).strip()
    points = [(float(x), float(y)) for point in region.get("Point_px", []) for x, y in _POINT.findall(str(point))]
    if len(points) != len(region.get("Point_px", [])):
        return Shape(label, "other", name="region", problem="a point of it is no pair of numbers")
    if len(points) < 3:
        return Shape(label, "other", name="point" if len(points) == 1 else "line")
    # OsiriX counts from the middle of the first pixel, which here reaches from 0 to 1.
    return Shape(label, "polygon", [(x + 0.5, y + 0.5) for x, y in points])
