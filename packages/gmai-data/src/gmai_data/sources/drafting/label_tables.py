"""A table that labels the patients or cases of a folder whose images have no label of their own."""

import dataclasses
from collections.abc import Sequence
from pathlib import PurePosixPath

from gmai_data.imaging.dicom_pixels import read_header
from gmai_data.ledger import SourceError
from gmai_data.sources.drafting.picture_column import Rows
from gmai_data.sources.drafting.table_guess import label_column
from gmai_data.sources.files.folder import Folder, Guess, dicom_files, values_of

_KINDS = ("volume", "dicom_series", "dicom")
_LOOKED_AT = 200
_PATIENT = "PatientID"


def labelled_by_table(guess: Guess, folder: Folder) -> Guess:
    """Return a draft without labels as one whose labels are those of a table with a row per patient or case.

    The table's key is a folder in the paths of the images (`sub-01` of a BIDS `participants.tsv`), or the PatientID in
    the headers of DICOM files.
    """
    layout = guess.layout
    if layout["kind"] not in _KINDS or guess.labels or "drawn" in layout or layout.get("mask") not in (None, "TODO"):
        return guess
    images = folder.volumes or dicom_files(folder)
    paths = [folder.below(path) for path in images[:: len(images) // _LOOKED_AT + 1]]
    for path, rows in folder.tables:
        key = _key(rows, paths, folder)
        if key is None:
            continue
        column, of = key
        label, notes = label_column(rows, {column})
        table = {"table": folder.below(path), "key": column, "value": label, **({"of": of} if of else {})}
        labels = values_of(rows, label) if label != "TODO" else []
        words = f"labels: each row of {folder.below(path)} labels all images of its patient or case."
        kept = [note for note in guess.notes if not note.startswith("labels:")]
        return dataclasses.replace(
            guess,
            task="3d_classification" if layout["kind"] != "dicom" else "2d_classification",
            layout={name: value for name, value in layout.items() if name != "mask"},
            labels=labels,
            notes=(*(note for note in kept if not note.startswith("mask:")), words, *_renamed(notes)),
            card={**guess.card, "label_table": table},
        )
    return guess


def _renamed(notes: Sequence[str]) -> list[str]:
    return [note.replace("label_column:", "value:") for note in notes]


def _key(rows: Rows, paths: Sequence[str], folder: Folder) -> tuple[str, str] | None:
    """Return (column that names patients or cases, pattern that finds them in a path or nothing for headers)."""
    parts = [PurePosixPath(path).parts[:-1] for path in paths]
    for column in rows[0]:
        cells = {row[column].strip() for row in rows} - {""}
        for level in range(min(map(len, parts), default=0)):
            named = {each[level] for each in parts}
            if len(named) > 1 and len(named & cells) * 2 > len(named):
                above = f"(?:[^/]+/){{{level}}}" if level else ""
                return column, f"^{above}([^/]+)(?:/|$)"
    patients = _patients(folder, paths)
    for column in rows[0]:
        cells = {row[column].strip() for row in rows}
        if len(patients) > 1 and len(patients & cells) * 2 > len(patients):
            return column, ""
    return None


def _patients(folder: Folder, paths: Sequence[str]) -> set[str]:
    """Return the patients that the headers of some files name."""
    found: set[str] = set()
    for path in paths if not folder.volumes else ():
        try:
            header = read_header(folder.root, path)
        except SourceError:
            continue
        found.add(str(header.get(_PATIENT) or "").strip())
    return found - {""}
