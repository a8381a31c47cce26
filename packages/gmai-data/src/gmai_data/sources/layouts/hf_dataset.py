"""A Hugging Face dataset, from a local folder or by id (extra `hub`)."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self, cast

from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.installing import pip_install
from pydantic import model_validator

from gmai_data.imaging.raster import raster_of
from gmai_data.imaging.source_files import below
from gmai_data.imaging.units import raster_window
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.items import Item, Picture, full_name
from gmai_data.sources.layout import SPLIT_NAMES, Layout


class HubDataset(Layout):
    """A Hugging Face dataset: a local folder, or an id of the Hub (needs `pip install 'gmai-data[hub]'`)."""

    kind: Literal["hf_dataset"]
    path: str = "."
    """Folder below the root: written by `save_to_disk`, or with Parquet files. Unused when `id` is given."""
    id: str | None = None
    """Id on the Hub; the root is then the folder that the download is kept in."""
    revision: str | None = None
    """Commit or tag; needed with `id`, so that a rerun reads the same data."""
    config: str | None = None
    image_column: str = "image"
    label_column: str | None = "label"
    group_column: str | None = None

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.id is not None and self.revision is None:
            raise ValueError("an id needs a revision: without it two runs may read different data")
        return self

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per row of each split.

        Raises:
            UserError: The library is missing, the dataset does not open, or lacks a column.
        """
        names = card.split.names or SPLIT_NAMES
        for split, table in _load(self.model_dump_json(), root, card.name).items():
            columns = [self.image_column, self.label_column, self.group_column]
            for column in columns:
                if column is not None and column not in table.column_names:
                    raise UserError(
                        f'{self.id or root}: no column "{column}" in split {split}.'
                        f"{did_you_mean(column, table.column_names)} Fix the card's layout."
                    )
            groups = table[self.group_column] if self.group_column else None
            for position in range(len(table)):
                group = str(groups[position]) if groups is not None else ""
                key = f"{split}/{position:08d}"
                yield Item(key, (), group, names.get(split), position=position, part=split)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the picture of a row.

        Raises:
            SourceError: The image is missing or damaged, or the label is unknown.
        """
        del ledger  # labels of rows have no boxes
        table = _load(self.model_dump_json(), root, card.name)[item.part]
        row: dict[str, Any] = table[item.position]
        value: Any = row[self.image_column]
        data: Any = value.get("bytes") if isinstance(value, dict) else None
        if not data and isinstance(value, dict) and cast(dict[str, Any], value).get("path"):
            data = _read(root, cast(dict[str, Any], value)["path"], self, item.key)
        if not isinstance(data, bytes):
            raise SourceError("row without an image", f"column {self.image_column}", item.key)
        raster = raster_of(data, item.key, raster_window(card.windows, card.modality, card.values, item.key))
        raw = _raw_labels(table, self.label_column, row, item.key)
        labels = tuple(full_name(card, each, item.key) for each in (*raw, *card.labels_of_every_image))
        geometry = {
            "row": item.position,
            "hub_split": item.part,
            "hub_revision": self.revision,
            **raster.geometry,
        }
        yield Picture(
            f"{item.position:08d}", raster.pixels, tuple(dict.fromkeys(labels)), (), (), raster.encoded, geometry
        )

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where the library saved a dataset, or where there is Parquet."""
        saved = any((folder.root / name).is_file() for name in ("dataset_dict.json", "state.json"))
        if not saved and not folder.with_ending(".parquet"):
            return None
        layout = {"kind": "hf_dataset", "image_column": "image", "label_column": "label"}
        return Guess("a Hugging Face dataset", "2d_classification", layout)


def _read(root: Path, name: str, layout: HubDataset, key: str) -> bytes:
    path = root / layout.path / name
    if layout.id is None and not path.resolve().is_relative_to(root.resolve()):
        raise SourceError("path outside the root", f"{name}; a source may only name files below --root", key)
    if not path.is_file():
        raise SourceError("file missing", f"{name}; the row names it", key)
    return path.read_bytes()


def _raw_labels(table: Any, column: str | None, row: dict[str, Any], key: str) -> list[str]:
    if column is None:
        return []
    feature: Any = table.features[column]
    inner: Any = getattr(feature, "feature", feature)
    values: list[Any] = cast(list[Any], row[column]) if isinstance(row[column], list) else [row[column]]
    if None in values or (hasattr(inner, "int2str") and -1 in values):  # -1 is no class in a ClassLabel
        raise SourceError("row without a label", f"column {column} is null or -1; leave such rows out", key)
    return [str(inner.int2str(value)) if hasattr(inner, "int2str") else str(value) for value in values]


@functools.lru_cache(maxsize=2)
def _load(settings: str, root: Path, recipe: str) -> dict[str, Any]:
    layout = HubDataset.model_validate_json(settings)
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"recipe {recipe} reads a Hugging Face dataset, and the `datasets` library is not installed. "
            f"Install it with: {pip_install('gmai-data[hub]')}"
        ) from error
    library: Any = datasets
    folder = below(root, layout.path, recipe=recipe)
    try:
        if layout.id is not None:
            found: Any = library.load_dataset(layout.id, layout.config, revision=layout.revision, cache_dir=str(root))
        elif (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            found = library.load_from_disk(str(folder))
        else:
            found = library.load_dataset(str(folder), layout.config)
    except Exception as error:  # the library raises its own and its file systems' many kinds
        detail = " ".join(str(error).split()).rstrip(".")
        raise UserError(
            f"{layout.id or folder}: does not open as a dataset: {detail}. Check the card's layout."
        ) from error
    splits: dict[str, Any] = dict(found) if hasattr(found, "keys") else {"train": found}
    # The encoded bytes are kept: decoding and encoding again would change them.
    return {
        name: table.cast_column(layout.image_column, library.Image(decode=False))
        if layout.image_column in table.column_names
        else table
        for name, table in splits.items()
    }
