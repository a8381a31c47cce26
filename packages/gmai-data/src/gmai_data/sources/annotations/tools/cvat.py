"""CVAT: one XML file for many images, or for the frames of a video (https://docs.cvat.ai/docs/other/xml_format)."""

import operator
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.fits import Size
from gmai_data.sources.annotations.tools.marked import Marked, Point, Shape, load_xml, size_of

_SHAPES = ("box", "polygon", "ellipse", "mask", "polyline", "points", "cuboid", "skeleton")


def read(path: Path, file: str) -> list[Marked]:
    """Return the pictures of a file: those of `<image>`, or the frames that `<track>` marks.

    Raises:
        SourceError: It is no CVAT file.
    """
    root = load_xml(path, file)
    if root.tag != "annotations":
        return []
    if root.find("track") is not None:
        return _frames(root, file)
    return [_image(element) for element in root.iter("image")]


def _image(element: ElementTree.Element) -> Marked:
    shapes = [
        replace(_shape(child, child.get("label", "")), part_of=(child.get("group_id") or "0").lstrip("0"))
        for child in element
        if child.tag in _SHAPES
    ]
    tags = [child.get("label", "") for child in element if child.tag == "tag"]
    size = size_of(element.get("width"), element.get("height"))
    return Marked((element.get("name") or "").replace("\\", "/"), size, shapes, tags)


def _frames(root: ElementTree.Element, file: str) -> list[Marked]:
    """Return every frame of the task: what no track marks there is not there.

    Frames are numbered as in the video, of which a task may hold every n-th only (`abs_frame_id` of cvat-ai/cvat).

    Raises:
        SourceError: A frame's number is none, or is not of the task.
    """
    size = _original_size(root)
    shapes: dict[int, list[Shape]] = defaultdict(list)
    unclear: dict[int, list[str]] = defaultdict(list)
    last = 0
    for track in root.iter("track"):
        label, before, was_outside = track.get("label", ""), None, True
        marks = [(_frame(child, file), child) for child in track if child.tag in _SHAPES]
        for frame, child in sorted(marks, key=operator.itemgetter(0)):
            last = max(last, frame)
            if before is not None and not was_outside:
                for between in range(before + 1, frame):  # a file of key frames only: the tool would interpolate
                    unclear[between].append(label)
            before, was_outside = frame, child.get("outside") == "1"
            if not was_outside:
                shapes[frame].append(_shape(child, label))
    count, first, step = (_whole(_meta(root, field), least) for field, least in _TASK)
    seen = range(first, max(first + count * step, last + 1), step)
    if other := sorted({frame for frame in shapes if frame not in seen}):
        detail = (
            f"frame {other[0]} is marked, and the task has every {step}. of the video from {first} on; export it anew"
        )
        raise SourceError("frame outside of the task", detail, file)
    return [
        Marked("", size, shapes.get(frame, ()), unclear=tuple(dict.fromkeys(unclear.get(frame, ()))), frame=frame)
        for frame in seen
    ]


_TASK = (("size", 0), ("start_frame", 0), ("frame_filter", 1))
"""Fields of a task, and their least values: how many frames it has, the first, and `step=N`."""


def _frame(element: ElementTree.Element, file: str) -> int:
    number = element.get("frame", "0").strip()
    if not number.isdecimal():
        raise SourceError("annotation unreadable", f'frame="{number}" of a track is no number; export it anew', file)
    return int(number)


def _meta(root: ElementTree.Element, field: str) -> str:
    return root.findtext(f"meta/task/{field}") or root.findtext(f"meta/job/{field}") or ""


def _whole(text: str, least: int) -> int:
    number = text.strip().removeprefix("step=")
    return max(int(number), least) if number.isdecimal() else least


def _original_size(root: ElementTree.Element) -> Size | None:
    for place in ("meta/task/original_size", "meta/original_size", "meta/job/original_size"):
        element = root.find(place)
        if element is not None:
            return size_of(element.findtext("width"), element.findtext("height"))
    return None


def _shape(element: ElementTree.Element, label: str) -> Shape:
    kind = element.tag
    try:
        turned = float(element.get("rotation") or 0)
        if kind == "box":
            ends = (
                (_number(element, "xtl"), _number(element, "ytl")),
                (_number(element, "xbr"), _number(element, "ybr")),
            )
            return Shape(label, "box", ends, rotation_deg=turned)
        if kind == "polygon":
            return Shape(label, "polygon", _points(element.get("points", "")))
        if kind == "ellipse":
            centre, half = (
                (_number(element, "cx"), _number(element, "cy")),
                (_number(element, "rx"), _number(element, "ry")),
            )
            return Shape(label, "ellipse", [centre, half], rotation_deg=turned)
        if kind == "mask":
            runs = [int(run) for run in (element.get("rle") or "").split(",")]
            size = (int(_number(element, "width")), int(_number(element, "height")))
            corner = (_number(element, "left"), _number(element, "top"))
            return Shape(label, "mask", [corner], runs=runs, runs_size=size)
    except ValueError as error:
        return Shape(label, "other", name=kind, problem=str(error))
    return Shape(label, "other", name=kind)


def _number(element: ElementTree.Element, name: str) -> float:
    value = element.get(name)
    if value is None:
        raise ValueError(f"no {name}")
    return float(value)


def _points(text: str) -> list[Point]:
    points: list[Point] = []
    for pair in text.split(";"):
        x, y = pair.split(",")
        points.append((float(x), float(y)))
    return points
