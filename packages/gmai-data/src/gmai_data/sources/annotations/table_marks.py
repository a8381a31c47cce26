"""Boxes and run lengths in the cells of a table: where they stand, and what they mean."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.agreement import PixelBox, agreed_pixels
from gmai_data.sources.annotations.fits import Size
from gmai_data.sources.annotations.marked_picture import MarkedPicture
from gmai_data.sources.annotations.pixel_boxes import whole_pixels

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
EMPTY = ("", "-1", "nan", "none", "null", "[]")
"""Cells, in lower case, that say that there is no box or mask."""


DISAGREED = "readers marked no common place"


LISTED = {"label confidence box": (0, 1), "confidence box": (None, 0), "label box": (0, None)}
"""Words of an object in a cell that lists several ▶ places of its label and its confidence; its box comes last."""
_STANDS_FOR_NONE = (0.0, 0.0, 1.0, 1.0)
"""The box of Kaggle's that marks nothing: its label is one of the whole picture, such as `none 1 0 0 1 1`."""


@dataclass(frozen=True)
class Listed:
    """One object of a cell that lists several."""

    label: str
    confidence: float
    cells: list[str]
    """The four numbers of its box; none where it is about the whole picture."""


class TableMarks(BaseModel):
    """Boxes or masks in a table, one a row, or listed in a cell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    box: tuple[str, ...] = ()
    """The four columns of a box, or one column whose cells hold the four numbers of a box, or of several: as
    `[x, y, w, h]`, `x y w h`, or with names, `[{'x': 1, 'y': 2, 'width': 3, 'height': 4}]`."""
    form: Literal["xywh", "xyxy", "yxyx", "cxcywh"] = "xywh"
    """What the numbers are: corner and size, two corners (`yxyx`: rows first), or centre and size."""
    unit: Literal["pixels", "shares", "percent"] = "pixels"
    """pixels; or shares (0 to 1) or percent of the picture's width and height."""
    decimal: Literal[".", ","] = "."
    """Decimal mark of the four columns of a box."""
    ends: Literal["excluded", "included"] = "excluded"
    """Whether the last row and column that a box names still belong to it (two corners, in pixels)."""
    objects: str | None = None
    """Column whose cells list a picture's objects one after another, as Kaggle's `PredictionString`:
    `0 1.0 10 20 40 50 3 0.9 50 10 70 30`. A box `0 0 1 1` in pixels is none: its label is one of the whole picture."""
    words: Literal["label confidence box", "confidence box", "label box"] = "label confidence box"
    """What the words of an object are. Without a label it is that of the row, or of `labels_of_every_image`."""
    min_confidence: float = Field(default=1.0, ge=0, le=1)
    """An object of less confidence is a model's guess and no annotation: its box is dropped, its label left open."""
    run_lengths: str | None = None
    """Column with run lengths: pairs of start and length."""
    order: Literal["columns", "rows"] = "columns"
    """How run lengths count the pixels: down each column, as Kaggle's do, or along each row."""
    first: Literal[0, 1] | None = None
    """Number of the first pixel, of run lengths and of boxes in pixels; None: 1 for run lengths, 0 for boxes."""
    relative: bool = False
    """A start counts from the end of the run before it, as in SIIM-ACR."""
    reader: str | None = None
    """Column with the reader of a row, for tables in which several mark each picture: a pixel counts that `readers` of
    the layout marked, and a label that so many saw. A second table without the column has what they agreed on."""
    width: str | None = None
    """Column with the width of the picture that was annotated, held against the picture's."""
    height: str | None = None
    """Column with its height."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(map(bool, (self.box, self.run_lengths, self.objects))) != 1:
            raise ValueError(
                "give one of box (columns of boxes), run_lengths (a column of masks) and objects (a column of lists)"
            )
        if len(self.box) not in (0, 1, 4):
            raise ValueError(f"box names {len(self.box)} columns; give the four of a box, or one with four numbers")
        if self.decimal == "," and len(self.box) != 4:
            raise ValueError("decimal is for the four columns of a box; in one cell a comma separates the numbers")
        if self.ends == "included" and (self.form not in ("xyxy", "yxyx") or self.unit != "pixels"):
            raise ValueError("ends: included is for boxes of two corners in pixels")
        if self.first == 1 and not self.run_lengths and self.unit != "pixels":
            raise ValueError("first: 1 is for boxes in pixels")
        if self.reader is not None and not self.box:
            raise ValueError("readers are compared by their boxes; run lengths of several are not put together")
        if (self.width is None) != (self.height is None):
            raise ValueError("give both width and height, or none")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Return every column that is read."""
        columns = (*self.box, self.run_lengths, self.objects, self.width, self.height)
        return tuple(column for column in columns if column is not None)

    def mark(self, row: Mapping[str, str | None]) -> dict[str, Any] | None:
        """Return what a row marks, as it stands, or None where it marks nothing."""
        cells = [(row[column] or "").strip() for column in self.box or (self.run_lengths or self.objects or "",)]
        return None if all(cell.lower() in EMPTY for cell in cells) else {"cells": cells}

    def listed(self, cell: str) -> list["Listed"] | None:
        """Return the objects of a cell that lists them, or None where its words are no such list."""
        label, confidence = LISTED[self.words]
        found: list[Listed] = []
        words, count = cell.split(), len(self.words.split()) + 3
        if len(words) % count:
            return None
        for start in range(0, len(words), count):
            each = words[start : start + count]
            try:
                box = tuple(float(word) for word in each[-4:])
                sure = 1.0 if confidence is None else float(each[confidence])
            except ValueError:
                return None
            if not all(map(math.isfinite, box)) or not 0 <= sure <= 1:
                return None
            is_none = self.unit == "pixels" and box == _STANDS_FOR_NONE
            found.append(Listed("" if label is None else each[label], sure, [] if is_none else each[-4:]))
        return found

    def stated_size(self, row: Mapping[str, str | None]) -> list[int] | None:
        """Return [width, height] as the row states them, or None."""
        if self.width is None or self.height is None:
            return None
        try:
            size = [int(float(row[column] or "")) for column in (self.width, self.height)]
        except ValueError:
            return None
        return size if min(size) > 0 else None

    def add(self, picture: MarkedPicture, raw: str, mark: Mapping[str, Any], where: str, file: str) -> None:
        """Add what a row marks to its picture; what cannot be used goes to the quarantine, its label stays."""
        try:
            if self.run_lengths is not None:
                mask = self._mask(mark["cells"][0], picture.fit.annotated, where, file)
                picture.add_mask(raw, picture.fit.mask(mask))
                return
            if mark.get("confidence", 1.0) < self.min_confidence:
                picture.drop_box(raw, f"confidence below {self.min_confidence:g}")
                return
            boxes = self._boxes(mark["cells"], where, file)
        except SourceError as problem:
            if problem.rule == "label not in the map":
                raise
            picture.refuse_box(raw, problem)
            return
        for box in boxes:
            picture.add_box(raw, self._corners(box, picture.fit.annotated), where)

    def add_agreed(
        self, picture: MarkedPicture, raw: str, marks: Sequence[Mapping[str, Any]], readers: int, file: str
    ) -> None:
        """Add the regions of a label that lie in boxes of so many readers; where there is none, its label holds.

        Args:
            picture: Takes the boxes.
            raw: The label.
            marks: What the rows of the label mark, each with its `reader` and `row`.
            readers: How many must have marked a pixel.
            file: Is named in the reasons.
        """
        boxes: dict[str, list[PixelBox]] = {}
        for mark in marks:
            where = f"data row {mark['row']}"
            try:
                for box in self._boxes(mark["cells"], where, file):
                    corners = picture.fit.box(self._corners(box, picture.fit.annotated))
                    boxes.setdefault(mark["reader"], []).append(whole_pixels(corners, picture.size_px, where, file))
            except SourceError as problem:
                picture.refuse_box(raw, problem)
        mask = agreed_pixels(boxes, picture.size_px, readers)
        if mask.any():
            picture.add_mask(raw, mask)
        else:
            picture.leave_out_box(raw, DISAGREED)

    def _boxes(self, cells: Sequence[str], where: str, file: str) -> list[list[float]]:
        """Return the boxes of a row, each as four numbers in the order of `form`."""
        if len(cells) == 1 and "{" in cells[0]:
            return [self._named(part, where, file) for part in re.findall(r"\{[^{}]*\}", cells[0])]
        words = _NUMBER.findall(cells[0]) if len(cells) == 1 else [cell.replace(self.decimal, ".") for cell in cells]
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            numbers = []
        if not numbers or len(numbers) % 4:
            commas = ". Set `decimal: ','` where these are decimal commas" if "," in "".join(cells[1:]) else ""
            detail = f"{where} has {' '.join(cells)!r}; a box has four numbers{commas}"
            raise SourceError("box unreadable", detail, file)
        if self.unit == "pixels" and max(numbers) <= 1 and any(number % 1 for number in numbers):
            detail = f"{where} has {' '.join(cells)!r}, within one pixel; set `unit: shares` where these are shares"
            raise SourceError("box unreadable", detail, file)
        return [numbers[start : start + 4] for start in range(0, len(numbers), 4)]

    def _named(self, part: str, where: str, file: str) -> list[float]:
        """Return the numbers of `{'x': 1, 'y': 2, 'width': 3, 'height': 4}` in the order of `form`."""
        pairs = re.findall(rf"[\"']?(\w+)[\"']?\s*:\s*[\"']?({_NUMBER.pattern})", part)
        form = "xyxy" if self.form == "yxyx" else self.form
        found = box_columns([name for name, _ in pairs])
        if found is None or found[1] != form:
            detail = f"{where} has {part!r}; its names give no box of the form {self.form}"
            raise SourceError("box unreadable", detail, file)
        values = dict(pairs)
        x1, y1, x2, y2 = (float(values[name]) for name in found[0])
        return [y1, x1, y2, x2] if self.form == "yxyx" else [x1, y1, x2, y2]

    def _corners(self, box: Sequence[float], size: Size) -> tuple[float, float, float, float]:
        a, b, c, d = box
        if self.form == "yxyx":
            a, b, c, d = b, a, d, c
        if self.form == "cxcywh":
            a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
        elif self.form == "xywh":
            c, d = a + c, b + d
        if self.unit != "pixels":
            width, height = (side / (100 if self.unit == "percent" else 1) for side in size)
            return a * width, b * height, c * width, d * height
        end, first = int(self.ends == "included"), self.first or 0
        return a - first, b - first, c - first + end, d - first + end

    def _mask(self, cell: str, size: Size, where: str, file: str) -> npt.NDArray[np.uint8]:
        words = cell.replace(",", " ").split()
        try:
            numbers = np.array([int(word) for word in words], np.int64)
        except (ValueError, OverflowError) as error:
            raise SourceError("run lengths unreadable", f"{where}: {error}", file) from error
        starts, lengths = numbers[::2].copy(), numbers[1::2]
        if len(starts) != len(lengths) or (lengths <= 0).any():
            detail = f"{where} has {len(numbers)} numbers; run lengths are pairs of a start and a length above 0"
            raise SourceError("run lengths unreadable", detail, file)
        if self.relative:
            starts = np.cumsum(starts) + np.concatenate([[0], np.cumsum(lengths)[:-1]])
        starts -= 1 if self.first is None else self.first
        width, height = size
        ends = starts + lengths
        if starts.min() < 0 or ends.max() > width * height or (starts[1:] < ends[:-1]).any():
            detail = f"{where} reaches from pixel {starts.min()} to {ends.max()} of {width}×{height}, or runs overlap"
            raise SourceError("run lengths outside the image", detail, file)
        flat = np.zeros(width * height + 1, np.int8)
        flat[starts] += 1
        flat[ends] -= 1
        marked = np.cumsum(flat[:-1], dtype=np.int8).astype(np.uint8)
        order: Literal["F", "C"] = "F" if self.order == "columns" else "C"
        return np.ascontiguousarray(marked.reshape((height, width), order=order))


