"""A folder of unknown files as a layout sees it that asks: could this be mine?"""

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError

from gmai_data.sources.tables import TABLE_ENDINGS, UTF_8, read_table

MAX_FILES = 20_000
"""Files looked at; a dataset shows its layout long before."""
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_ROWS = 500
"""Rows of a table that are looked at."""


@dataclass(frozen=True)
class Guess:
    """What a layout makes of a folder: the draft of a card is written from it."""

    description: str
    """In words, as `a table of labels`."""
    task: str
    layout: Mapping[str, Any]
    """The card's `layout`; what the folder cannot tell is the word TODO."""
    labels: Sequence[str] = ()
    """Raw labels, as far as the folder tells them."""


class Folder:
    """The files of a folder, sorted, without hidden ones."""

    def __init__(self, root: Path) -> None:
        self.root = root
        listed = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith("."))
        self.files = [path for path, _ in zip(listed, range(MAX_FILES), strict=False)]

    def below(self, path: Path) -> str:
        """Return a path as it stands in a card, relative to the folder."""
        return path.relative_to(self.root).as_posix()

    def with_ending(self, *endings: str) -> list[Path]:
        """Return the files with one of the endings, in lower case."""
        return [path for path in self.files if path.name.lower().endswith(endings)]

    @cached_property
    def images(self) -> list[Path]:
        """Return the raster images."""
        return self.with_ending(*IMAGES)

    @cached_property
    def volumes(self) -> list[Path]:
        """Return the files of volumes."""
        return self.with_ending(*VOLUMES)

    @cached_property
    def tables(self) -> list[tuple[Path, list[dict[str, str]]]]:
        """Return the tables with rows, each with its first rows."""
        return [(path, rows) for path in self.with_ending(*TABLE_ENDINGS) if (rows := _first_rows(path))]

    def endings(self) -> Counter[str]:
        """Return how many files have which ending."""
        return Counter(
            next((end for end in VOLUMES if path.name.endswith(end)), path.suffix.lower()) for path in self.files
        )


def _first_rows(path: Path) -> list[dict[str, str]]:
    """Return the first rows of a table in UTF-8 or else Windows-1252; nothing of one that cannot be read."""
    for encoding in (UTF_8, "cp1252"):
        try:
            _, rows = read_table(path, encoding=encoding)
            return [row for _, row, _ in itertools.islice(rows, _ROWS)]
        except UserError:
            continue
    return []


def column_of_names(rows: Sequence[Mapping[str, str]], stems: set[str]) -> str | None:
    """Return the first column whose first cell is the name of a file, with or without folder and ending."""
    return next((name for name in rows[0] if Path(rows[0][name]).stem in stems), None)


def column_of_labels(rows: Sequence[Mapping[str, str]], *others: str | None) -> str:
    """Return the first other column of words or codes that repeat, or TODO."""
    names = [name for name in rows[0] if name not in others]
    return next((name for name in names if 1 < len(values_of(rows, name)) <= 50), "TODO")


def values_of(rows: Sequence[Mapping[str, str]], column: str) -> list[str]:
    """Return the values of a column, sorted, without empty cells."""
    return sorted({row.get(column, "") for row in rows} - {""})


def is_mask_name(path: str) -> bool:
    """Return whether a path says that it leads to a mask."""
    return re.search(r"mask|ground.?truth|label|segm|annotation|(?<![a-z])(gt|seg)(?![a-z])", path, re.I) is not None


def dicom_files(folder: Folder) -> list[Path]:
    """Return the DICOM files, by their ending or, without one, by their preamble (PS3.10, 7.1)."""
    return [path for path in folder.files if path.suffix.lower() in (".dcm", ".ima") or _has_preamble(path)]


def _has_preamble(path: Path) -> bool:
    if path.suffix or path.name == "DICOMDIR":  # the index of an export, which holds no image
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def paired(images: Sequence[Path], masks: Sequence[Path]) -> tuple[str, str] | None:
    """Return (pattern of the images' names, name of the mask with `{match}`) where one part of the names pairs them.

    Images and masks each lie in one folder: `img0001.nii.gz` and `label0001.nii.gz` have the number in common.
    """
    if not masks or len({path.parent for path in images}) > 1 or len({path.parent for path in masks}) > 1:
        return None
    of_image, of_mask = (_affixes([path.name for path in paths]) for paths in (images, masks))
    cores = [{path.name[len(p) : len(path.name) - len(s)] for path in paths} for paths, (p, s) in
             ((images, of_image), (masks, of_mask))]  # fmt: skip
    if "" in cores[1] or not cores[1] <= cores[0]:
        return None
    return f"{of_image[0]}*{of_image[1]}", f"{of_mask[0]}{{match}}{of_mask[1]}"


def _affixes(names: Sequence[str]) -> tuple[str, str]:
    """Return what the names begin and end with, without digits at the inner sides."""
    if len(names) == 1:
        found = re.search(r"\d+", names[0])
        return (names[0][: found.start()], names[0][found.end() :]) if found else ("", "")
    begin = re.sub(r"\d+$", "", _common_beginning(names))
    end = _common_beginning([name[len(begin) :][::-1] for name in names])[::-1]
    return begin, re.sub(r"^\d+", "", end)


def _common_beginning(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length]
