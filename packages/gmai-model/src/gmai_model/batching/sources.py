"""A dataset of a mixture ▶ its files: found here or on the Hub, with the format they are read by."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.rows.files import SUFFIXES
from gmai_formats.rows.mixtures import MixtureEntry
from gmai_formats.rows.splits import files_of, image_folders, is_pattern, left_alone, near_misses

from gmai_model.batching.streams import stream_parts

_WHOLE_BYTES = 64 * 2**20
_BLOCKS, _BLOCK_BYTES = 32, 2**16


@dataclass(frozen=True)
class SourceFiles:
    """The files of one split of a dataset, in the order of their rows."""

    name: str
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    """Where the images that rows name are looked for."""

    @property
    def is_parquet(self) -> bool:
        """Whether the images that the files hold have to be found in them first."""
        return self.files[0].suffix == ".parquet"


def find_files(entry: MixtureEntry, root: Path, *, split: str, cache: Path) -> SourceFiles | None:
    """Return a dataset's files of one split, as `files_of` finds them.

    Args:
        entry: With `path` or `hub`.
        root: The folder that `path` is relative to.
        split: `train` or `validation`.
        cache: Where a dataset of the Hub is downloaded to, or its rows.

    Returns:
        None where there are no validation files.

    Raises:
        UserError: The path is missing, or a folder has no file of a known format.
    """
    if entry.is_streamed:
        parts = stream_parts(entry, split, cache)
        if not parts and split == "train":
            raise UserError(
                f"dataset {entry.name}: {entry.hub} has no row in its split `train`. Name another "
                "`subset`, or leave it out."
            )
        return SourceFiles(entry.name, tuple(parts), (parts[0].parent,)) if parts else None
    base = root if entry.hub is None else _pull(entry.hub, cache)
    path = (base / (entry.path or ".")).resolve()
    found = files_of(path, split)
    if not found and split == "train":
        seen = near_misses(path if path.is_dir() else path.parent) if path.is_dir() or is_pattern(path) else []
        missing = "fits no training file" if is_pattern(path) else "does not exist"
        state = "holds no training file" if path.exists() else missing
        state += f" itself, but {', '.join(seen)}" if seen else ""
        raise UserError(
            f"dataset {entry.name}: {path} {state}. A dataset is a {', '.join(SUFFIXES)} file, a folder of them "
            f"(train-*.parquet), or a folder of `save_to_disk`. Fix `path` in the mixture, or set its ratio to 0; raw "
            "data becomes samples with `gmai data build`."
        )
    if not found:
        return None
    if split == "train" and (others := left_alone(dict.fromkeys(file.parent for file in found))):
        say(f"dataset {entry.name}: no rows in {', '.join(file.name for file in others)}, which is left alone")
    folders = image_folders(found[0], None if entry.images is None else (base / entry.images).resolve())
    return SourceFiles(entry.name, tuple(found), folders)


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
    if entry.hub is not None or (found is not None and not found.is_parquet):
        raise UserError(
            f"dataset {entry.name} is not Parquet in a local folder, which is needed here. Give a build of "
            "`gmai data build`, or export the dataset to Parquet."
        )
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
