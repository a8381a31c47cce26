"""Where an answer points: `<ref>label</ref><box>[[x1, y1, x2, y2]]</box>`, in thousandths ▶ px, mm, a drawing."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gmai_formats.errors import UserError
from gmai_formats.rows.box_text import UNIT
from PIL import Image, ImageDraw, ImageFont

Box = tuple[int, int, int, int]
COLOURS = ((255, 200, 40), (70, 200, 255), (255, 120, 190), (130, 230, 110), (255, 140, 60), (180, 150, 255))
"""Bright on the dark ground of most images, and told apart by lightness too."""
_BOXES = r"\[\s*\[\s*\d+(?:\s*,\s*\d+){3}\s*\](?:\s*,\s*\[\s*\d+(?:\s*,\s*\d+){3}\s*\])*\s*\]"
_REGION = re.compile(rf"(?:<ref>(?P<label>[^<]*)</ref>\s*)?<box>(?P<boxes>{_BOXES})</box>")
_TAG = re.compile(r"</?(?:ref|box)>")


@dataclass(frozen=True)
class Region:
    """One named region of an answer."""

    label: str
    boxes: tuple[Box, ...]
    """`x1, y1, x2, y2` in thousandths of the image's width and height."""

    def describe(self, size: tuple[int, int], pixel_mm: float | None = None) -> str:
        """Return the region in words: pixels, and millimetres where the distance of pixels is known.

        Args:
            size: Width and height of the image in px.
            pixel_mm: Side of its square pixels.
        """
        return f"{self.label or 'region'}: " + "; ".join(_words(box, size, pixel_mm) for box in self.boxes)


def find_regions(text: str) -> list[Region]:
    """Return the regions that a text names; a box that is none (reversed, beyond the image) is left out."""
    found: list[Region] = []
    for match in _REGION.finditer(text):
        boxes = tuple(tuple(box) for box in ast.literal_eval(match["boxes"]))
        whole = tuple(box for box in boxes if 0 <= box[0] < box[2] <= UNIT and 0 <= box[1] < box[3] <= UNIT)
        if whole:
            found.append(Region((match["label"] or "").strip(), whole))
    return found


def check_question(text: str) -> None:
    """Refuse a question with a tag that names no region.

    Raises:
        UserError: A tag is not part of `<ref>label</ref>`, or of `<box>[[x1, y1, x2, y2]]</box>`.
    """
    rest = re.sub(r"<ref>[^<]+</ref>", "", _REGION.sub("", text))
    if stray := _TAG.search(rest):
        raise UserError(
            f"a question holds {stray[0]} that names no region. A region is written <ref>label</ref> or "
            f"<box>[[x1, y1, x2, y2]]</box>, in thousandths of the image. Complete it, or leave the tag out."
        )


def draw_regions(image: Image.Image, regions: Sequence[Region]) -> Image.Image:
    """Return a copy of an image with the boxes as outlines; labels stand beside them, never in the image's corners."""
    drawn = image.convert("RGB")
    pen, line = ImageDraw.Draw(drawn), max(round(max(image.size) / 250), 1)
    font = ImageFont.load_default(max(round(max(image.size) / 28), 10))
    for number, region in enumerate(regions):
        colour = COLOURS[number % len(COLOURS)]
        for box in region.boxes:
            left, top, right, bottom = _pixels(box, image.size)
            pen.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=line)
            width, height = pen.textbbox((0, 0), region.label, font=font)[2:]
            x = min(max(left, 0), max(image.width - width, 0))
            y = bottom + line if bottom + line + height < image.height * 0.94 else max(top + line, 0)
            pen.text((x + line, y), region.label, fill=colour, font=font, stroke_width=line, stroke_fill=(0, 0, 0))
    return drawn


def _pixels(box: Box, size: tuple[int, int]) -> Box:
    width, height = size
    left, top, right, bottom = box
    return (
        round(left * width / UNIT), round(top * height / UNIT),
        round(right * width / UNIT), round(bottom * height / UNIT),
    )  # fmt: skip


def _words(box: Box, size: tuple[int, int], pixel_mm: float | None) -> str:
    left, top, right, bottom = _pixels(box, size)
    words = f"x {left}–{right}, y {top}–{bottom} px ({right - left}×{bottom - top} px"
    if pixel_mm is not None:
        words += f", {(right - left) * pixel_mm:.1f}×{(bottom - top) * pixel_mm:.1f} mm"
    return f"{words})"
