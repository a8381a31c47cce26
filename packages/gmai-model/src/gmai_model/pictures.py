"""One picture to ask about, out of a PNG, JPEG, DICOM or NIfTI file or a folder of DICOM, as samples are shown."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.files import is_file, is_folder
from gmai_formats.pictures.guarded import read_guarded, series_guarded
from gmai_formats.pictures.picture import Picture
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import kind_of, require_libraries

_TAKEN = "Taken is a whole PNG, JPEG, TIFF, DICOM or NIfTI file, or a folder of one DICOM series."


def open_picture(
    path: Path | Sequence[Path], *, number: int | None = None, window: str | None = None, volume: int = 0
) -> Picture:
    """Return the picture of a file, or of the DICOM series in a folder or in several files.

    See `gmai_formats.pictures.read.read_picture` and `gmai_formats.pictures.series.series_picture`.

    Raises:
        UserError: No such file, not readable, no such slice, or a window that does not apply.
    """
    paths = [path] if isinstance(path, Path) else path
    try:
        if len(paths) > 1 or is_folder(paths[0]):
            require_libraries()
            return series_guarded(paths, number=number, window=window)
        if not is_file(paths[0]):
            raise UserError(f"{paths[0]}: no such file. {_TAKEN}")
        return read_guarded(paths[0], number=number, window=window, volume=volume)
    except (PictureError, OSError) as error:
        raise UserError(f"{paths[0]}: {error}. {_TAKEN}") from error


def has_values(path: Path) -> bool:
    """Return whether a file or folder has slices or frames, and values that a window shows."""
    return is_folder(path) or (is_file(path) and kind_of(path) != "raster")


def require_one_patient(pictures: Iterable[tuple[str, Picture]]) -> None:
    """Hold the pictures of a conversation to one patient, as far as their files name one.

    Args:
        pictures: Names and pictures.

    Raises:
        UserError: The identifiers in two DICOM headers differ.
    """
    of_patient: dict[str, str] = {}
    for name, picture in pictures:
        if picture.patient:
            of_patient.setdefault(picture.patient, name)
    if len(of_patient) > 1:
        raise UserError(
            f"{', '.join(of_patient.values())}: files of {len(of_patient)} patients (PatientID differs). A "
            "conversation is about one: begin a new one for the other."
        )
