"""What a row says beside its conversation ▶ the rules that this breaks: its pictures, their size, boxes, vocabularies.

`gmai train` reads none of these columns; it meets pictures that are missing or broken when it comes to them.
"""

import hashlib
import io
import json
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmai_formats.rows.images import FilePart, Image, InTable, read_named
from gmai_formats.rows.rules import Problem, shortened
from gmai_formats.rows.sample import Sample
from gmai_formats.rows.shapes import NEUTRAL
from gmai_formats.rows.tables import READ
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from gmai_data.publishing.image_files import OPENED
from gmai_data.vocabulary import Department, Kind, Language, Modality

FORMATS = (*OPENED, "GIF", "JPEG2000", "PPM")
"""What Pillow may try; for some of its other formats (EPS) it runs programs."""
_VOCABULARIES = {"kind": Kind, "language": Language, "modality": Modality, "department": Department}
COLUMNS = frozenset({"boxes", "provenance", *_VOCABULARIES})
"""Columns that are read here."""
KNOWN = READ | COLUMNS | NEUTRAL
"""Columns that have a meaning; any other one is counted as unknown and otherwise left alone."""
_REMEMBERED = 4096

Size = tuple[int, int]


class Pictures:
    """Decodes images to their end; the answers of the last few thousand are kept.

    Args:
        folders: Where the images are that rows name.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._known: OrderedDict[Any, Size | Problem] = OrderedDict()
        self.decoded = 0

    def look(self, image: Image) -> Size | Problem:
        """Return an image's width and height in pixels, or what is wrong with it."""
        key = hashlib.sha256(image).digest() if isinstance(image, bytes) else image
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        answer = self._decode(image)
        self._known[key] = answer
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return answer

    def _decode(self, image: Image) -> Size | Problem:
        if isinstance(image, InTable):
            return Problem("images", "the image was not read with its row")
        content = read_named(image, self._folders) if isinstance(image, str) else image
        if isinstance(content, Problem):
            return content
        self.decoded += 1
        try:
            data = content.read() if isinstance(content, FilePart) else content
            with Pillow.open(io.BytesIO(data), formats=FORMATS) as opened:
                opened.load()
                return opened.size
        except UnidentifiedImageError:  # its words name an object in memory
            return Problem("decode", "the image does not decode (of no known format)")
        except Exception as error:  # a decoder may raise anything on bytes that are no picture
            return Problem("decode", f"the image does not decode ({shortened(str(error) or type(error).__name__)})")


def problems_of(sample: Sample, row: Mapping[str, Any], pictures: Pictures) -> Iterator[Problem]:
    """Yield what is wrong with a row whose conversation is sound."""
    sizes: list[Size] = []
    for image in sample.images:
        answer = pictures.look(image)
        if isinstance(answer, Problem):
            yield answer
        else:
            sizes.append(answer)
    yield from _size(row, sizes)
    # Which of several images a box is of is not said; then it must fit the largest sides.
    limit = (max(width for width, _ in sizes), max(height for _, height in sizes)) if sizes else None
    yield from _boxes(row.get("boxes") or [], limit)
    yield from _vocabularies(row, sample)


def _size(row: Mapping[str, Any], sizes: list[Size]) -> Iterator[Problem]:
    width, height = row.get("width"), row.get("height")
    if width is None and height is None:
        return
    if not _is_number(width) or not _is_number(height):
        yield Problem("size", f"width {width!r:.40} and height {height!r:.40} are not two numbers")
    elif len(sizes) == 1 and sizes[0] != (width, height):
        yield Problem("size", "the row says {} × {} px, the image has {} × {}".format(width, height, *sizes[0]))


def _boxes(boxes: Any, limit: Size | None) -> Iterator[Problem]:
    for number, box in enumerate(boxes if isinstance(boxes, list) else [boxes], start=1):
        xyxy = box.get("xyxy") if isinstance(box, Mapping) else box
        if not isinstance(xyxy, list) or len(xyxy) != 4 or not all(map(_is_number, xyxy)):
            yield Problem("boxes", f"box {number} is {json.dumps(xyxy, default=str)[:60]}")
            continue
        x1, y1, x2, y2 = xyxy
        if not (0 <= x1 < x2 and 0 <= y1 < y2) or (limit and (x2 > limit[0] or y2 > limit[1])):
            of = f" of an image of {limit[0]} × {limit[1]} px" if limit else ""
            yield Problem("boxes", f"box {number} is [{x1}, {y1}, {x2}, {y2}]{of}")


def _vocabularies(row: Mapping[str, Any], sample: Sample) -> Iterator[Problem]:
    if "kind" not in row or "provenance" not in row:  # columns of gmai's own samples; others may mean something else
        return
    for name, allowed in _VOCABULARIES.items():
        if name not in row or (name == "modality" and row[name] is None and not sample.images):
            continue  # a text need not be of any modality
        if str(row[name]) not in list(allowed):
            yield Problem("vocabulary", f"{name} is {str(row[name])!r:.60}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
