"""GMAI-VL's mixing lists: which annotation file belongs to which image folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_data.validation.json_stream import lenient_object
from gmai_data.validation.rules import Problem

KEYS = frozenset({"image_dir", "annotations", "sample_ratio", "length", "data_augment"})


@dataclass(frozen=True)
class Entry:
    """A data set of a mixing list."""

    name: str
    annotations: Path
    images: tuple[Path, ...]
    length: int | None


def is_mixture(value: Any) -> bool:
    """Say whether a JSON object is a mixing list: every value is an object, and one of them names annotations."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(entry, Mapping) for entry in value.values())
        and any("annotations" in entry for entry in value.values())
    )


def read_mixture(path: Path) -> Iterator[Entry | Problem | str]:
    """Yield the entries of a mixing list, what is wrong with it, and notes on what was overlooked.

    Paths are relative to the list's folder, or to one above it: GMAI-VL's own example is read from the root of its
    repository. An empty `image_dir` also stands for the folder of the annotations.
    """
    value, lenient = lenient_object(path)
    if lenient:
        yield f"{path.name}: a comma before a closing bracket was overlooked; strict readers refuse the file"
    if isinstance(value, Problem):
        yield value
        return
    for name, entry in value.items():
        if not isinstance(entry.get("annotations"), str):
            yield Problem("mixture", f"{name!r:.80} names no `annotations`")
            continue
        if missing := sorted(KEYS - entry.keys() - {"data_augment"}):
            yield Problem("mixture", f"{name!r:.80} has no {', '.join(missing)}")
        ratio = entry.get("sample_ratio", 1.0)
        if not isinstance(ratio, int | float) or not ratio >= 0:
            yield Problem("mixture", f"{name!r:.80} has the sample_ratio {ratio!r:.40}")
        bases = (path.parent.absolute(), path.parent.absolute().parent)
        base = next((base for base in bases if (base / entry["annotations"]).is_file()), None)
        if base is None:
            yield Problem("mixture", f"{name!r:.80}: {entry['annotations']:.200} is not there")
            continue
        if base != bases[0]:
            yield f"{path.name}: paths of {name!r:.80} are relative to the folder above the list"
        annotations, images = base / entry["annotations"], str(entry.get("image_dir") or "")
        folders = (base / images,) if images else (base, annotations.parent)
        length = entry.get("length")
        yield Entry(str(name), annotations, folders, length if isinstance(length, int) else None)
