"""A table that labels the patients or cases of a folder whose images have no label of their own."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from gmai_data.imaging.dicom_pixels import read_header
from gmai_data.ledger import SourceError
from gmai_data.sources.drafting.picture_column import Rows
from gmai_data.sources.drafting.table_guess import label_column
from gmai_data.sources.files.folder import Folder, Guess, values_of

_KINDS = ("volume", "dicom_series", "dicom")
_LOOKED_AT = 200
_PATIENT = "PatientID"


def labelled_by_table(guess: Guess, folder: Folder) -> Guess:
    """Return a draft without labels as one whose labels are those of a table with a row per patient or case.

    The table's key is a folder in the paths of the images (`sub-01` of a BIDS `participants.tsv`), or the PatientID in
    the headers of DICOM files.
    """
    layout = guess.layout
    # Where no volume was found to be a mask, the label of one is a guess, too.
    has_labels = bool(guess.labels) and not (layout["kind"] == "volume" and layout.get("mask") == "TODO")
    if layout["kind"] not in _KINDS or has_labels or "drawn" in layout or layout.get("mask") not in (None, "TODO"):
        return guess
    images = folder.volumes or folder.dicom
    paths = [folder.below(path) for path in images[:: len(images) // _LOOKED_AT + 1]]
    keyed = [(path, rows, key) for path, rows in folder.tables if (key := _key(rows, paths, folder)) is not None]
    if not keyed:
        return guess
    asked = [(*table, *_label(table[1], table[2][0])) for table in keyed]
    # Of several tables, the one that a column labels by its name.
    path, rows, (column, more), label, notes = min(asked, key=lambda table: table[3] == "TODO")
    table = {"table": folder.below(path), "key": column, "value": label, **more}
    labels = values_of(rows, label) if label != "TODO" else []
    words = f"labels: each row of {folder.below(path)} labels all images of its patient or case."
    others = [
        f"label_table: {folder.below(other)} may label them, too: {_in_words({'key': name, **how})}"
        for other, _, (name, how) in keyed
        if other != path
    ]
    kept = [note for note in guess.notes if not note.startswith(("labels:", "mask:"))]
    return dataclasses.replace(
        guess,
        task="3d_classification" if layout["kind"] != "dicom" else "2d_classification",
        layout={name: value for name, value in layout.items() if name != "mask"},
        labels=labels,
        notes=(*kept, words, *_renamed(notes), *others),
        card={**guess.card, "label_table": table},
    )


def _label(rows: Rows, key: str) -> tuple[str, list[str]]:
    """Return (column of the label, notes), or TODO where rows of one key differ: they are of less than a patient."""
    label, notes = label_column(rows, {key})
    of_key: dict[str, str] = {}
    for row in rows if label != "TODO" else ():
        if (other := of_key.setdefault(row[key].strip(), row[label])) != row[label]:
            of_what = f"{row[key].strip()} has {other} and {row[label]}"
            return "TODO", [f"value: {label} is not of a whole {key}: {of_what}; a row may be of a side or an image"]
    return label, notes


def _in_words(table: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}: {value}`" for name, value in table.items())


def _renamed(notes: Sequence[str]) -> list[str]:
    return [note.replace("label_column:", "value:") for note in notes]


def _key(rows: Rows, paths: Sequence[str], folder: Folder) -> tuple[str, dict[str, str]] | None:
    """Return (column that names patients or cases, how they are found: `of`, `key_suffix`, or by the headers)."""
    parts = [PurePosixPath(path).parts[:-1] for path in paths]
    stems = [(*each, _without_ending(PurePosixPath(path).name)) for each, path in zip(parts, paths, strict=True)]
    for suffix, column, cells in _columns_of_keys(rows):
        behind = {"key_suffix": suffix} if suffix else {}
        for level in range(min(map(len, stems), default=0)):
            named = {each[level] for each in stems}
            # The names of files find their rows without a rule; a suffix is no name of a file as it stands.
            if (level < min(map(len, parts)) or suffix) and len(named) > 1 and len(named & cells) * 2 > len(named):
                above = f"(?:[^/]+/){{{level}}}" if level else ""
                end = "([^/]+)(?:/|$)" if level < min(map(len, parts)) else "([^/.]+)"
                return column, {"of": f"^{above}{end}", **behind}
    patients = _patients(folder, paths)
    for column in rows[0]:
        cells = {row[column].strip() for row in rows}
        if len(patients) > 1 and len(patients & cells) * 2 > len(patients):
            return column, {}
    return None


def _columns_of_keys(rows: Rows) -> Iterator[tuple[str, str, set[str]]]:
    """Yield (what is taken off the cells, column, cells): first as they stand, then without a word that all end in."""
    for column in rows[0]:
        yield "", column, {row[column].strip() for row in rows} - {""}
    for column in rows[0]:
        cells = {row[column].strip() for row in rows} - {""}
        ends = {cell[cell.rfind("_") :] for cell in cells if "_" in cell}
        if len(cells) > 1 and len(ends) == 1 and all("_" in cell for cell in cells):
            (suffix,) = ends
            yield suffix, column, {cell.removesuffix(suffix) for cell in cells}


def _without_ending(name: str) -> str:
    return name.partition(".")[0]


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
