"""A row of any of the formats ▶ one form: messages, images, boxes, and what could not be understood."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gmai_data.validation.rules import Problem

ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}
"""LLaVA's `from`, or a role ▶ the role."""

KNOWN = frozenset({
    "id", "parent_id", "images", "image", "messages", "conversations", "kind", "language", "modality", "department",
    "labels", "boxes", "source", "license", "split", "provenance", "width", "height", "objects", "system",
})  # fmt: skip
"""Columns that are read here; any other one is counted as unknown and otherwise left alone."""

ImageSource = bytes | str
"""The encoded picture, or its path."""
Number = int | float


@dataclass
class Row:
    """One conversation, wherever it was read.

    Attributes:
        id: As text; None where the row has none.
        messages: (role, content); `content` has one `<image>` for each picture.
        images: In the order of the placeholders.
        boxes: The column `boxes`: absolute pixels.
        objects: ms-swift's `objects`; None where there are none.
        size_px: What the row says its image measures.
        values: The closed vocabularies' columns as they are.
        unknown: Columns that nothing here reads.
        problems: What could not be understood.
    """

    id: str | None = None
    messages: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    images: list[ImageSource] = field(default_factory=list[ImageSource])
    boxes: list[list[Number]] = field(default_factory=list[list[Number]])
    objects: Mapping[str, Any] | None = None
    size_px: tuple[Number, Number] | None = None
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    unknown: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list[Problem])


def row_of(value: Any) -> Row:
    """Return a row as it stands in Parquet, JSON or a WebDataset, in the one form; it never raises."""
    if not isinstance(value, Mapping):
        return Row(
            problems=[Problem("columns", f"a row is an object with `messages` or `conversations`, not {_kind(value)}")]
        )
    row = Row(unknown=frozenset(map(str, value.keys() - KNOWN)))
    if value.get("id") is not None:
        row.id = str(value["id"])
    _read_messages(value, row)
    _read_images(value, row)
    _read_boxes(value, row)
    width, height = value.get("width"), value.get("height")
    if isinstance(width, int | float) and isinstance(height, int | float):
        row.size_px = (width, height)
    elif width is not None or height is not None:
        row.problems.append(Problem("size", f"width {width!r:.40} and height {height!r:.40} are not two numbers"))
    if "kind" in value and "provenance" in value:
        columns = [name for name in ("kind", "language", "modality", "department") if name in value]
        if value.get("modality") is None and not row.images and "modality" in columns:
            columns.remove("modality")  # a text need not be of any
        row.values = {name: str(value[name]) for name in columns}
    return row


def _read_messages(value: Mapping[str, Any], row: Row) -> None:
    column, who, what = ("messages", "role", "content") if "messages" in value else ("conversations", "from", "value")
    turns = value.get(column)
    if not isinstance(turns, Sequence) or isinstance(turns, str):
        row.problems.append(Problem("columns", f"`{column}` is {_kind(turns)}, not a list of messages"))
        return
    if isinstance(value.get("system"), str) and value["system"]:
        row.messages.append(("system", value["system"]))
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, Mapping) or who not in turn or what not in turn:
            row.problems.append(Problem("messages", f"message {number} has no `{who}` and `{what}`"))
            continue
        role = ROLES.get(str(turn[who]))
        if role is None:
            row.problems.append(Problem("roles", f"message {number} is from {str(turn[who])!r:.40}"))
        content = _text(turn[what])
        if content is None:
            row.problems.append(Problem("messages", f"message {number} is {_kind(turn[what])}, not text"))
        row.messages.append((role or "", content or ""))


def _text(content: Any) -> str | None:
    """Return a message's text; one in parts (`{"type": "text" | "image"}`) is put together."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content and all(isinstance(part, Mapping) for part in content):
        parts = [part.get("text") if part.get("type") == "text" else "<image>" for part in content]
        return "".join(parts) if all(isinstance(part, str) for part in parts) else None
    return None


def _read_images(value: Mapping[str, Any], row: Row) -> None:
    found = value["images"] if value.get("images") is not None else value.get("image")
    if found is None or found == "":
        return
    for number, image in enumerate(found if isinstance(found, list) else [found], start=1):
        if isinstance(image, Mapping):
            image = image["bytes"] if image.get("bytes") is not None else image.get("path")
        if isinstance(image, bytes | str) and image:
            row.images.append(image)
        else:
            row.problems.append(Problem("images", f"image {number} is neither a picture nor a path"))


def _read_boxes(value: Mapping[str, Any], row: Row) -> None:
    for number, box in enumerate(value.get("boxes") or [], start=1):
        xyxy = box.get("xyxy") if isinstance(box, Mapping) else box
        if isinstance(xyxy, list) and len(xyxy) == 4 and all(map(_is_number, xyxy)):
            row.boxes.append(xyxy)
        else:
            row.problems.append(Problem("boxes", f"box {number} is {json.dumps(xyxy, default=str)[:60]}"))
    objects = value.get("objects")
    if isinstance(objects, str):  # some tools keep the object as JSON, so that every row has the same type
        try:
            objects = json.loads(objects)
        except ValueError:
            objects = [objects]
    if isinstance(objects, Mapping):
        row.objects = objects
    elif objects is not None:
        row.problems.append(Problem("objects", f"`objects` is {_kind(objects)}, not `ref` and `bbox`"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _kind(value: Any) -> str:
    names = {
        list: "a list",
        dict: "an object",
        str: "text",
        bytes: "bytes",
        bool: "true or false",
        type(None): "missing",
    }
    return names.get(type(value), "a number")
