"""What every tool's file is read into: pictures, each with shapes in its own pixels."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gmai_formats.json_text import parse_json
from PIL import Image, UnidentifiedImageError

from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.fits import Size

_DECLARED_ENCODING = re.compile(rb"""\s*<\?xml[^>]*encoding=["']([\w.-]+)["'][^>]*\?>""")

Kind = Literal["box", "polygon", "circle", "ellipse", "mask", "other"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """One marked object. Coordinates are those of pixel edges: the first pixel reaches from 0 to 1."""

    label: str
    kind: Kind
    points: Sequence[Point] = ()
    """box: two opposite corners in any order; polygon: its outline; circle: centre and a point of its line; ellipse:
    centre and the two half-axes; mask: its top left corner."""
    holes: Sequence[Sequence[Point]] = ()
    """Outlines that are cut out of a polygon."""
    rotation_deg: float = 0.0
    """Rotation of a box or an ellipse about its centre, clockwise as the picture is seen."""
    runs: Sequence[int] = ()
    """Run lengths of a mask: lengths of background and mark by turns, along the rows."""
    runs_size: Size = (0, 0)
    """Width and height of that mask."""
    name: str = ""
    """What the tool calls the shape, for those that are not read."""
    problem: str = ""
    """Why it cannot be read."""
    part_of: str = ""
    """What the shapes of one object share, where it has several: those with one label and one such name."""


@dataclass(frozen=True)
class Marked:
    """One picture of an export."""

    name: str
    """Its file as the tool names it; empty where the annotation's own name tells."""
    size: Size | None = None
    shapes: Sequence[Shape] = ()
    labels: Sequence[str] = ()
    """Raw labels of the whole picture."""
    unclear: Sequence[str] = ()
    """Raw labels that are left open."""
    frame: int | None = None
    """Number of the frame where the picture is one of a video."""
    problem: tuple[str, str] | None = None
    set_aside: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


def load_json(path: Path, file: str) -> Any:
    """Return the document of a JSON file, or the list of those of its lines where it ends in `.ndjson` or `.jsonl`.

    Raises:
        SourceError: It is none.
    """
    try:
        data = path.read_bytes()
        if path.suffix.lower() in (".ndjson", ".jsonl"):
            text = data.decode(json.detect_encoding(data))
            return [parse_json(line) for line in text.split("\n") if line.strip()]
        return parse_json(data)
    except ValueError as error:
        raise SourceError("annotation unreadable", f"not JSON ({error}); download it again", file) from error


def load_entries(path: Path, file: str) -> list[dict[str, Any]]:
    """Return the objects of a list in JSON, or of the lines of JSON Lines; none where it is no list.

    Raises:
        SourceError: It is no JSON.
    """
    document: Any = load_json(path, file)
    return [entry for entry in document if isinstance(entry, dict)] if isinstance(document, list) else []


def of_every(entries: Sequence[dict[str, Any]], picture: Callable[[dict[str, Any]], Marked | None]) -> list[Marked]:
    """Return the picture of every entry; none where one of them has none, as in a file of something else."""
    found = [marked for entry in entries if (marked := picture(entry)) is not None]
    return found if len(found) == len(entries) else []


def load_xml(path: Path, file: str) -> ElementTree.Element:
    """Return the root of an XML file.

    Raises:
        SourceError: It is none, or declares entities, which is how XML bombs are built.
    """
    data = path.read_bytes()
    if b"<!ENTITY" in data or "<!ENTITY".encode("utf-16-le") in data or "<!ENTITY".encode("utf-16-be") in data:
        raise SourceError("XML unreadable", "declares entities; annotations have none", file)
    declared = _DECLARED_ENCODING.match(data)
    try:
        if declared and declared[1].lower() not in (
            b"utf-8",
            b"utf-16",
        ):  # expat knows few others: GBK, Big5, Shift JIS
            return ElementTree.fromstring(data[declared.end() :].decode(declared[1].decode()))  # noqa: S314
        return ElementTree.fromstring(data)  # noqa: S314 - entities are refused above
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise SourceError("XML unreadable", str(error), file) from error


def size_of(width: Any, height: Any) -> Size | None:
    """Return a stated size, or None where it is missing or zero, as some writers leave it."""
    try:
        size = (round(float(width)), round(float(height)))
    except (TypeError, ValueError):
        return None
    return size if min(size) > 0 else None


def corners(x: Any, y: Any, width: Any, height: Any) -> tuple[Point, Point]:
    """Return the two corners of a box of corner and size."""
    left, top = float(x), float(y)
    return (left, top), (left + float(width), top + float(height))


def pairs(points: Any) -> list[Point]:
    """Return points that are given as `[[x, y], …]` or `[{"x": x, "y": y}, …]`.

    Raises:
        ValueError, TypeError, KeyError: They are not.
    """
    return [
        (float(point["x"]), float(point["y"])) if isinstance(point, dict) else (float(point[0]), float(point[1]))
        for point in points
    ]


def open_png(data: bytes) -> Image.Image:
    """Return the picture that an annotation holds as a mask.

    Raises:
        ValueError: It is none. Pillow would name a place in memory, which is another in each build.
    """
    try:
        return Image.open(io.BytesIO(data), formats=("PNG",))
    except UnidentifiedImageError:
        raise ValueError(f"cannot identify image file: its {len(data):,} bytes are no PNG") from None
