"""A folder of unknown files as a layout sees it that asks: could this be mine?"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError

from gmai_data.sources.tables import TABLE_ENDINGS, UTF_8, read_table

MAX_FILES = 20_000
"""Files looked at; a dataset shows its layout long before."""
IMAGES = (
    ".png", ".jpg", ".jpeg", ".jfif", ".jp2", ".webp", ".gif", ".bmp", ".pgm", ".ppm", ".tif", ".tiff"
)  # fmt: skip
VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_ROWS = 500
"""Rows of a table that are looked at."""


@dataclass(frozen=True)
class Guess:
    """What a layout makes of a folder: the draft of a card is written from it."""

    description: str
    """What it is in words, such as `a table of labels`."""
    task: str
    layout: Mapping[str, Any]
    """The card's `layout`; what the folder cannot tell is the word TODO."""
    labels: Sequence[str] = ()
    """Raw labels, as far as the folder tells them."""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    """Raw label ▶ full name, where a file of the folder gives one."""
    notes: tuple[str, ...] = ()
    """Candidates for what is TODO, and what else was seen: comments of the draft."""
    splits: Mapping[str, str] = field(default_factory=dict[str, str])
    """`split.names` of the card, where the folder has names of its own for them."""
    split: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else the folder tells of the card's `split`."""


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
    def stems(self) -> frozenset[str]:
        """Return the names of the raster images without ending."""
        return frozenset(path.stem for path in self.images)

    @cached_property
    def volumes(self) -> list[Path]:
        """Return the files of volumes."""
        return self.with_ending(*VOLUMES)

    @cached_property
    def tables(self) -> list[tuple[Path, list[dict[str, str]]]]:
        """Return the tables with rows, each with its first rows."""
        # Dataverse gives some tables without an ending.
        bare = [path for path in self.files if path.suffix == "" and path.stat().st_size and _is_table(path)]
        return [(path, rows) for path in (*self.with_ending(*TABLE_ENDINGS), *bare) if (rows := _first_rows(path))]

    def endings(self) -> Counter[str]:
        """Return how many files have which ending."""
        return Counter(
            next((end for end in VOLUMES if path.name.endswith(end)), path.suffix.lower()) for path in self.files
        )


def _is_table(path: Path) -> bool:
    """Return whether a file without an ending begins with two lines of text that have as many commas, or tabs."""
    with path.open("rb") as file:
        head = file.read(4096)
    if b"\0" in head or head.count(b"\n") < 2:
        return False
    lines = head.split(b"\n")[:2]
    return any(lines[0].count(sign) == lines[1].count(sign) > 0 for sign in (b",", b"\t", b";"))


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


def values_of(rows: Sequence[Mapping[str, str]], column: str) -> list[str]:
    """Return the values of a column, sorted, without empty cells."""
    return sorted({row.get(column, "") for row in rows} - {""})


def dicom_files(folder: Folder) -> list[Path]:
    """Return the DICOM files, by their ending or, without one, by their preamble (PS3.10, 7.1)."""
    return [path for path in folder.files if path.suffix.lower() in (".dcm", ".ima", ".dicom") or _has_preamble(path)]


def _has_preamble(path: Path) -> bool:
    # What a PACS writes has no ending, or a part of a UID that looks like one; DICOMDIR is an index without images.
    known = (*IMAGES, *VOLUMES, ".csv", ".tsv", ".txt", ".json", ".xml", ".yaml", ".md", ".npz", ".npy", ".gz", ".zip")
    if path.name.lower().endswith(known) or path.name == "DICOMDIR":
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
