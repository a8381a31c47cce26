"""DICOM files below a source's root ▶ headers and frames; what is wrong with one is a reason that names it."""

import contextlib
from collections.abc import Generator
from pathlib import Path

import pydicom
from gmai_formats.pictures import dicom
from gmai_formats.pictures.picture import Values
from gmai_formats.pictures.problems import PictureError

from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SetAside, SourceError


@contextlib.contextmanager
def about(relative: str) -> Generator[None]:
    """Turn a `PictureError` into a `SourceError` about a file."""
    try:
        yield
    except PictureError as problem:
        raise SourceError(problem.rule, problem.detail, relative) from problem


@contextlib.contextmanager
def explained(relative: str) -> Generator[None]:
    """Turn whatever a damaged header makes pydicom raise into a `SourceError` about the file; verdicts go through."""
    judged: SourceError | SetAside | None = None
    with about(relative), dicom.header_errors():
        try:
            yield
        except (SourceError, SetAside) as verdict:
            judged = verdict
    if judged is not None:
        raise judged


def read_dicom(root: Path, relative: str) -> pydicom.Dataset:
    """Parse a DICOM file.

    Raises:
        SourceError: Missing, pointer, no DICOM file, without pixels, or too large.
    """
    path = require_data(root, relative)
    with about(relative):
        return dicom.read_dicom(path)


def read_header(root: Path, relative: str) -> pydicom.Dataset:
    """Parse a DICOM file up to its pixels.

    Raises:
        SourceError: Missing, pointer, or no DICOM file.
    """
    path = require_data(root, relative)
    with about(relative):
        return dicom.read_header(path)


def decode_pixels(dataset: pydicom.Dataset, relative: str, frame: int | None = None) -> Values:
    """Return the stored values of one frame, or of all; see `dicom.stored_values`.

    Raises:
        SourceError: No decoder for the transfer syntax, or the pixel data are truncated or damaged.
    """
    with about(relative):
        return dicom.stored_values(dataset, frame)
