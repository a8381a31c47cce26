"""Labelbox: exports of many pictures, the NDJSON of today and the JSON of before 2023.

https://docs.labelbox.com/reference/export-image-annotations
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from gmai_data.sources.annotations.tools.marked import Marked, Shape, corners, load_json, pairs, size_of


def read(path: Path, file: str) -> list[Marked]:
    """Return the pictures of a file; answers to questions about the whole picture are its labels.

    Raises:
        SourceError: It is no JSON.
    """
    document: Any = load_json(path, file)
    rows: list[Any] = document if isinstance(document, list) else [document]
    if not rows or not all(isinstance(row, dict) and ("data_row" in row or "Label" in row) for row in rows):
        return []
    return [_row(row) if "data_row" in row else _old_row(row) for row in rows]


def _row(row: dict[str, Any]) -> Marked:
    data: dict[str, Any] = row["data_row"]
    name = _name(data.get("external_id") or data.get("global_key") or data.get("row_data"))
    media: dict[str, Any] = row.get("media_attributes") or {}
    size = size_of(media.get("width"), media.get("height"))
    labels: list[Any] = [
        label for project in (row.get("projects") or {}).values() for label in project.get("labels") or []
    ]
    if not labels:
        return Marked(name, size, set_aside="not annotated")
    if len(labels) > 1:
        return Marked(name, size, problem=("annotated by several", f"{len(labels)} labels of one picture; export one"))
    found: dict[str, Any] = labels[0].get("annotations") or {}
    return Marked(name, size, [_shape(each) for each in found.get("objects") or []], _answers(found))


def _old_row(row: dict[str, Any]) -> Marked:
    name = _name(row.get("External ID") or row.get("Labeled Data"))
    label: Any = row.get("Label")
    if isinstance(label, str):
        try:
            label = json.loads(label) if label.strip().startswith("{") else {}
        except ValueError as error:
            return Marked(name, problem=("annotation unreadable", f"its Label is no JSON: {error}"))
    if row.get("Skipped") or not label:
        return Marked(name, set_aside="not annotated")
    return Marked(name, None, [_shape(each) for each in label.get("objects") or []], _answers(label))


def _name(text: Any) -> str:
    name = str(text or "")
    return PurePosixPath(unquote(urlsplit(name).path)).name if "://" in name else name.replace("\\", "/")


def _answers(found: dict[str, Any]) -> list[str]:
    answers: list[str] = []
    for question in found.get("classifications") or []:
        one: Any = question.get("radio_answer") or question.get("answer")
        many: Any = question.get("checklist_answers") or question.get("answers") or []
        answers += [_title(each) for each in ([one] if isinstance(one, dict) else []) + list(many)]
    return answers


def _title(entry: dict[str, Any]) -> str:
    return str(entry.get("name") or entry.get("title") or entry.get("value") or "").strip()


def _shape(entry: dict[str, Any]) -> Shape:
    label = _title(entry)
    box: Any = entry.get("bounding_box") or entry.get("bbox")
    try:
        if box:
            return Shape(label, "box", corners(box["left"], box["top"], box["width"], box["height"]))
        if entry.get("polygon"):
            return Shape(label, "polygon", pairs(entry["polygon"]))
    except (KeyError, TypeError, ValueError) as error:
        return Shape(label, "other", name="box" if box else "polygon", problem=f"{type(error).__name__}: {error}")
    if "mask" in entry or "composite_mask" in entry or "instanceURI" in entry:
        return Shape(
            label, "other", name="mask", problem="it lies behind an address; export polygons, or masks as files"
        )
    kind = next((kind for kind in ("point", "line") if kind in entry), str(entry.get("annotation_kind", "unknown")))
    return Shape(label, "other", name=kind)
