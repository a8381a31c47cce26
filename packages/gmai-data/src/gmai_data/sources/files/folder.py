"""A folder of unknown files as a layout sees it that asks: could this be mine?"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from gmai_data.imaging.source_files import is_dicom_file, is_dicom_under_its_name
from gmai_data.sources.files.probed_table import ProbedTable, is_table, probe_table
from gmai_data.sources.files.tables import TABLE_ENDINGS

MAX_FILES = 20_000
"""Files looked at; a dataset shows its layout long before."""
IMAGES = (
    ".png", ".jpg", ".jpeg", ".jfif", ".jp2", ".webp", ".gif", ".bmp", ".pgm", ".ppm", ".tif", ".tiff"
)  # fmt: skip
PAIRS = {".hdr": ".img", ".hdr.gz": ".img.gz"}
"""Headers of volumes whose voxels lie in a second file (NIfTI pairs, ANALYZE 7.5)."""
VOLUMES = (".nii.gz", ".nii", ".mgz", ".mgh", ".nrrd", ".nhdr", ".mha", ".mhd", *PAIRS)
_MOST_TEXTS = 20
"""Where more texts lie in one folder, each belongs to one picture."""


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
    card: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further fields of the card."""


class Folder:
    """The files of a folder, sorted, without hidden ones.

    Args:
        root: The folder.
        renamed: DICOM files that have the ending of a picture count as DICOM files: where no layout of pictures fits.
    """

    def __init__(self, root: Path, *, renamed: bool = False) -> None:
        self.root, self.renamed = root, renamed
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
        """Return the files of volumes; of a pair its header."""
        names = {str(path).lower() for path in self.files}
        return [path for path in self.with_ending(*VOLUMES) if _has_voxels(str(path).lower(), names)]

    @cached_property
    def tables(self) -> list[tuple[Path, list[dict[str, str]]]]:
        """Return the tables with rows, each with its first rows."""
        return [(path, table.rows) for path, table in self.probed.items() if table.rows]

    @cached_property
    def probed(self) -> dict[Path, ProbedTable]:
        """Return what a first look at each table gave; of one that cannot be read, why."""
        # Dataverse gives some tables without an ending; lists of `picture label` are often called `.txt`.
        bare = [path for path in self.files if path.suffix == "" and path.stat().st_size and is_table(path)]
        texts: dict[Path, list[Path]] = defaultdict(list)
        for path in self.with_ending(".txt"):
            texts[path.parent].append(path)
        few = [path for each in texts.values() if len(each) <= _MOST_TEXTS for path in each]
        names = frozenset(path.name for path in self.files)
        found = {path: probe_table(path, names) for path in (*self.with_ending(*TABLE_ENDINGS), *bare)}
        lists = {path: probe_table(path, names) for path in few if path.stat().st_size}
        return found | {path: table for path, table in lists.items() if len(table.names) > 1}

    @cached_property
    def dicom(self) -> tuple[Path, ...]:
        """Return the DICOM files, by their ending or, without one, by their first bytes, which are read once."""
        return tuple(path for path in self.files if _is_dicom(path, renamed=self.renamed))

    def endings(self) -> Counter[str]:
        """Return how many files have which ending."""
        return Counter(
            next((end for end in VOLUMES if path.name.endswith(end)), path.suffix.lower()) for path in self.files
        )


def _has_voxels(name: str, names: AbstractSet[str]) -> bool:
    """Return whether a volume is whole: beside the header of a pair lie its voxels; other programs have .hdr, too."""
    header = next((ending for ending in PAIRS if name.endswith(ending)), None)
    return header is None or name.removesuffix(header) + PAIRS[header] in names


def ending_pattern(paths: Iterable[PurePath]) -> str:
    """Return `*.jpg` for files of one ending, `*.{jpg,png}` for those of several."""
    return "*" + either_ending(path.suffix for path in paths)


def either_ending(endings: Iterable[str]) -> str:
    """Return `.jpg` for one ending, in whatever case, and `.{jpg,png}` for several."""
    plain = sorted({ending.lower().removeprefix(".") for ending in endings})
    return f".{plain[0]}" if len(plain) == 1 else f".{{{','.join(plain)}}}"


def column_of_names(rows: Sequence[Mapping[str, str]], stems: set[str]) -> str | None:
    """Return the first column whose first cell is the name of a file, with or without folder and ending."""
    return next((name for name in rows[0] if Path(rows[0][name]).stem in stems), None)


def values_of(rows: Sequence[Mapping[str, str]], column: str) -> list[str]:
    """Return the values of a column, sorted, without empty cells."""
    return sorted({row.get(column, "") for row in rows} - {""})


def _is_dicom(path: Path, *, renamed: bool) -> bool:
    # What a PACS writes has no ending, or a part of a UID that looks like one; DICOMDIR is an index without images.
    if path.name.lower().endswith(IMAGES):
        return renamed and is_dicom_under_its_name(path)
    known = (*VOLUMES, ".csv", ".tsv", ".txt", ".json", ".xml", ".yaml", ".md", ".npz", ".npy", ".gz", ".zip")
    if path.name.lower().endswith(known) or path.name == "DICOMDIR":
        return False
    return is_dicom_file(path)
