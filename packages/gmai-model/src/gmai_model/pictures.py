"""One picture to ask about, out of a PNG, JPEG, DICOM or NIfTI file, as samples are shown."""

from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.pictures.picture import Picture
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import read_picture


def open_picture(path: Path, *, number: int | None = None, window: str | None = None) -> Picture:
    """Return the picture of a file; see `gmai_formats.pictures.read.read_picture`.

    Raises:
        UserError: No such file, not readable, no such slice, or a window that does not apply.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file. --image takes a PNG, JPEG, DICOM or NIfTI file.")
    try:
        return read_picture(path, number=number, window=window)
    except (PictureError, OSError) as error:
        raise UserError(f"{path}: {error}. --image takes a whole PNG, JPEG, DICOM or NIfTI file.") from error
