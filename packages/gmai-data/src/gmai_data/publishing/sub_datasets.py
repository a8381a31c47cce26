"""The five sub-datasets as Table 6 of the paper names them, and where they lie in a build or a release."""

from collections.abc import Iterator
from pathlib import Path

from gmai_data.vocabulary import Split, SubDataset

TABLE_6: dict[SubDataset, tuple[str, int]] = {
    SubDataset.CAPTION: ("GMAI-MM-Caption", 1_700_000),
    SubDataset.INSTRUCT: ("GMAI-MM-Instruct", 900_000),
    SubDataset.PERCEPT: ("GMAI-MM-Percept", 1_300_000),
    SubDataset.TEXT_SINGLE: ("GMAI-Text-Single", 1_000_000),
    SubDataset.TEXT_MULTI: ("GMAI-Text-Multi", 600_000),
}
"""Sub-dataset ▶ its name, without the paper's size behind it, and the paper's number of samples."""

SPLITS = (Split.TRAIN, Split.VALIDATION)
"""The splits that samples are in."""


def sample_files(folder: Path) -> Iterator[tuple[SubDataset, Split, list[Path]]]:
    """Yield (sub-dataset, split, its Parquet files in order) of a build or a release; what is empty is left out."""
    for name in SubDataset:
        for split in SPLITS:
            if files := sorted((folder / "samples" / name).glob(f"{split}-*.parquet")):
                yield name, split, files
