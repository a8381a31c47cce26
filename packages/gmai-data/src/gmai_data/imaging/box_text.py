"""Boxes ▶ text for a model ▶ boxes again: one renderer and one parser per target format.

The truth is always the half-open absolute pixels `[x1, y1, x2, y2)` of a picture of known size. A minimum is rounded
down and a maximum up, so a box never loses a pixel; read back, each side lies within one unit of the format.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Xyxy = tuple[int, int, int, int]
Labelled = tuple[str, Xyxy]
"""(label, box)."""
Format = Literal["internvl", "thousand", "absolute"]
"""internvl: 0–1000 (InternVL, Qwen2-VL, Qwen3-VL); thousand: 0–999 (MedRegA); absolute: pixels (Qwen2.5-VL)."""

UNITS: Mapping[Format, int | None] = {"internvl": 1000, "thousand": 999, "absolute": None}
"""Format ▶ the number that stands for the far edge; None writes pixels."""

_REFERENCE = re.compile(r"<ref>([^<]*)</ref><box>\[((?:\[\d+(?:, \d+){3}\](?:, )?)+)\]</box>")
_NUMBERS = re.compile(r"\[(\d+), (\d+), (\d+), (\d+)\]")


def render(boxes: Sequence[Labelled], size_px: tuple[int, int], target: Format = "internvl") -> str:
    """Return `<ref>label</ref><box>[[x1, y1, x2, y2], …]</box>` for each label, in order of first appearance.

    Args:
        boxes: Labels must not hold `<`.
        size_px: Width and height of the picture.
        target: Units of the numbers.
    """
    by_label: dict[str, list[Xyxy]] = {}
    for label, xyxy in boxes:
        by_label.setdefault(label, []).append(xyxy)
    parts: list[str] = []
    for label, found in by_label.items():
        parts.append(f"<ref>{label}</ref>{_tag(found, size_px, UNITS[target])}")
    return "".join(parts)


def box_text(label: str, boxes: Sequence[Xyxy], width_px: int, height_px: int) -> str:
    """Return `<ref>label</ref><box>[[x1, y1, x2, y2], …]</box>` of one label in the default format."""
    return render([(label, xyxy) for xyxy in boxes], (width_px, height_px))


def box_tag(boxes: Sequence[Xyxy], width_px: int, height_px: int) -> str:
    """Return the `<box>[[x1, y1, x2, y2], …]</box>` part of `box_text`, for questions that must not name the label."""
    return _tag(boxes, (width_px, height_px), 1000)


def parse(text: str, size_px: tuple[int, int], target: Format = "internvl") -> list[Labelled]:
    """Return the boxes of a text in pixels, in its order; what is not written in the format is not found."""
    return [
        (label, _unscale((int(x1), int(y1), int(x2), int(y2)), size_px, UNITS[target]))
        for label, inner in _REFERENCE.findall(text)
        for x1, y1, x2, y2 in _NUMBERS.findall(inner)
    ]


def render_objects(boxes: Sequence[Labelled]) -> tuple[str, dict[str, Any]]:
    """Return (text with `<ref-object><bbox>` for each box, ms-swift's `objects` with absolute pixels)."""
    text = "".join("<ref-object><bbox>" for _ in boxes)
    return text, {"ref": [label for label, _ in boxes], "bbox": [list(xyxy) for _, xyxy in boxes]}


def parse_objects(objects: Mapping[str, Any]) -> list[Labelled]:
    """Return the boxes of ms-swift's `objects`.

    Raises:
        ValueError: The lists differ in length, or a box has no four numbers.
    """
    return [(str(label), _four(numbers)) for label, numbers in zip(objects["ref"], objects["bbox"], strict=True)]


_WORDS: Mapping[str, Mapping[str, Any]] = {
    "en": {
        "one": "{label}: {x1}% to {x2}% from the left, {y1}% to {y2}% from the top",
        "join": "; ",
        "read": r"([^:;]+): (\d+)% to (\d+)% from the left, (\d+)% to (\d+)% from the top",
    },
    "zh": {
        "one": "{label}：距左侧{x1}%至{x2}%，距顶部{y1}%至{y2}%",
        "join": "；",
        "read": r"([^：；]+)：距左侧(\d+)%至(\d+)%，距顶部(\d+)%至(\d+)%",
    },
}


def render_words(boxes: Sequence[Labelled], size_px: tuple[int, int], language: Literal["en", "zh"] = "en") -> str:
    """Return the boxes in plain words, in whole per cent of the width and height.

    Args:
        boxes: Labels must not hold the language's colon or semicolon.
        size_px: Width and height of the picture.
        language: `en` or `zh`.
    """
    words = _WORDS[language]
    lines: list[str] = []
    for label, xyxy in boxes:
        x1, y1, x2, y2 = _scale(xyxy, size_px, 100)
        lines.append(words["one"].format(label=label, x1=x1, y1=y1, x2=x2, y2=y2))
    return words["join"].join(lines)


def parse_words(text: str, size_px: tuple[int, int], language: Literal["en", "zh"] = "en") -> list[Labelled]:
    """Return the boxes of `render_words` in pixels."""
    return [
        (label.strip(), _unscale((int(x1), int(y1), int(x2), int(y2)), size_px, 100))
        for label, x1, x2, y1, y2 in re.findall(_WORDS[language]["read"], text)
    ]


def _tag(boxes: Sequence[Xyxy], size_px: tuple[int, int], unit: int | None) -> str:
    inner = ", ".join(f"[{', '.join(map(str, _scale(xyxy, size_px, unit)))}]" for xyxy in boxes)
    return f"<box>[{inner}]</box>"


def _scale(xyxy: Xyxy, size_px: tuple[int, int], unit: int | None) -> Xyxy:
    if unit is None:
        return xyxy
    (x1, y1, x2, y2), (width, height) = xyxy, size_px
    # Rounding down and up keeps x1 below x2, however small the box.
    return x1 * unit // width, y1 * unit // height, -(-x2 * unit // width), -(-y2 * unit // height)


def _unscale(xyxy: Xyxy, size_px: tuple[int, int], unit: int | None) -> Xyxy:
    if unit is None:
        return xyxy
    (x1, y1, x2, y2), (width, height) = xyxy, size_px
    # To the nearest pixel: rounding outwards again would let a box grow with every reading.
    left, top = (2 * x1 * width + unit) // (2 * unit), (2 * y1 * height + unit) // (2 * unit)
    right, bottom = (2 * x2 * width + unit) // (2 * unit), (2 * y2 * height + unit) // (2 * unit)
    left, top = min(left, width - 1), min(top, height - 1)
    return left, top, min(max(right, left + 1), width), min(max(bottom, top + 1), height)


def _four(numbers: Any) -> Xyxy:
    x1, y1, x2, y2 = (int(number) for number in numbers)
    return x1, y1, x2, y2
