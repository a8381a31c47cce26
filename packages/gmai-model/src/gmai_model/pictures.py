"""One picture to ask about, out of a PNG, JPEG, DICOM or NIfTI file or a folder of DICOM, as samples are shown."""

from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.files import is_file, is_folder
from gmai_formats.pictures.picture import Picture
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import kind_of, read_picture, require_libraries

_TAKEN = "a whole PNG, JPEG, DICOM or NIfTI file, or a folder of one DICOM series"


def open_picture(path: Path, *, number: int | None = None, window: str | None = None, volume: int = 0) -> Picture:
    """Return the picture of a file, or of the DICOM series in a folder.

    See `gmai_formats.pictures.read.read_picture` and `gmai_formats.pictures.series.series_picture`.

    Raises:
        UserError: No such file, not readable, no such slice, or a window that does not apply.
    """
    try:
        if is_folder(path):
            require_libraries()
            from gmai_formats.pictures.series import series_picture

            return series_picture(path, number=number, window=window)
        if not is_file(path):
            raise UserError(f"{path}: no such file. --image takes {_TAKEN}.")
        return read_picture(path, number=number, window=window, volume=volume)
    except (PictureError, OSError) as error:
        raise UserError(f"{path}: {error}. --image takes {_TAKEN}.") from error


def has_values(path: Path) -> bool:
    """Return whether a file or folder has slices or frames, and values that a window shows."""
    return is_folder(path) or (is_file(path) and kind_of(path) != "raster")
