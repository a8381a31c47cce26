"""Labels in a table: a CSV, TSV or XLSX file with one row per image, volume or series, or several."""

import codecs
import dataclasses
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal, Self

from gmai_formats.errors import UserError, did_you_mean
from pydantic import Field, field_validator, model_validator

from gmai_data.imaging.source_files import as_on_disk, below, relative_to
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.folder import Folder, Guess
from gmai_data.sources.items import Item, Picture
from gmai_data.sources.labelled import labelled_pictures
from gmai_data.sources.layout import SPLIT_NAMES, Layout
from gmai_data.sources.marked_picture import MarkedPicture
from gmai_data.sources.table_guess import table_guess
from gmai_data.sources.table_joins import TableJoin, with_joins
from gmai_data.sources.table_marks import TableMarks
from gmai_data.sources.tables import Row, read_table


class CsvLabels(Layout):
    """A CSV, TSV or XLSX file with one row per image, or several: the labels of an image's rows are put together.

    What a row names may be a picture, a volume file, or a folder with a DICOM series, whose slices have the labels.
    """

    kind: Literal["csv_labels"]
    table: str | tuple[str, ...]
    """The CSV (also `.csv.gz`), TSV or XLSX file, with a header line; a pattern may find several. A list of tables goes
    with a list of as many `images`, one for each."""
    images: str | tuple[str, ...] = "."
    """Folder that the image column is relative to, or several, of which one has the picture: patterns such as
    `images_*/images`, or a list. `{parent}` is the path of the table's folder."""
    image_column: str
    """Column with the file's name or path, or a path of several, such as `{study_id}/{image_id}`."""
    image_suffix: str | tuple[str, ...] = ""
    """Put behind every value of the image column, such as `.jpg`, or several, of which one makes a file."""
    label_column: str | None = None
    """Column of the label, or of several with `separator`."""
    label_columns: tuple[str, ...] = ()
    """One-hot tables: these columns are the raw labels, and their cells say whether the label holds."""
    positive: tuple[str, ...] = ("1", "true", "yes")
    """Cells of a one-hot table that mean yes. Words are compared in any case, numbers by value (`1.0` is `1`)."""
    negative: tuple[str, ...] = ("0", "false", "no")
    """Cells that mean that the label was looked for and is absent; add `""` where an empty cell says so."""
    uncertain: tuple[str, ...] = ("-1", "nan", "")
    """Cells that leave it open, as CheXpert's: the label is neither present nor absent. A cell that is in none of the
    three puts the row into the quarantine."""
    group_column: str | None = None
    """Column of the patient or study; without it every image is a group of its own, or `split.group_pattern` rules."""
    split_column: str | None = None
    """Column with the official split; its values are mapped by `split.names`."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """What separates the columns; None: the comma, tab, semicolon or bar that gives the header an image
    column."""
    separator: str | None = None
    """Separates several labels in one cell, such as `|`; without it a cell is one label."""

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

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if isinstance(self.table, tuple) and not isinstance(self.images, str) and len(self.images) != len(self.table):
            raise ValueError(f"{len(self.table)} tables, {len(self.images)} images; give a folder for each table")
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
        for pattern, images in self._pairs():
            place = below(root, pattern, recipe=card.name)
            tables = [place] if place.is_file() else [path for path in sorted(root.glob(pattern)) if path.is_file()]
            if not tables:
                raise UserError(f"{place}: no such file. Recipe {card.name} reads its labels there. Check --root.")
            for table in tables:
                folders = self._folders(table, images, card, root)
                for item in self._items(table, card, root, folders):
                    items[item.key] = _together(items[item.key], item) if item.key in items else item
        yield from items.values()

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
        return re.findall(r"\{([^{}]+)\}", self.image_column) or [self.image_column]

    def _items(self, table: Path, card: Card, root: Path, folders: list[str]) -> Iterator[Item]:
        first = self._parts_of_name[0]
        marks = self.marks.columns if self.marks else ()
        named = (*self._parts_of_name, self.label_column, self.group_column, self.split_column, *self.label_columns)
        wanted = [column for column in (*named, *marks) if column is not None]
        names, rows = read_table(
            table, lambda found: first in found, encoding=self.encoding, delimiter=self.delimiter, sheet=self.sheet
        )
        if self.joins:
            names, rows = with_joins(names, rows, self.joins, wanted, root, card.name)
        for column in wanted:
            if column not in names:
                raise UserError(
                    f'{table}:1: no column "{column}", which recipe {card.name} reads.'
                    f"{did_you_mean(column, names)} Fix the table or the card."
                )
        number = 0
        for number, row, problem in rows:
            item = self._item(row, number - 1, card, root, folders, relative_to(root, table))
            yield dataclasses.replace(item, problem=("row unreadable", problem)) if problem else item
        if not number:
            raise UserError(f"{table}: the table has a header but no rows. Give a table with one row per image.")

    def _item(self, row: Row, line: int, card: Card, root: Path, folders: list[str], table: str) -> Item:
        name = row.get(self.image_column, "")
        if "{" in self.image_column:
            name = re.sub(r"\{([^{}]+)\}", lambda part: row[part[1]], self.image_column)
        suffixes = (self.image_suffix,) if isinstance(self.image_suffix, str) else self.image_suffix
        paths = [PurePosixPath(folder) / (name + suffix) for folder in folders for suffix in suffixes]
        places = list(dict.fromkeys(as_on_disk(root, path.as_posix()) for path in paths))
        there = [place for place in places if (root / place).exists()] if len(places) > 1 else places
        image = (there or places)[0]
        problem = None
        if not name or any(not row[column] for column in self._parts_of_name):
            problem = ("row without a picture", f"data row {line + 1}; fill {self.image_column}")
            image = f"{table}/row {line + 1:07d}"
        elif len(there) > 1:
            problem = ("picture in two folders", f"{' and '.join(there)}; keep one of them")
        uncertain: tuple[str, ...] = ()
        if self.label_column is None:
            cells = {column: row[column] for column in self.label_columns}
            raw = [column for column, cell in cells.items() if _is_one_of(cell, self.positive)]
            rest = [column for column in cells if column not in raw and not _is_one_of(cells[column], self.negative)]
            uncertain = tuple(column for column in rest if _is_one_of(cells[column], self.uncertain))
            raw = [f"{column}: {cells[column]}" for column in rest if column not in uncertain] or raw
        else:
            cell = row[self.label_column]
            raw = cell.split(self.separator) if self.separator else [cell]
        split = (card.split.names or SPLIT_NAMES).get(row[self.split_column]) if self.split_column else None
        if self.split_column and split is None and problem is None and not card.split.names:
            detail = f'data row {line + 1}: "{row[self.split_column]}" is no known split; name it in `split.names`'
            problem = ("not in the official split", detail)
        group = row[self.group_column] if self.group_column else ""
        labels = tuple(part.strip() for part in raw if part.strip())
        part = ""
        if self.marks is not None:
            mark = self.marks.mark(row)
            if mark is None:
                labels = tuple(raw for raw in labels if not _is_one_of(raw, self.negative))
                if self.marks.run_lengths is not None:  # an empty mask of a label says that the label is not there
                    labels = tuple(raw for raw in labels if card.is_alone(raw))
            raw_of_mark = list(labels or card.labels_of_every_image) if mark else []
            marks = [{**mark, "labels": raw_of_mark, "row": line + 1}] if mark else []
            part = json.dumps({"marks": marks, "size": self.marks.stated_size(row)})
        return Item(image, (image,), group, split, labels, line, part=part, uncertain=uncertain, problem=problem)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the picture of the row, or the slices of its volume or series.

        Raises:
            SourceError: The row has no label, or as for every raster.
        """
        for raw in item.raw_labels:
            if self.label_columns and raw not in self.label_columns:
                detail = f'"{raw}" is neither yes, no nor open; name it in `positive`, `negative` or `uncertain`'
                raise SourceError("label cell unreadable", detail, item.files[0])
        if self.marks is not None:
            yield self._marked(self.marks, item, card, root, ledger)
            return
        # A one-hot row of zeros says that nothing of the list was found; an empty cell says nothing.
        if not item.raw_labels and not self.label_columns:
            raise SourceError("row without a label", f"data row {item.position + 1}; fill the label", item.files[0])
        yield from labelled_pictures(item, card, root, ledger)

    def _marked(self, marks: TableMarks, item: Item, card: Card, root: Path, ledger: Ledger) -> Picture:
        document = json.loads(item.part)
        size = document["size"]
        file = item.files[0]
        picture = MarkedPicture(card, ledger, root, file, file, None if size is None else (size[0], size[1]))
        for raw in item.raw_labels:
            picture.add_label(raw)
        for mark in document["marks"]:
            where = f"data row {mark['row']}"
            if not mark["labels"]:
                raise SourceError("row without a label", f"{where}; fill the label", file)
            for raw in mark["labels"]:
                marks.add(picture, raw, mark, where, file)
        return picture.picture("table")

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where a column of a table names images."""
        return table_guess(folder)


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
    return dataclasses.replace(first, raw_labels=labels, uncertain=uncertain, problem=problem, part=part)
