"""A file or folder of a dataset ▶ the files of one split, and the folders in which their images are looked for."""

import itertools
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.files import may_be_read
from gmai_formats.json_text import read_json_object
from gmai_formats.rows.files import SUFFIXES, format_of
from gmai_formats.rows.json_stream import first_character

_SPLIT = re.compile(r"(?:^|[-_.])(train|validation|val|test|held_out)(?=[-_.\d]|$)")
"""The word in a file's name that says its split: `train-00000.parquet`, `caption-validation-000000.tar`."""
_NAMES = {"train": ("train",), "validation": ("validation", "val")}
_TOGETHER = ((".parquet",), (".arrow",), (".json", ".jsonl"), (".csv", ".tsv"), (".tar",))
"""Suffixes of one dataset, in the order in which they are looked for."""
_PACKED = (".gz", ".zst", ".bz2", ".xz", ".zip", ".7z", ".tgz", ".rar", ".ndjson", ".txt", ".xlsx", ".pkl", ".npz")
_ANY = tuple(f"*{suffix}" for suffix in SUFFIXES)
_SAVE_AGAIN = "Save the dataset again with `save_to_disk`."


def files_of(path: Path, split: str) -> list[Path]:
    """Return a dataset's files of one split, sorted; a single file is its own `train` split.

    Training files of a folder (or of its `data/`) are those with `train` as a word of their name; where there are none,
    those whose name says no split; then those in folders of its own for each split. Validation files say `validation`
    or `val`. Parquet goes before Arrow, JSON, CSV and tar. A folder of `save_to_disk` has a folder for each split, or
    is `train`. JSON files that tell about data (`dataset_info.json`) and hold no rows are left alone.

    Args:
        path: The file or folder, or a pattern of the files of a folder (`data/train_sft-*.parquet`).
        split: `train` or `validation`.

    Raises:
        UserError: `datasets` saved a selection of rows beside the rows.
    """
    if path.is_file() and path.suffix in SUFFIXES:
        return [path] if split == "train" else []
    if is_pattern(path):
        return _first_format((path.parent,), split, path.name) or []
    if (path / "dataset_dict.json").is_file():
        return [file for name in _NAMES[split] if (path / name).is_dir() for file in _saved(path / name)]
    if (path / "state.json").is_file():
        return _saved(path) if split == "train" else []
    places = (path, path / "data")
    if (found := _first_format(places, split)) is not None:
        return found
    for place, suffixes in itertools.product(places, _TOGETHER):
        if _with_suffix(place / "train", suffixes):
            return [file for name in _NAMES[split] for file in _with_suffix(place / name, suffixes)]
    return []


def is_pattern(path: Path) -> bool:
    """Return whether a path stands for the files of a folder whose names fit it, not for a file or folder itself."""
    return "*" in path.name and not path.exists()


def _first_format(places: Iterable[Path], split: str, pattern: str = "*") -> list[Path] | None:
    """Return the files of a split in the first folder and format with files to train on; None: there is neither."""
    for wanted, place, suffixes in itertools.product(("train", None), places, _TOGETHER):
        files = [file for file in _with_suffix(place, suffixes) if fnmatchcase(file.name, pattern)]
        if any(split_of(file) == wanted for file in files):
            kept = (wanted,) if split == "train" else _NAMES["validation"]
            return [file for file in files if split_of(file) in kept]
    return None


def near_misses(folder: Path) -> list[str]:
    """Return what of a folder without files of samples may be what is looked for, by its name: at most three."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    inside = [f"{entry.name}/" for entry in entries if entry.is_dir() and any(next(entry.glob(p), None) for p in _ANY)]
    odd = [entry.name for entry in entries if entry.suffix in _PACKED and entry.is_file()]
    return [*inside, *odd, *(file.name for file in left_alone([folder]))][:3]


def left_alone(places: Iterable[Path]) -> list[Path]:
    """Return the JSON files of folders that hold no rows."""
    return [
        file for place in places if not (place / "state.json").is_file()
        for file in sorted(place.glob("*.json")) if tells_about_data(file)
    ]  # fmt: skip


def _with_suffix(place: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found = [file for suffix in suffixes for file in place.glob(f"*{suffix}") if may_be_read(file)]
    return sorted(file for file in found if not tells_about_data(file))


def tells_about_data(file: Path) -> bool:
    """Return whether a file is one JSON object without rows, as LLaMA-Factory, `datasets` and others keep beside them.

    https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md (`dataset_info.json`),
    https://docs.mosaicml.com/projects/streaming (`index.json`).
    """
    try:
        return file.suffix == ".json" and first_character(file) == "{" and format_of(file) is None
    except OSError:
        return False


def _saved(folder: Path) -> list[Path]:
    """Return the files of rows that `datasets.Dataset.save_to_disk` wrote into a folder, for who reads all of them."""
    if _state_of(folder).get("_indices_files"):
        raise UserError(
            f"{folder}: holds a selection of rows beside the rows. Save it with `dataset.flatten_indices()` first."
        )
    return saved_files(folder)


def _state_of(folder: Path) -> dict[str, Any]:
    return read_json_object(folder / "state.json", remedy=_SAVE_AGAIN)


def saved_files(folder: Path) -> list[Path]:
    """Return the files of rows that `datasets.Dataset.save_to_disk` wrote into a folder; an empty dataset has none.

    Raises:
        UserError: The folder's state.json is damaged, or names files outside of it.
    """
    state = _state_of(folder)
    try:
        names = [str(entry["filename"]) for entry in state["_data_files"]]
    except (KeyError, TypeError):
        raise UserError(f"{folder / 'state.json'}: names no files of rows. {_SAVE_AGAIN}") from None
    if any(name in ("", ".", "..") or "/" in name or "\0" in name for name in names):
        raise UserError(f"{folder / 'state.json'}: names files outside of its folder. {_SAVE_AGAIN}")
    return [folder / name for name in names]


def split_of(file: Path) -> str | None:
    """Return the split that a file's name says."""
    found = _SPLIT.search(file.stem)
    return None if found is None else found[1]


def image_folders(file: Path, images: Path | None) -> tuple[Path, ...]:
    """Return where the images that a file names are looked for: where they are said to be, beside it, in `images`.

    Args:
        file: The file of rows.
        images: The folder that they are said to be in.
    """
    own = file.parent.absolute()
    folders = (own, own / "images") if images is None else (images.absolute(), own)
    return tuple(dict.fromkeys(folders))
