"""Datasets of the Hub that are read through `datasets` (an extra), row after row, instead of being downloaded whole.

Rows come in the order of the stream and are kept in the cache in parts of Arrow, images included; beside each part
stands the state of the stream behind it. A kill loses the part that was being written: the next run begins the stream
at that state, and ends with the same parts. Training reads the parts as it reads any file, in any order, on any number
of processes.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from gmai_cli.console import progress, say
from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically
from gmai_formats.installing import pip_install
from gmai_formats.rows.mixtures import MixtureEntry
from gmai_formats.state import DamagedError, damage, read_state, seal, write_state

ROWS_PER_PART = 512
_SPLITS = {"train": ("train",), "validation": ("validation", "val")}
_WHOLE = "whole.json"


def stream_parts(entry: MixtureEntry, split: str, cache: Path) -> list[Path]:
    """Return the parts of a split of a streamed dataset, read as far as the cache lacks them.

    Args:
        entry: With `hub` and `rows` or `subset`.
        split: `train` or `validation`.
        cache: The cache folder.

    Returns:
        In the order of their rows; none where the dataset has no such split.

    Raises:
        UserError: `datasets` is not installed, or the Hub or the dataset cannot be read.
    """
    asked = {"hub": entry.hub, "subset": entry.subset, "rows": entry.rows}
    name = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    root = cache / "streams" / f"{(entry.hub or '').replace('/', '--')}-{name}"
    folder = root / split
    if (folder / _WHOLE).is_file():
        parts = _parts(folder)
        if len(parts) == read_state(folder / _WHOLE)["parts"]:
            return [path for path, _ in parts]
        (folder / _WHOLE).unlink()
    stream = _open(entry, split, _revision(entry, root))
    if stream is not None:
        _read(stream, entry, folder, what=f"streaming {entry.name}, {split}")
    parts = _parts(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_state(folder / _WHOLE, {"parts": len(parts), **asked})
    return [path for path, _ in parts]


def _parts(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return the parts that are whole, up to the first that is not; what lies behind it is read again."""
    found: list[tuple[Path, dict[str, Any]]] = []
    while (path := _part(folder, len(found))).is_file():
        try:
            mark = read_state(path.with_suffix(".json"))
            problem = damage(path, mark["part"])
        except (OSError, DamagedError, KeyError) as error:
            problem, mark = str(error), {}
        if problem:
            say(f"{folder}: {problem}; the stream is read again from there")
            break
        found.append((path, mark))
    return found


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.arrow"


def _read(stream: Any, entry: MixtureEntry, folder: Path, *, what: str) -> None:
    parts = _parts(folder)
    rows = sum(mark["rows"] for _, mark in parts)
    if parts:
        stream.load_state_dict(parts[-1][1]["state"])
    limit = entry.rows
    if limit is not None and rows >= limit:
        return
    number = len(parts)
    with progress(what, None if limit is None else limit - rows, unit="rows") as bar:
        for table in _tables(stream, entry):
            part = table if limit is None else table.slice(0, limit - rows)
            path = _part(folder, number)
            with replace_atomically(path) as file, pa.ipc.new_stream(file, part.schema) as writer:
                writer.write_table(part)
            write_state(
                path.with_suffix(".json"), {"part": seal(path), "rows": len(part), "state": stream.state_dict()}
            )
            rows, number = rows + len(part), number + 1
            bar.advance(len(part))
            if limit is not None and rows >= limit:
                return


def _tables(stream: Any, entry: MixtureEntry) -> Iterator[Any]:
    """Yield the rows in tables, with the bytes of images that lie in files of their own."""
    from datasets.table import embed_array_storage

    try:
        for table in stream.iter(batch_size=ROWS_PER_PART):
            columns = [
                embed_array_storage(table.column(name).combine_chunks(), feature)
                if (feature := (stream.features or {}).get(name)) is not None else table.column(name)
                for name in table.column_names
            ]  # fmt: skip
            yield pa.table(columns, names=table.column_names)
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        raise _unreadable(entry, error) from error


def _open(entry: MixtureEntry, split: str, revision: str | None) -> Any:
    """Return the stream of a split, or None where the dataset has no validation samples."""
    datasets = _library(entry)
    repository = (entry.hub or "").partition("@")[0]
    try:
        splits = datasets.load_dataset(repository, entry.subset, revision=revision, streaming=True)
    except Exception as error:  # what it raises depends on what the repository holds
        raise _unreadable(entry, error) from error
    found = next((splits[name] for name in _SPLITS[split] if name in splits), None)
    if found is None and split == "train":
        raise UserError(
            f"dataset {entry.name}: {entry.hub} has the splits {', '.join(splits)}, and no `train` to train on. "
            "Name another `subset`."
        )
    # Images stay encoded. The state is that of the very object that is iterated.
    return None if found is None else found.with_format("arrow")


def _revision(entry: MixtureEntry, root: Path) -> str | None:
    """Return the commit that the stream is read at, the same after a kill."""
    repository, _, named = (entry.hub or "").partition("@")
    if Path(repository).is_dir():
        return None
    path = root / "commit.json"
    try:
        return read_state(path)["commit"]
    except (OSError, DamagedError, KeyError):
        shutil.rmtree(root, ignore_errors=True)
    from gmai_cli.hub_calls import library

    try:
        commit = library().HfApi().dataset_info(repository, revision=named or None).sha
    except Exception as error:  # the library has no one class for "no network"
        raise _unreadable(entry, error) from error
    root.mkdir(parents=True, exist_ok=True)
    write_state(path, {"commit": commit})
    return commit


def _library(entry: MixtureEntry) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"dataset {entry.name}: `rows` and `subset` are read through datasets ({error}). Install it with "
            f"`{pip_install('gmai-model[datasets]')}`, or leave both out, so that the repository is downloaded."
        ) from error
    datasets.disable_progress_bars()
    return datasets


def _unreadable(entry: MixtureEntry, error: Exception) -> UserError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return UserError(
        f"dataset {entry.name}: {entry.hub} cannot be streamed ({type(error).__name__}: {reason:.300}). What was read "
        "is kept: the same command goes on from there."
    )
