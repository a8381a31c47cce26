"""Labels in a table: a CSV, TSV, XLSX or Parquet file with one row per image, volume or series, or several."""

import bisect
import codecs
import functools
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.files import is_file
from pydantic import Field, field_validator, model_validator

from gmai_data.imaging.source_files import as_on_disk, below, names_in, relative_to
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.agreement import seen_by
from gmai_data.sources.annotations.labelled import labelled_pictures
from gmai_data.sources.annotations.marked_picture import MarkedPicture
from gmai_data.sources.annotations.table_marks import Listed, TableMarks
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.table_guess import table_guess
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.list_cells import entries_of
from gmai_data.sources.files.table_joins import TableJoin, with_joins
from gmai_data.sources.files.tables import Row, read_table, without_point
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import SPLIT_NAMES, Layout
from gmai_data.sources.patterns import pattern_of


class CsvLabels(Layout):
    """A CSV, TSV, XLSX or Parquet file with one row per image, or several: an image has the labels of all its rows.

    What a row names may be a picture, a volume file, or a folder with a DICOM series, whose slices have the labels.
    """

    kind: Literal["csv_labels"]
    table: str | tuple[str, ...]
    """The CSV (also `.csv.gz`), TSV, XLSX or Parquet file, with a header line; a pattern may find several. A list of
    tables goes with a list of as many `images`, one for each."""
    images: str | tuple[str, ...] = "."
    """Folder that the image column is relative to, or several, of which one has the picture: patterns such as
    `images_*/images`, or a list. `{parent}` is the path of the table's folder."""
    columns: tuple[str, ...] = ()
    """Names for the columns of a table whose first line is a row and no header."""
    image_column: str
    """Column with the file's name or path, or a path of several, such as `{study_id}/{image_id}`; `{slice:03d}` fills a
    number up with zeros, and takes the 7 of a cell `7.0`."""
    image_suffix: str | tuple[str, ...] = ""
    """Put behind every value of the image column, such as `.jpg`, or several, of which one makes a file. `*` stands for
    a part of the file's name that the table does not have: `_*.dcm`."""
    label_column: str | None = None
    """Column of the label, or of several with `separator`."""
    holds_column: str | None = None
    """Column that says whether the row's label holds, by `positive`, `negative` and `uncertain`."""
    label_columns: tuple[str, ...] = ()
    """One-hot tables: these columns are the raw labels, and their cells say whether the label holds."""
    reader_columns: str | None = None
    """One-hot tables with a column for each reader and label: how a column is called, such as `R{reader}:{label}`, with
    the labels of `label_columns`. `readers` of them must have seen a label; one that fewer saw is left open."""
    positive: tuple[str, ...] = ("1", "true", "yes")
    """Cells of a one-hot table that mean yes. Words are compared in any case, numbers by value (`1.0` is `1`)."""
    negative: tuple[str, ...] = ("0", "false", "no")
    """Cells that mean that the label was looked for and is absent; add `""` where an empty cell says so."""
    uncertain: tuple[str, ...] = ("-1", "nan", "")
    """Cells that leave it open, as CheXpert's: the label is neither present nor absent. A cell that is in none of the
    three puts the row into the quarantine."""
    group_column: str | None = None
    """Column of the patient or study; without it every image is a group of its own, or `split.group_pattern` rules."""
    group_of_header: bool = False
    """Says what holds without it, too: where nothing else names the patient, the header of the DICOM file that the
    row names does (`split.no_group`)."""
    split_column: str | None = None
    """Column with the official split; its values are mapped by `split.names`."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """What separates the columns; None: the comma, tab, semicolon or bar that gives the header an image
    column."""
    separator: str | None = None
    """Separates several labels in one cell, such as `|`; without it a cell is one label."""
    listed: bool = False
    """A cell is a list of labels as Python or JSON write one: `['nodule', 'normal']`. An empty list says nothing."""

    parts: dict[str, str] = Field(default_factory=dict[str, str])
    """Columns whose cells hold several things: column ▶ regular expression for the whole cell, whose named groups are
    read as columns, such as `{ID: '(?P<image>ID_[0-9a-f]+)_(?P<label>[a-z]+)'}`."""
    rows: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Only the rows with one of these cells are read, such as `{image_type: [dermoscopic]}`: column ▶ cells. The others
    are of another modality, say, for which there may be a card of its own."""
    readers: int = Field(default=1, ge=1)
    """Where several people read an image, each in a row of its own or in columns of their own (`reader_columns`): how
    many of them must have seen a label. One that fewer saw is left open. An image with fewer rows needs all of them."""
    each: bool = False
    """A row whose name fits several pictures or folders, by a `*` in `image_suffix`, labels each of them, such as the
    series of a study; they are one group."""
    marks: TableMarks | None = None
    """Boxes or masks in the table, one a row: `{box: [x, y, width, height]}`, `{run_lengths: EncodedPixels}`. A row
    without one whose label is one of `negative`, or empty, says that nothing was found; one without run lengths says
    that its label was not (but for one such as `No Finding`)."""
    encoding: str = "utf-8-sig"
    """Encoding of the table's text, such as `cp1252` or `gb18030`. One with a byte order mark is read as that says."""
    sheet: str | None = None
    """Sheet of a workbook with several; None: the one with the image column."""
    joins: tuple[TableJoin, ...] = ()
    """Further tables whose columns are read as if they were the first one's: `[{table: meta.csv, key: image_id}]`."""

    @field_validator("encoding")
    @classmethod
    def _encoding_known(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError as error:
            raise ValueError(f'unknown encoding "{value}"; give one such as utf-8, cp1252, gb18030') from error
        return value

    @field_validator("parts")
    @classmethod
    def _named_parts(cls, value: dict[str, str]) -> dict[str, str]:
        for column, pattern in value.items():
            try:
                named = pattern_of(pattern).names
            except re.error as error:
                raise ValueError(f"parts of {column}: {pattern!r} is no regular expression: {error}") from error
            if not named:
                raise ValueError(f"parts of {column}: {pattern!r} names no part; write one as (?P<image>...)")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.holds_column is not None and (self.label_column is None or self.marks is not None):
            raise ValueError("holds_column says whether the label of label_column holds; boxes and masks have none")
        if isinstance(self.table, tuple) and not isinstance(self.images, str) and len(self.images) != len(self.table):
            raise ValueError(f"{len(self.table)} tables, {len(self.images)} images; give a folder for each table")
        if self.listed and (self.label_column is None or self.separator is not None):
            raise ValueError("listed cells are those of label_column, and have commas as a list has: no separator")
        by_box = self.marks is not None and self.marks.reader is not None
        if self.marks is not None and (self.readers > 1) != by_box:
            raise ValueError("readers of boxes are told apart by `marks.reader`, a column; give both, or none")
        if self.reader_columns is not None and not (
            self.label_columns and "{reader}" in self.reader_columns and "{label}" in self.reader_columns
        ):
            raise ValueError("reader_columns is how columns of label_columns are called, with {reader} and {label}")
        if self.each and self.marks is not None:
            raise ValueError("each is for labels; a box is of one picture")
        if self.marks is not None and self.label_columns:
            raise ValueError("boxes and masks of a table have their label in label_column")
        if self.marks is not None and self.label_column is None:
            return self
        if (self.label_column is None) == (not self.label_columns):
            raise ValueError("give either label_column (one cell holds the labels) or label_columns (one-hot)")
        return self

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per image of the tables, with the labels of all its rows."""
        items: dict[str, Item] = {}
        readings: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for pattern, images in self._pairs():
            place = below(root, pattern, recipe=card.name)
            tables = [place] if place.is_file() else [path for path in sorted(root.glob(pattern)) if path.is_file()]
            if not tables:
                raise UserError(f"{place}: no such file. Recipe {card.name} reads its labels there. Check --root.")
            for table in tables:
                folders = self._folders(table, images, card, root)
                for item in self._items(table, card, root, folders):
                    if self._rows_are_readings:
                        readings[item.key].append(item.raw_labels)
                    items[item.key] = _together(items[item.key], item) if item.key in items else item
        reader = self.marks.reader if self.marks is not None else None
        if reader is not None and not any(_readers_of(item) - {_CONSENSUS} for item in items.values()):
            raise UserError(
                f'{root}: no table of recipe {card.name} has a column "{reader}", which tells its readers apart. '
                "Fix the table or the card."
            )
        for key, item in items.items():
            if self._rows_are_readings:
                item = self._agreed(item, readings[key])
            elif self.readers > 1 and self.marks is not None:
                item = self._seen_by_readers(item)
            yield item

    @property
    def _rows_are_readings(self) -> bool:
        return self.readers > 1 and self.marks is None and self.reader_columns is None

    def _seen_by_readers(self, item: Item) -> Item:
        """Return an item with the labels that enough readers marked; those that fewer did are left open."""
        marks: list[dict[str, Any]] = json.loads(item.part)["marks"]
        needed = min(self.readers, len(_readers_of(item)))
        seen = seen_by((mark["reader"], raw) for mark in marks for raw in mark["labels"])
        labels = tuple(raw for raw in item.raw_labels if len(seen.get(raw, ())) >= needed)
        doubted = tuple(raw for raw in item.raw_labels if raw not in labels)
        return item._replace(raw_labels=labels, uncertain=(*item.uncertain, *doubted))

    def _agreed(self, item: Item, readings: Sequence[Sequence[str]]) -> Item:
        """Return an item with the labels that enough readers saw; those that fewer saw are left open."""
        needed = min(self.readers, len(readings))
        seen = Counter(raw for labels in readings for raw in dict.fromkeys(labels))
        unreadable = {raw for raw in seen if self.label_columns and raw not in self.label_columns}
        labels = tuple(raw for raw in item.raw_labels if seen[raw] >= needed or raw in unreadable)
        doubted = [raw for raw in (*item.raw_labels, *item.uncertain) if raw not in labels]
        return item._replace(raw_labels=labels, uncertain=tuple(dict.fromkeys(doubted)))

    def _pairs(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return (table, its folders of pictures)."""
        if isinstance(self.table, str):
            return [(self.table, (self.images,) if isinstance(self.images, str) else self.images)]
        places = [self.images] * len(self.table) if isinstance(self.images, str) else self.images
        return [(table, (place,)) for table, place in zip(self.table, places, strict=True)]

    def _folders(self, table: Path, images: tuple[str, ...], card: Card, root: Path) -> list[str]:
        """Return the folders that may hold the pictures of a table."""
        found: list[str] = []
        for folder in images:
            place = folder.replace("{parent}", table.parent.relative_to(root).as_posix())
            below(root, place, recipe=card.name)
            if re.search(r"[*?\[]", place):
                found += sorted(relative_to(root, path) for path in root.glob(place) if path.is_dir())
            elif len(images) == 1 or (root / place).is_dir():
                found.append(place)
        if not found:
            raise UserError(
                f"{root}: recipe {card.name} finds no folder {', '.join(images)} of pictures. Check --root."
            )
        return list(dict.fromkeys(found))

    @property
    def _parts_of_name(self) -> list[str]:
        """Return the columns that name the picture."""
        return [name for name, _ in _PART_OF_NAME.findall(self.image_column)] or [self.image_column]

    def _items(self, table: Path, card: Card, root: Path, folders: list[str]) -> Iterator[Item]:
        first = self._parts_of_name[0]
        marks = self.marks.columns if self.marks else ()
        in_columns = self.label_columns if self.reader_columns is None else ()
        named = (*self._parts_of_name, self.label_column, self.group_column, self.split_column, *in_columns)
        parts = {part: column for column, pattern in self.parts.items() for part in pattern_of(pattern).names}
        wanted = [
            column
            for column in (*self.parts, *self.rows, *named, self.holds_column, *marks)
            if column is not None and column not in parts
        ]
        first = parts.get(first, first)
        names, rows = read_table(
            table, lambda found: first in found, encoding=self.encoding, delimiter=self.delimiter, sheet=self.sheet,
            columns=self.columns,
        )  # fmt: skip
        if not self.columns and any(self._names_a_picture(name, root, folders) for name in self._parts_of_name):
            raise UserError(
                f'{table}:1: the table has no header: its first line names the picture "{first}". Give the names of '
                "its columns as `columns` in the layout, such as [image, label]."
            )
        if self.joins:
            names, rows = with_joins(names, rows, self.joins, wanted, root, card.name)
        for column in wanted:
            if column not in names:
                raise UserError(
                    f'{table}:1: no column "{column}", which recipe {card.name} reads.'
                    f"{did_you_mean(column, names)} Fix the table or the card."
                )
        self._require_readers(names, table, card)
        number = read = 0
        for number, cells, problem in rows:
            row, problem = self._with_parts(cells, number, problem)
            if not problem and any(row[column] not in wished for column, wished in self.rows.items()):
                continue
            read += 1
            item = self._item(row, number - 1, card, root, folders, relative_to(root, table))
            found = [item._replace(problem=("row unreadable", problem)) if problem else item]
            if self.each and len(places := self._places_of(row, root, folders)) > 1:
                one = found[0]._replace(group=item.group or f"row {row.get(first) or number}")
                found = [one._replace(key=place, files=(place,)) for place in places]
            yield from found
        if not number:
            raise UserError(f"{table}: the table has a header but no rows. Give a table with one row per image.")
        if not read:
            wished = " and ".join(f"{column} is {' or '.join(cells)}" for column, cells in self.rows.items())
            raise UserError(
                f"{table}: no row whose {wished}, which recipe {card.name} reads. Fix the table or the card."
            )

    def _names_a_picture(self, name: str, root: Path, folders: Sequence[str]) -> bool:
        suffixes = (self.image_suffix,) if isinstance(self.image_suffix, str) else self.image_suffix
        places = (PurePosixPath(folder) / f"{name}{suffix}" for folder in folders for suffix in suffixes)
        return PurePosixPath(name).name not in ("", ".") and any(is_file(root / place) for place in places)

    def _require_readers(self, names: Sequence[str], table: Path, card: Card) -> None:
        """Raise where a label has columns of fewer readers than must have seen it."""
        for label in self.label_columns if self.reader_columns is not None else ():
            found = [name for name in names if _reader_of(name, self.reader_columns or "", label) is not None]
            if len(found) < self.readers:
                wanted = (self.reader_columns or "").replace("{label}", label)
                raise UserError(
                    f'{table}:1: {len(found)} columns called as "{wanted}", of which recipe {card.name} needs '
                    f"{self.readers} readers. Fix the table or the card."
                )

    def _with_parts(self, row: Row, number: int, problem: str) -> tuple[Row, str]:
        """Return a row with the parts of its cells as cells of their own, and what is wrong with it."""
        for column, pattern in self.parts.items():
            found = pattern_of(pattern).fullmatch(row[column])
            parts = found.groupdict(default="") if found else dict.fromkeys(pattern_of(pattern).names, "")
            row = {**row, **parts}
            if found is None:
                problem = problem or f"data row {number}: {column} is {row[column]!r}, which {pattern!r} does not fit"
        return row, problem

    def _name_of(self, row: Row) -> str:
        """Return what a row calls its picture."""
        if "{" not in self.image_column:
            return row.get(self.image_column, "")
        return _PART_OF_NAME.sub(lambda part: _filled(row[part[1]], part[2]), self.image_column)

    def _places_of(self, row: Row, root: Path, folders: list[str]) -> list[str]:
        """Return the paths that a row may mean."""
        name = self._name_of(row)
        suffixes = (self.image_suffix,) if isinstance(self.image_suffix, str) else self.image_suffix
        paths = [PurePosixPath(folder) / (name + suffix) for folder in folders for suffix in suffixes]
        return list(dict.fromkeys(found for path in paths for found in _on_disk(root, path, name)))

    def _item(self, row: Row, line: int, card: Card, root: Path, folders: list[str], table: str) -> Item:
        name, places = self._name_of(row), self._places_of(row, root, folders)
        there = [place for place in places if (root / place).exists()] if len(places) > 1 else places
        image = (there or places)[0]
        problem = None
        if not name or any(not row[column] for column in self._parts_of_name):
            problem = ("row without a picture", f"data row {line + 1}; fill {self.image_column}")
            image = f"{table}/row {line + 1:07d}"
        elif len(there) > 1 and not self.each:
            problem = ("picture in two folders", f"{' and '.join(there)}; keep one of them")
        uncertain: tuple[str, ...] = ()
        if self.reader_columns is not None:
            raw, uncertain = self._read_by_several(row, self.reader_columns)
        elif self.label_column is None:
            cells = {column: row[column] for column in self.label_columns}
            raw = [column for column, cell in cells.items() if _is_one_of(cell, self.positive)]
            rest = [column for column in cells if column not in raw and not _is_one_of(cells[column], self.negative)]
            uncertain = tuple(column for column in rest if _is_one_of(cells[column], self.uncertain))
            raw = [f"{column}: {cells[column]}" for column in rest if column not in uncertain] or raw
        else:
            cell = row[self.label_column]
            raw = cell.split(self.separator) if self.separator else [cell]
            if self.listed and cell:
                raw = entries_of(cell) or []
                if entries_of(cell) is None:
                    problem = problem or ("label cell unreadable", f'data row {line + 1}: "{cell}" is no list')
            if self.holds_column is not None and not _is_one_of(stated := row[self.holds_column], self.positive):
                if _is_one_of(stated, self.uncertain):
                    uncertain = tuple(part.strip() for part in raw if part.strip())
                elif not _is_one_of(stated, self.negative):
                    problem = problem or ("label cell unreadable", f'data row {line + 1}: "{stated}" is {_NEITHER}')
                raw = []
        split = (card.split.names or SPLIT_NAMES).get(row[self.split_column]) if self.split_column else None
        if self.split_column and split is None and problem is None and not card.split.names:
            detail = f'data row {line + 1}: "{row[self.split_column]}" is no known split; name it in `split.names`'
            problem = ("not in the official split", detail)
        group = without_point(row[self.group_column]) if self.group_column else ""
        labels = tuple(part.strip() for part in raw if part.strip())
        part = ""
        if self.marks is not None:
            mark = self.marks.mark(row)
            listed = None
            if mark is not None and self.marks.objects is not None:
                listed = self.marks.listed(mark["cells"][0])
                if listed is None:
                    detail = f"data row {line + 1}: {mark['cells'][0]!r:.60} is no list of `{self.marks.words}`"
                    problem = problem or ("objects unreadable", detail)
                mark = None
            if mark is None and not listed:
                labels = tuple(raw for raw in labels if not _is_one_of(raw, self.negative))
                if self.marks.run_lengths is not None:  # an empty mask of a label says that the label is not there
                    labels = tuple(raw for raw in labels if card.is_alone(raw))
            reader = self.marks.reader
            raw_of_mark = list(labels or card.labels_of_every_image) if mark else []
            marks = [{**mark, "labels": raw_of_mark, "row": line + 1}] if mark else []
            if reader is not None:
                # A reader who marked nothing saw the label of the row all the same, such as `No finding`.
                marks = [{**(mark or {"cells": None}), "labels": raw_of_mark or list(labels), "row": line + 1,
                          "reader": row.get(reader, _CONSENSUS)}]  # fmt: skip
            if listed:
                marks, labels, uncertain = self._listed(listed, labels or card.labels_of_every_image, self.marks, line)
            part = json.dumps({"marks": marks, "size": self.marks.stated_size(row)})
        return Item(image, (image,), group, split, labels, line, part=part, uncertain=uncertain, problem=problem)

    def _listed(
        self, objects: Sequence[Listed], of_row: Sequence[str], marks: TableMarks, line: int
    ) -> tuple[list[dict[str, Any]], tuple[str, ...], tuple[str, ...]]:
        """Return (marks, labels, labels left open) of a cell that lists objects.

        Args:
            objects: What the cell lists.
            of_row: Labels of objects that state none.
            marks: Says how they are read.
            line: Number of the row, from 0.
        """
        sure: dict[str, None] = {}
        doubted: dict[str, None] = {}
        found: list[dict[str, Any]] = []
        for each in objects:
            raws = [each.label] if each.label else list(of_row)
            if each.cells:
                entry = {"cells": each.cells, "labels": raws, "row": line + 1, "confidence": each.confidence}
                found.append(entry)
            else:
                raws = [raw for raw in raws if not _is_one_of(raw, self.negative)]
            (sure if each.confidence >= marks.min_confidence else doubted).update(dict.fromkeys(raws))
        return found, tuple(sure), tuple(raw for raw in doubted if raw not in sure)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the picture of the row, or the slices of its volume or series.

        Raises:
            SourceError: The row has no label, or as for every raster.
        """
        for raw in item.raw_labels:
            if self.label_columns and raw not in self.label_columns:
                detail = f'"{raw}" is {_NEITHER}'
                raise SourceError("label cell unreadable", detail, item.files[0])
        if self.marks is not None:
            yield self._marked(self.marks, item, card, root, ledger)
            return
        # A one-hot row of zeros says that nothing of the list was found; an empty cell says nothing.
        if not item.raw_labels and not self.label_columns and self.holds_column is None:
            raise SourceError("row without a label", f"data row {item.position + 1}; fill the label", item.files[0])
        yield from labelled_pictures(item, card, root, ledger)

    def _read_by_several(self, row: Row, columns: str) -> tuple[list[str], tuple[str, ...]]:
        """Return (raw labels that enough readers saw, those that fewer saw) of columns for each reader and label."""
        raw: list[str] = []
        uncertain: list[str] = []
        for label in self.label_columns:
            cells = [row[name] for name in row if _reader_of(name, columns, label) is not None]
            seen = sum(_is_one_of(cell, self.positive) for cell in cells)
            unread = [cell for cell in cells if not _is_one_of(cell, (*self.positive, *self.negative, *self.uncertain))]
            if unread:
                raw.append(f"{label}: {unread[0]}")
            elif seen >= self.readers:
                raw.append(label)
            elif seen or any(not _is_one_of(cell, self.negative) for cell in cells):
                uncertain.append(label)
        return raw, tuple(uncertain)

    def _marked(self, marks: TableMarks, item: Item, card: Card, root: Path, ledger: Ledger) -> ItemImage:
        document = json.loads(item.part)
        size = document["size"]
        file = item.files[0]
        picture = MarkedPicture(card, ledger, root, file, file, None if size is None else (size[0], size[1]))
        for raw in item.raw_labels:
            picture.add_label(raw)
        if marks.reader is not None:
            by_label: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for mark in document["marks"]:
                for raw in mark["labels"]:
                    if mark["cells"] is not None and raw in item.raw_labels:
                        by_label[raw].append(mark)
            for raw, some in by_label.items():
                needed = min(self.readers, len(_readers_of(item)))
                marks.add_agreed(picture, raw, some, needed, file)
            return picture.picture("table", item.uncertain)
        for mark in document["marks"]:
            where = f"data row {mark['row']}"
            if not mark["labels"]:
                raise SourceError("row without a label", f"{where}; fill the label", file)
            for raw in mark["labels"]:
                marks.add(picture, raw, mark, where, file)
        return picture.picture("table", item.uncertain)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where a column of a table names images."""
        return table_guess(folder)


_CONSENSUS = "consensus"
"""The reader of a table without a column of readers: what several agreed on."""


def _readers_of(item: Item) -> set[str]:
    """Return who read a picture."""
    return {mark["reader"] for mark in json.loads(item.part)["marks"]}


def _reader_of(name: str, columns: str, label: str) -> str | None:
    """Return the reader whose column of a label this is, or None."""
    before, _, after = columns.replace("{label}", label).partition("{reader}")
    found = re.fullmatch(f"{re.escape(before)}(\\w+){re.escape(after)}", name.strip())
    return found[1] if found else None


_NEITHER = "neither yes, no nor open; name it in `positive`, `negative` or `uncertain`"
_PART_OF_NAME = re.compile(r"\{([^{}]+?)(?::0(\d+)d)?\}")


def _filled(cell: str, width: str | None) -> str:
    """Return a cell as a part of a path: a number filled up with zeros where the path says so."""
    return cell if width is None else without_point(cell).zfill(int(width))


def _on_disk(root: Path, path: PurePosixPath, name: str) -> list[str]:
    """Return the files that a path means, whose end behind the name may hold a `*`."""
    start, star, end = path.name.rpartition("*")
    if not star or "*" in name:
        return [as_on_disk(root, path.as_posix())]
    listed = names_in(root / path.parent)
    likely = itertools.takewhile(lambda each: each.startswith(start), listed[bisect.bisect_left(listed, start) :])
    found = [each for each in likely if each.endswith(end) and len(each) >= len(start + end)]
    return [(path.parent / each).as_posix() for each in found] or [path.as_posix()]


@functools.lru_cache(maxsize=4096)
def _is_one_of(cell: str, words: tuple[str, ...]) -> bool:
    """Compare a cell with words in any case, and with numbers by their value."""
    cell = cell.strip().lower()
    if cell in [each.lower() for each in words]:
        return True
    number = _number(cell)
    return number is not None and number in [_number(each) for each in words]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _together(first: Item, other: Item) -> Item:
    """Return one item for two rows about an image."""
    problem, part = first.problem, first.part
    if first.part:
        one, two = json.loads(first.part), json.loads(other.part)
        if one["size"] != two["size"]:
            problem = ("annotated at another size", f"data rows {first.position + 1} and {other.position + 1} differ")
        part = json.dumps({"marks": one["marks"] + two["marks"], "size": one["size"]})
    if (first.group, first.split) != (other.group, other.split):
        detail = f"data rows {first.position + 1} and {other.position + 1}; an image belongs to one: correct the table"
        problem = ("one picture, two groups or splits", detail)
    labels = tuple(dict.fromkeys((*first.raw_labels, *other.raw_labels)))
    uncertain = tuple(dict.fromkeys((*first.uncertain, *other.uncertain)))
    return first._replace(raw_labels=labels, uncertain=uncertain, problem=problem, part=part)
