"""A dataset of a mixture ▶ its files: found here or on the Hub, with the format they are read by."""

import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from gmai_formats.errors import UserError

from gmai_model.batching.mixture import MixtureEntry

Format = Literal["parquet", "llava", "webdataset"]
FORMATS: dict[str, Format] = {".parquet": "parquet", ".json": "llava", ".jsonl": "llava", ".tar": "webdataset"}
_SPLIT = re.compile(r"(?:^|[-_.])(train|validation|val|test|held_out)(?=[-_.\d]|$)")
"""The word in a file's name that says its split: `train-00000.parquet`, `caption-validation-000000.tar`."""
_WHOLE_BYTES = 64 * 2**20
_BLOCKS, _BLOCK_BYTES = 32, 2**16


@dataclass(frozen=True)
class SourceFiles:
    """The files of one split of a dataset, in the order of their rows."""

    name: str
    format: Format
    files: tuple[Path, ...]
    images: Path
    """The folder that image paths in the rows are relative to."""


def find_files(entry: MixtureEntry, root: Path, *, split: str, cache: Path) -> SourceFiles | None:
    """Return a dataset's files of one split, sorted; a single file is its own `train` split.

    Training files of a folder (or of its `data/`) are those with `train` as a word of their name; where there are none,
    those whose name says no split. Validation files say `validation` or `val`. Parquet goes before JSON before tar.

    Args:
        entry: With `path` or `hub`.
        root: The folder that `path` is relative to.
        split: `train` or `validation`.
        cache: Where a dataset of the Hub is downloaded to.

    Returns:
        None where there are no validation files.

    Raises:
        UserError: The path is missing, or a folder has no file of a known format.
    """
    base = root if entry.hub is None else _pull(entry.hub, cache)
    path = (base / (entry.path or ".")).resolve()
    if path.is_file() and path.suffix in FORMATS:
        found = [path] if split == "train" else []
    else:
        found = _of_split(path, split)
    if not found and split == "train":
        state = "does not exist" if not path.exists() else "holds no training file"
        raise UserError(
            f"dataset {entry.name}: {path} {state}. A dataset is a .parquet, .json, .jsonl or .tar file, or a folder "
            f"of them (train-*.parquet). Fix `path` in the mixture, or set its ratio to 0."
        )
    if not found:
        return None
    images = found[0].parent if entry.images is None else (base / entry.images).resolve()
    return SourceFiles(entry.name, FORMATS[found[0].suffix], tuple(found), images)


def _of_split(folder: Path, split: str) -> list[Path]:
    """Return a folder's files of one split, in the format of those called `train`, or else of the unnamed ones."""
    choices = [(wanted, place, suffixes) for wanted in ("train", None) for place in (folder, folder / "data")
               for suffixes in ((".parquet",), (".json", ".jsonl"), (".tar",))]  # fmt: skip
    for wanted, place, suffixes in choices:
        files = sorted(file for suffix in suffixes for file in place.glob(f"*{suffix}"))
        if any(_split_of(file) == wanted for file in files):
            kept = (wanted,) if split == "train" else ("validation", "val")
            return [file for file in files if _split_of(file) in kept]
    return []


def _split_of(file: Path) -> str | None:
    found = _SPLIT.search(file.stem)
    return None if found is None else found[1]


def _pull(hub: str, cache: Path) -> Path:
    from gmai_cli.hub import pull

    repository, _, revision = hub.partition("@")
    to = cache / "hub" / hub.replace("/", "--")
    if (to / ".complete").is_file():
        return to  # what a run began with, also on a node without network
    pull(repository, repo_type="dataset", revision=revision or None, to=to)
    (to / ".complete").touch()
    return to


def parquet_files(entry: MixtureEntry, root: Path, *, split: str) -> list[Path]:
    """Return a dataset's files of one split where it is Parquet on this machine.

    Raises:
        UserError: It is not, a path is missing, or a file is not whole.
    """
    found = find_files(entry, root, split=split, cache=root) if entry.hub is None else None
    if entry.hub is not None or (found is not None and found.format != "parquet"):
        raise UserError(f"dataset {entry.name} is not Parquet in a local folder, which is needed here.")
    files = [] if found is None else list(found.files)
    for file in files:
        check_parquet(file, entry.name)
    return files


def check_parquet(file: Path, dataset: str) -> None:
    """Read a Parquet file's footer.

    Raises:
        UserError: It is not a whole Parquet file.
    """
    try:
        pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(
            f"dataset {dataset}: {file} is not a whole Parquet file ({reason}). Build or download it again."
        ) from error


def digest_files(files: Sequence[Path]) -> list[str]:
    """Return a digest per file that does not depend on where the file lies or when it was copied.

    Up to 64 MiB everything is read, above that the size and 32 blocks of 64 KiB spread over the file (its footer among
    them): an edit inside a large file that keeps its size and misses every block goes unseen.
    """
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(_digest, files))


def _digest(file: Path) -> str:
    size = file.stat().st_size
    digest = hashlib.sha256(f"{file.suffix} {size} ".encode())
    with file.open("rb") as handle:
        if size <= _WHOLE_BYTES:
            digest.update(handle.read())
        else:
            for block in range(_BLOCKS):
                offset = (size - _BLOCK_BYTES) * block // (_BLOCKS - 1)
                digest.update(os.pread(handle.fileno(), _BLOCK_BYTES, offset))
    return digest.hexdigest()