def box_columns(names: Sequence[str]) -> tuple[tuple[str, ...], str] | None:
    """Return (the four columns of a box, their form) that a table has by their names, or None."""
    known = {_plain(name): name for name in names}
    for form, alternatives in _BOX_NAMES.items():
        for columns in alternatives:
            if all(column in known for column in columns):
                return tuple(known[column] for column in columns), form
    return None


def _plain(name: str) -> str:
    """Return the name of a column of a box as `_BOX_NAMES` has it, which may stand in another language."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in letters if letter.isalnum())
    return _IN_ENGLISH.get(plain, plain)


_IN_ENGLISH = {
    "breite": "width", "hohe": "height", "hoehe": "height", "links": "left", "oben": "top", "rechts": "right",
    "unten": "bottom", "largeur": "width", "hauteur": "height", "gauche": "left", "haut": "top", "droite": "right",
    "bas": "bottom", "ancho": "width", "anchura": "width", "alto": "height", "altura": "height", "larghezza": "width",
    "altezza": "height", "largura": "width", "宽": "width", "宽度": "width", "高": "height", "高度": "height",
    "左": "left", "上": "top", "右": "right", "下": "bottom",
}  # fmt: skip
"""German, French, Spanish, Italian, Portuguese and Chinese, without accents."""
_BOX_NAMES = {
    "xyxy": (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom")),
    "xywh": (
        ("x", "y", "width", "height"),
        ("x", "y", "w", "h"),
        ("xmin", "ymin", "width", "height"),
        ("left", "top", "width", "height"),
        ("bboxx", "bboxy", "bboxw", "bboxh"),
    ),
    "cxcywh": (("cx", "cy", "w", "h"), ("xcenter", "ycenter", "width", "height"), ("xc", "yc", "w", "h")),
}
"""Form of a box ▶ names of its columns, without signs and in lower case. `x, y, width, height` is RSNA's."""


