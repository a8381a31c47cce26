"""Where an answer points: `<ref>label</ref><box>[[x1, y1, x2, y2]]</box>`, in thousandths ▶ px, mm, a drawing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gmai_cli.console import visible
from gmai_formats.errors import UserError
from gmai_formats.rows.box_text import is_box, read_boxes, to_pixels
from gmai_formats.rows.rules import shortened
from PIL import Image, ImageDraw, ImageFont

Box = tuple[int, int, int, int]
COLOURS = ((255, 200, 40), (70, 200, 255), (255, 120, 190), (130, 230, 110), (255, 140, 60), (180, 150, 255))
"""Bright on the dark ground of most images, and told apart by lightness too."""
_REGION = re.compile(
    r"(?:<ref>(?P<label>(?:(?!</?ref>|</?box>).)*)</ref>\s*)?<box>(?P<boxes>(?:(?!</?box>).)*)</box>", re.DOTALL
)
_TAG = re.compile(r"</?(?:ref|box)>")
_LABEL = 40
"""Characters of a label that is drawn; a longer one would hide what it names."""


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
        boxes = tuple(_rounded(box) for box in read_boxes(match["boxes"]) or () if is_box(box))
        if boxes:
            found.append(Region(" ".join((match["label"] or "").split()), boxes))
    return found


def find_strays(text: str) -> list[str]:
    """Return what is no region though it looks like one: boxes reversed, beyond the image or unreadable, half tags."""
    strays: list[str] = []
    for match in _REGION.finditer(text):
        boxes = read_boxes(match["boxes"])
        wrong = [match["boxes"]] if boxes is None else [str(box) for box in boxes if not is_box(box)]
        strays += [f"<box>{shortened(words)}</box>" for words in wrong]
    rest = re.sub(r"<ref>[^<]+</ref>", "", _REGION.sub("", text))
    return strays + [stray[0] for stray in _TAG.finditer(rest)]


def places(text: str, size: tuple[int, int], pixel_mm: float | None = None) -> list[str]:
    """Return a line for each region of an answer, numbered as `draw_regions` numbers them, and one for what is none.

    Args:
        text: The answer.
        size: Width and height in px of the image that it points at.
        pixel_mm: Side of its square pixels.
    """
    regions, strays = find_regions(text), find_strays(text)
    lines = [f"{_number(index, regions)}{region.describe(size, pixel_mm)}" for index, region in enumerate(regions)]
    if strays:
        lines.append(f"not drawn, since it names no region of the image: {visible(', '.join(strays))}")
    return lines


def check_question(text: str) -> None:
    """Refuse a question with a tag that names no region.

    Raises:
        UserError: A tag is not part of `<ref>label</ref>`, or of `<box>[[x1, y1, x2, y2]]</box>`.
    """
    if strays := find_strays(text):
        raise UserError(
            f"a question holds {strays[0]} that names no region. A region is written <ref>label</ref> or "
            f"<box>[[x1, y1, x2, y2]]</box>, in thousandths of the image. Complete it, or leave the tag out."
        )


def draw_regions(image: Image.Image, regions: Sequence[Region]) -> Image.Image:
    """Return a copy of an image with the boxes as outlines; labels stand beside them, never in the image's corners.

    Several regions are numbered, as in `places`; a long label, or one that the font lacks, is its number alone.
    """
    drawn = image.convert("RGB")
    pen, line = ImageDraw.Draw(drawn), max(round(max(image.size) / 250), 1)
    font = ImageFont.load_default(max(round(max(image.size) / 28), 10))
    for index, region in enumerate(regions):
        colour = COLOURS[index % len(COLOURS)]
        words = _number(index, regions) + (region.label if _is_drawn(region.label) else "")
        for box in region.boxes:
            left, top, right, bottom = to_pixels(box, image.size)
            pen.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=line)
            width, height = pen.textbbox((0, 0), words, font=font)[2:]
            x = min(max(left, 0), max(image.width - width, 0))
            y = bottom + line if bottom + line + height < image.height * 0.94 else max(top + line, 0)
            pen.text((x + line, y), words, fill=colour, font=font, stroke_width=line, stroke_fill=(0, 0, 0))
    return drawn


def _number(index: int, regions: Sequence[Region]) -> str:
    return f"{index + 1} " if len(regions) > 1 else ""


def _is_drawn(label: str) -> bool:
    # Pillow's own font has the letters of Western Europe.
    return len(label) <= _LABEL and all(ord(letter) < 256 for letter in label)


def _rounded(box: Sequence[float]) -> Box:
    x1, y1, x2, y2 = map(round, box)
    return x1, y1, x2, y2


def _words(box: Box, size: tuple[int, int], pixel_mm: float | None) -> str:
    left, top, right, bottom = to_pixels(box, size)
    words = f"x {left}–{right}, y {top}–{bottom} px ({right - left}×{bottom - top} px"
    if pixel_mm is not None:
        words += f", {(right - left) * pixel_mm:.1f}×{(bottom - top) * pixel_mm:.1f} mm"
    return f"{words})"
