"""A Hugging Face dataset, from a local folder or by id (extra `hub`)."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self, cast

from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.installing import pip_install
from gmai_formats.json_text import parse_json
from gmai_formats.rows.splits import saved_files
from gmai_formats.rows.tables import is_cut_stream
from pydantic import model_validator

from gmai_data.imaging.raster import raster_of
from gmai_data.imaging.source_files import below
from gmai_data.imaging.units import raster_window
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.items import Item, ItemImage, full_name
from gmai_data.sources.layout import SPLIT_NAMES, Layout
from gmai_data.untyped import pa, pq


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

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
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
        yield ItemImage(
            f"{item.position:08d}", raster.pixels, tuple(dict.fromkeys(labels)), (), (), raster.encoded, geometry
        )

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where the library saved a dataset of images, or where Parquet holds them.

        Its columns tell which holds the image, the classes and the patient; Parquet without an image is another table.
        """
        features = _features(folder)
        if features is None:
            return None
        image = next((name for name, feature in features.items() if feature.get("_type") == "Image"), None)
        if image is None:
            if features:
                return None
            unknown = {"kind": "hf_dataset", "image_column": "TODO", "label_column": "TODO"}
            note = "image_column, label_column: no dataset_info.json says what the columns are"
            return Guess("a Hugging Face dataset", "2d_classification", unknown, notes=(note,))
        classes = {name: feature for name, feature in features.items() if feature.get("_type") == "ClassLabel"}
        others = [name for name in features if name != image]
        label = next(iter(classes)) if len(classes) == 1 else "label" if "label" in others else "TODO"
        notes: list[str] = []
        if label == "TODO":
            notes.append(f"label_column: candidates are {', '.join(classes or others) or 'none'}")
        patient = next((name for name in others if _PATIENT.search(name)), None)
        layout = {"kind": "hf_dataset", "image_column": image, "label_column": label}
        if patient is not None:
            layout["group_column"] = patient
        names = list(map(str, classes[label].get("names", ()))) if label in classes else []
        return Guess("a Hugging Face dataset", "2d_classification", layout, names, notes=tuple(notes))


_PATIENT = re.compile(r"(?i)^(?:patient|subject|case|participant)s?(?:[_ -]?(?:id|no|number))?$")


def _features(folder: Folder) -> dict[str, dict[str, Any]] | None:
    """Return column ▶ feature of what the library saved, or of the first Parquet file; None where there is neither."""
    described = [path for path in folder.files if path.name == "dataset_info.json"]
    if any((folder.root / name).is_file() for name in ("dataset_dict.json", "state.json")):
        found = (_described(_parsed(path.read_bytes())) for path in described)
        return next((features for features in found if features), {})
    for path in folder.with_ending(".parquet"):
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            continue
        metadata: Any = (schema.metadata or {}).get(b"huggingface")
        info = _parsed(metadata or b"")
        told = _described(info.get("info")) if isinstance(info, dict) else {}
        return told or {field.name: _of_arrow(field.type) for field in schema}
    return None


def _parsed(text: bytes) -> Any:
    try:
        return parse_json(text)
    except ValueError:  # no JSON, or no text
        return None


def _described(info: Any) -> dict[str, dict[str, Any]]:
    features: Any = cast("dict[str, Any]", info).get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        return {}
    named = cast("dict[str, Any]", features)
    return {name: cast("dict[str, Any]", each) if isinstance(each, dict) else {} for name, each in named.items()}


def _of_arrow(kind: Any) -> dict[str, Any]:
    """Return the feature of an Arrow type: an image is its bytes, or bytes and a path."""
    struct = pa.types.is_struct(kind) and "bytes" in {kind.field(number).name for number in range(kind.num_fields)}
    return {"_type": "Image"} if struct or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else {}


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


def _saved(folder: Path, library: Any) -> dict[str, Any]:
    """Return the splits that `save_to_disk` wrote, but the empty ones: the library cannot open them."""
    folders = {"train": folder}
    listed = folder / "dataset_dict.json"
    if listed.is_file():
        names: list[str] = parse_json(listed.read_text("utf-8"))["splits"]
        folders = {name: below(folder, name, recipe=folder.name) for name in names}
    files = {name: saved_files(path) for name, path in folders.items()}
    if cut := next((file for each in files.values() for file in each if is_cut_stream(file)), None):
        raise ValueError(f"{cut.name} has no end mark: it was cut")
    return {name: library.load_from_disk(str(path)) for name, path in folders.items() if files[name]}


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
            found = _saved(folder, library)
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