def objects_column(rows: Sequence[Mapping[str, str]]) -> tuple[dict[str, Any], list[str], str] | None:
    """Return (`marks` of the card, raw labels, note) for the first column whose cells list objects, or None."""
    for name in filter(str.strip, rows[0]):
        cells = [row[name].strip() for row in rows if row[name].strip().lower() not in EMPTY]
        for words in ("label confidence box", "confidence box"):
            probe = TableMarks.model_validate({"objects": name, "words": words})
            read = [probe.listed(cell) for cell in cells]
            found = [each for some in read for each in some or ()]
            if not found or None in read:
                continue
            boxes = [[float(number) for number in each.cells] for each in found if each.cells]
            corners = all(x2 > x1 and y2 > y1 for x1, y1, x2, y2 in boxes) and words == "label confidence box"
            marks: dict[str, Any] = {"objects": name, "words": words, "form": "xyxy" if corners else "xywh"}
            if boxes and max(map(max, boxes)) <= 1:
                marks["unit"] = "shares"
            guesses = sum(each.confidence < 1 for each in found)
            note = f"marks: the objects of {name} are read as {words}, their boxes as {marks['form']}."
            if guesses:
                note += (
                    f" {guesses} of {len(found)} have a confidence below 1, as a model's guesses have: they are "
                    "dropped; `min_confidence` says from which on they count."
                )
            return marks, sorted({each.label for each in found} - {""}), note
    return None


def run_length_column(rows: Sequence[Mapping[str, str]]) -> str | None:
    """Return the first column whose cells are run lengths or empty, and not all of them empty."""
    runs = re.compile(r"\d+ \d+(?: \d+ \d+)*")
    for name in rows[0]:
        cells = [row[name].strip() for row in rows if row[name].strip().lower() not in EMPTY]
        if cells and all(runs.fullmatch(cell) for cell in cells) and max(map(len, cells)) > len("100 100"):
            return name
    return None
