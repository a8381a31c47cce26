"""A file or folder of a dataset ▶ the files of one split, and the folders in which their images are looked for."""

import json
import re
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.rows.files import SUFFIXES

_SPLIT = re.compile(r"(?:^|[-_.])(train|validation|val|test|held_out)(?=[-_.\d]|$)")
"""The word in a file's name that says its split: `train-00000.parquet`, `caption-validation-000000.tar`."""
_NAMES = {"train": ("train",), "validation": ("validation", "val")}
_TOGETHER = ((".parquet",), (".arrow",), (".json", ".jsonl"), (".csv", ".tsv"), (".tar",))
"""Suffixes of one dataset, in the order in which they are looked for."""


def files_of(path: Path, split: str) -> list[Path]:
    """Return a dataset's files of one split, sorted; a single file is its own `train` split.

    Training files of a folder (or of its `data/`) are those with `train` as a word of their name; where there are none,
    those whose name says no split. Validation files say `validation` or `val`. Parquet goes before Arrow, JSON, CSV
    and tar. A folder of `save_to_disk` has a folder for each split, or is `train`.

    Args:
        path: The file or folder.
        split: `train` or `validation`.

    Raises:
        UserError: `datasets` saved a selection of rows beside the rows.
    """
    if path.is_file() and path.suffix in SUFFIXES:
        return [path] if split == "train" else []
    if (path / "dataset_dict.json").is_file():
        return [file for name in _NAMES[split] if (path / name).is_dir() for file in _saved(path / name)]
    if (path / "state.json").is_file():
        return _saved(path) if split == "train" else []
    choices = [(wanted, place, suffixes) for wanted in ("train", None) for place in (path, path / "data")
               for suffixes in _TOGETHER]  # fmt: skip
    for wanted, place, suffixes in choices:
        files = sorted(file for suffix in suffixes for file in place.glob(f"*{suffix}"))
        if any(split_of(file) == wanted for file in files):
            kept = (wanted,) if split == "train" else _NAMES["validation"]
            return [file for file in files if split_of(file) in kept]
    return []


def _saved(folder: Path) -> list[Path]:
    """Return the files that `datasets.Dataset.save_to_disk` wrote into a folder."""
    state = json.loads((folder / "state.json").read_text("utf-8"))
    if state.get("_indices_files"):
        raise UserError(
            f"{folder}: holds a selection of rows beside the rows. Save it with `dataset.flatten_indices()` first."
        )
    return [folder / entry["filename"] for entry in state["_data_files"]]


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
