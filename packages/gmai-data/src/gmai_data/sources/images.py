"""Whole-image labels: one folder per class, or a table with one row per image."""

import csv
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import cast

from gmai_formats.errors import UserError, did_you_mean

from gmai_data.imaging.source_files import below, is_listed, relative_to
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.items import Item, Picture, full_name, left_open
from gmai_data.sources.layouts import SPLIT_NAMES, CsvLabels, FolderPerClass
from gmai_data.sources.pictures import load_picture
from gmai_data.sources.recipe import Recipe
from gmai_data.sources.tables import delimiter_of


class _WholeImageReader:
    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the one picture of the item, with the item's labels."""
        del ledger  # whole-image labels have no boxes
        file = item.files[0]
        labels = tuple(dict.fromkeys(full_name(recipe, raw, file) for raw in item.raw_labels))
        uncertain = left_open(recipe, item.uncertain, labels, file)
        raster = load_picture(root, file, recipe)
        name = PurePosixPath(file).name
        yield Picture(
            name, raster.pixels, labels, encoded=raster.encoded, geometry=raster.geometry, uncertain=uncertain
        )


class FolderPerClassReader(_WholeImageReader):
    """`<images>/<class>/**/<file>`."""

    settings = FolderPerClass

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield every image file; its class is the first folder below `layout.images`."""
        layout = cast(FolderPerClass, recipe.layout)
        top = below(root, layout.images, recipe=recipe.name)
        if not top.is_dir():
            raise UserError(f"{top}: no such folder. Recipe {recipe.name} expects one folder per class in it.")
        found = False
        for path in sorted(top.rglob("*")):
            if path.suffix.lower() in layout.extensions and path.parent != top and is_listed(path, root):
                found = True
                file, parts = relative_to(root, path), path.relative_to(top).parts
                if layout.split_folder:
                    split = (recipe.split.names or SPLIT_NAMES).get(parts[0])
                    yield Item(file, (file,), split=split, raw_labels=(parts[1] if len(parts) > 2 else "",))
                else:
                    yield Item(file, (file,), raw_labels=(parts[0],))
        if not found:
            raise UserError(
                f"{top}: no images with the endings {', '.join(layout.extensions)} in sub-folders. Recipe "
                f"{recipe.name} expects one folder per class. Give its folder with --root."
            )


class CsvLabelsReader(_WholeImageReader):
    """A CSV or TSV file with one row per image."""

    settings = CsvLabels

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield one item per image of the table, with the labels of all its rows."""
        layout = cast(CsvLabels, recipe.layout)
        table = below(root, layout.table, recipe=recipe.name)
        if not table.is_file():
            raise UserError(f"{table}: no such file. Recipe {recipe.name} reads its labels there. Check --root.")
        try:
            lines = table.read_text(encoding="utf-8-sig").splitlines(keepends=True)
        except UnicodeDecodeError as error:
            raise UserError(
                f"{table}: not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8."
            ) from error
        yield from self._items(lines, table, recipe, layout)

    def _items(self, lines: list[str], table: Path, recipe: Recipe, layout: CsvLabels) -> Iterator[Item]:
        try:
            rows = csv.DictReader(
                lines, delimiter=layout.delimiter or delimiter_of(lines[0] if lines else "", layout.image_column)
            )
            columns = rows.fieldnames = [name.strip() for name in rows.fieldnames or []]
            named = (layout.image_column, layout.label_column, layout.group_column, layout.split_column)
            for column in (*named, *layout.label_columns):
                if column is not None and column not in columns:
                    raise UserError(
                        f'{table}:1: no column "{column}", which recipe {recipe.name} reads.'
                        f"{did_you_mean(column, columns)} Fix the table or the recipe."
                    )
            items: dict[str, Item] = {}
            for line, row in enumerate(rows):
                item = self._item(row, line, recipe, layout)
                items[item.key] = _together(items[item.key], item) if item.key in items else item
            yield from items.values()
            if not items:
                raise UserError(f"{table}: the table has a header but no rows. Give a table with one row per image.")
        except csv.Error as error:
            raise UserError(f"{table}: not readable as a table: {error}. Save it as CSV again.") from error

    def _item(self, row: dict[str, str | None], line: int, recipe: Recipe, layout: CsvLabels) -> Item:
        name = (row[layout.image_column] or "").strip() + layout.image_suffix
        image = (PurePosixPath(layout.images) / name).as_posix()
        uncertain: tuple[str, ...] = ()
        if layout.label_column is None:
            cells = {column: row[column] or "" for column in layout.label_columns}
            raw = [column for column, cell in cells.items() if _is_one_of(cell, layout.positive)]
            rest = [column for column in cells if column not in raw and not _is_one_of(cells[column], layout.negative)]
            uncertain = tuple(column for column in rest if _is_one_of(cells[column], layout.uncertain))
            raw = [f"{column}: {cells[column]}" for column in rest if column not in uncertain] or raw
        else:
            cell = (row[layout.label_column] or "").strip()
            raw = cell.split(layout.separator) if layout.separator else [cell]
        split = recipe.split.names.get((row[layout.split_column] or "").strip()) if layout.split_column else None
        group = (row[layout.group_column] or "").strip() if layout.group_column else ""
        labels = tuple(part.strip() for part in raw if part.strip())
        return Item(image, (image,), group, split, labels, line, uncertain=uncertain)

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the one picture of the row.

        Raises:
            SourceError: The row has no label, or as for every raster.
        """
        layout = cast(CsvLabels, recipe.layout)
        for raw in item.raw_labels:
            if layout.label_columns and raw not in layout.label_columns:
                detail = f'"{raw}" is neither yes, no nor open; name it in `positive`, `negative` or `uncertain`'
                raise SourceError("label cell unreadable", detail, item.files[0])
        # A one-hot row of zeros says that nothing of the list was found; an empty cell says nothing.
        if not item.raw_labels and not layout.label_columns:
            raise SourceError("row without a label", f"data row {item.position + 1}; fill the label", item.files[0])
        yield from super().read(item, recipe, root, ledger)


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
    if (first.group, first.split) != (other.group, other.split):
        raise UserError(
            f"{first.key}: rows {first.position + 1} and {other.position + 1} of the table name it with another "
            "group or split. An image belongs to one. Correct the table."
        )
    labels = tuple(dict.fromkeys((*first.raw_labels, *other.raw_labels)))
    uncertain = tuple(dict.fromkeys((*first.uncertain, *other.uncertain)))
    return dataclasses.replace(first, raw_labels=labels, uncertain=uncertain)
