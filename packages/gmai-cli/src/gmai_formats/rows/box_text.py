"""Boxes in the checkpoint's grammar, `<box>[[x1, y1, x2, y2]]</box>` in 0–1000: written, read, checked, compared.

The truth is always half-open absolute pixels `[x1, y1, x2, y2)` of a picture of known size; read back from thousandths,
each side lies within one of them.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gmai_formats.rows.json_stream import load_strictly
from gmai_formats.rows.rules import Problem, shortened

REF_MARK, BOX_MARK = "<ref-object>", "<bbox>"
"""ms-swift's marks in a text for the next `ref` and the next `bbox` of `objects`."""
UNIT = 1000
"""What stands for the far edge."""
_BOX = re.compile(r"<box>(.*?)</box>", re.DOTALL)
_ONE_BOX = re.compile(r"<box>\[\[(\d{1,4}), (\d{1,4}), (\d{1,4}), (\d{1,4})\]\]</box>")
"""The usual case, without JSON."""
_OBJECTS = frozenset({"ref", "bbox", "bbox_type", "image_id"})
_MARKS = re.compile(f"{REF_MARK}|{BOX_MARK}")

Number = int | float
Size = tuple[int, int]


def scale(xyxy: Sequence[Number], size: tuple[Number, Number], unit: int) -> tuple[int, int, int, int]:
    """Return a box in units of the sides: a minimum rounded down and a maximum up, so that a box never loses a pixel.

    Args:
        xyxy: Half-open, in what `size` is in.
        size: Width and height.
        unit: What stands for the far edge.
    """
    (x1, y1, x2, y2), (width, height) = xyxy, size
    if not any(isinstance(number, float) for number in (*xyxy, *size)):
        return (
            int(x1 * unit // width),
            int(y1 * unit // height),
            int(-(-x2 * unit // width)),
            int(-(-y2 * unit // height)),
        )
    # 0.57 · 1000 is 569.99… in binary: nine digits are more than any pixel needs.
    lows = (math.floor(round(low * unit / side, 9)) for low, side in ((x1, width), (y1, height)))
    highs = (math.ceil(round(high * unit / side, 9)) for high, side in ((x2, width), (y2, height)))
    return (*lows, *highs)  # pyright: ignore[reportReturnType]


def box_tag(boxes: Sequence[Sequence[Number]], width: Number = UNIT, height: Number = UNIT) -> str:
    """Return `<box>[[x1, y1, x2, y2], …]</box>` of boxes in what `width` and `height` are in; else in thousandths."""
    inner = ", ".join(f"[{', '.join(map(str, scale(box, (width, height), UNIT)))}]" for box in boxes)
    return f"<box>[{inner}]</box>"


def box_text(label: str, boxes: Sequence[Sequence[Number]], width: Number = UNIT, height: Number = UNIT) -> str:
    """Return `<ref>label</ref><box>[[x1, y1, x2, y2], …]</box>`; the label must not hold `<`."""
    return f"<ref>{label}</ref>{box_tag(boxes, width, height)}"


def to_pixels(xyxy: Sequence[int], size_px: Size) -> tuple[int, int, int, int]:
    """Return a box in thousandths as pixels of a picture of `size_px`: the nearest ones, at least one each way.

    Rounding outwards, as in writing, would let a box grow with every reading.
    """
    (x1, y1, x2, y2), (width, height) = xyxy, size_px
    left, top, right, bottom = (
        (2 * number * side + UNIT) // (2 * UNIT)
        for number, side in ((x1, width), (y1, height), (x2, width), (y2, height))
    )
    left, top = min(left, width - 1), min(top, height - 1)
    return left, top, min(max(right, left + 1), width), min(max(bottom, top + 1), height)


def iou(one: Sequence[Number], other: Sequence[Number]) -> float:
    """Return the intersection over union of two boxes; 0 where one of them has no area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    areas = [max(box[2] - box[0], 0) * max(box[3] - box[1], 0) for box in (one, other)]
    common = max(width, 0) * max(height, 0)
    return common / (sum(areas) - common) if all(areas) else 0.0


def wrong_box_text(content: str) -> str | None:
    """Return what is wrong with the boxes in a text."""
    for found in _ONE_BOX.finditer(content):
        x1, y1, x2, y2 = map(int, found.groups())
        if not (x1 < x2 <= UNIT and y1 < y2 <= UNIT):
            return found[0]
    content = _ONE_BOX.sub("", content)
    if "box>" not in content:
        return None
    tags = _BOX.findall(content)
    if len(tags) != content.count("<box>") or len(tags) != content.count("</box>"):
        return "a <box> without its </box>"
    return next((f"<box>{shortened(tag)}</box>" for tag in tags if not _is_box_text(tag)), None)


def without_boxes(content: str) -> str:
    """Return a text without its boxes."""
    return _BOX.sub("", content) if "<box>" in content else content


def read_boxes(tag: str) -> list[list[Number]] | None:
    """Return the boxes between `<box>` and `</box>`, one or a list of them; None where it is no list of four numbers.

    The numbers are as they stand there: whether they lie in the image, `is_box` says.
    """
    try:
        found = json.loads(tag)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not found:
        return None
    boxes = found if isinstance(found[0], list) else [found]
    for box in boxes:
        if not (isinstance(box, list) and len(box) == 4 and all(type(number) in (int, float) for number in box)):
            return None
    return boxes


def is_box(box: Sequence[Number]) -> bool:
    """Return whether four numbers are a box in thousandths, and no shares of the sides."""
    if max(box) <= 1 and any(type(number) is float for number in box):
        return False
    x1, y1, x2, y2 = box
    return 0 <= x1 < x2 <= UNIT and 0 <= y1 < y2 <= UNIT


def _is_box_text(tag: str) -> bool:
    boxes = read_boxes(tag)
    return boxes is not None and all(map(is_box, boxes))


def with_objects(
    messages: list[dict[str, str]], objects: Any, size_of: Callable[[int], Size | Problem], n_images: int
) -> list[dict[str, str]] | Problem:
    """Return the messages with the boxes of ms-swift's `objects` in place of their marks, in the checkpoint's grammar.

    Args:
        messages: With one `<ref-object>` for each `ref` and one `<bbox>` for each `bbox`.
        objects: `ref`, `bbox` and perhaps `bbox_type` (`real`: pixels, `norm1`: shares of the sides) and `image_id`;
            also as JSON text. https://swift.readthedocs.io/en/latest/Customization/Custom-dataset.html, "Grounding".
        size_of: Number of an image of the row ▶ its width and height in pixels, or why they are not known.
        n_images: How many the row has.
    """
    if isinstance(objects, str):  # some tools keep the object as JSON, so that every row has the same type
        try:
            objects = load_strictly(objects)
        except (ValueError, RecursionError):
            return Problem("objects", "`objects` is text, not `ref` and `bbox`")
    if objects is None or objects == {}:
        objects = {"ref": [], "bbox": []}
    if not isinstance(objects, Mapping):
        return Problem("objects", "`objects` is not an object with `ref` and `bbox`")
    if others := [str(name) for name, value in objects.items() if value and name not in _OBJECTS]:
        return Problem("objects", f"{shortened(', '.join(f'`{name}`' for name in others))} of `objects` is not read")
    refs, boxes = objects.get("ref") or [], objects.get("bbox") or []
    if not isinstance(refs, list) or not isinstance(boxes, list):
        return Problem("objects", "`ref` or `bbox` is no list")
    texts = [message["content"] for message in messages]
    for mark, name, values in ((REF_MARK, "ref", refs), (BOX_MARK, "bbox", boxes)):
        count = sum(text.count(mark) for text in texts)
        if count != len(values):
            return Problem("objects", f"{count} {mark} for {len(values)} `{name}`")
    if not all(isinstance(ref, str) and ref and "<" not in ref for ref in refs):
        return Problem("objects", "a `ref` is no name")
    written = _written(boxes, objects, size_of, n_images)
    if isinstance(written, Problem):
        return written
    names, tags = iter(f"<ref>{ref}</ref>" for ref in refs), iter(written)
    filled = [_MARKS.sub(lambda mark: next(names if mark[0] == REF_MARK else tags), text) for text in texts]
    return [{**message, "content": text} for message, text in zip(messages, filled, strict=True)]


def _written(
    boxes: list[Any], objects: Mapping[str, Any], size_of: Callable[[int], Size | Problem], n_images: int
) -> list[str] | Problem:
    kind = objects.get("bbox_type") or "real"
    of_image = objects.get("image_id") or [0] * len(boxes)
    if kind not in ("real", "norm1"):
        return Problem("objects", f"`bbox_type` is {kind!r:.40}, neither real nor norm1")
    if not isinstance(of_image, list) or len(of_image) != len(boxes):
        return Problem("objects", "`image_id` has not one number for each `bbox`")
    if n_images > 1 and boxes and not objects.get("image_id") and kind == "real":
        return Problem("objects", f"which of the {n_images} images a `bbox` is of is not known without `image_id`")
    written: list[str] = []
    for box, number in zip(boxes, of_image, strict=True):
        if not isinstance(box, list) or not all(type(value) in (int, float) and math.isfinite(value) for value in box):
            return Problem("objects", "a `bbox` is no list of numbers")
        if len(box) != 4:
            return Problem("objects", f"a `bbox` has {len(box)} numbers; the checkpoint's grammar has boxes of four")
        if type(number) is not int or not 0 <= number < max(n_images, 1):
            return Problem("objects", f"`image_id` is {number!r:.40} for {n_images} images")
        size = (1, 1) if kind == "norm1" else size_of(number)
        if isinstance(size, Problem):
            return size
        x1, y1, x2, y2 = box
        if not (0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1]):
            of = "" if kind == "norm1" else f" of an image of {size[0]} × {size[1]} px"
            return Problem("objects", f"a `bbox` is [{x1}, {y1}, {x2}, {y2}]{of}")
        written.append(box_tag([scale(box, size, UNIT)]))
    return written
