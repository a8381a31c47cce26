"""A folder of DICOM files of one series ▶ one of its slices as a picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gmai_formats.pictures.dicom import NO_DICOM, header_errors, read_header
from gmai_formats.pictures.nifti import choose
from gmai_formats.pictures.picture import Picture
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import read_picture


def series_picture(folder: Path, *, number: int | None = None, window: str | None = None) -> Picture:
    """Return a slice of the series in a folder, with the window of its own file.

    Args:
        folder: Holds the files of one series; other files are passed over, since exports carry a DICOMDIR and notes.
        number: Slices along the normal of their planes, from 0: from the feet where they are axial; the middle one when
            None.
        window: As `read_picture` takes it.

    Raises:
        PictureError: No DICOM file, several series, slices that do not say where they lie, or no such slice.
        OSError: A file cannot be opened.
    """
    found: dict[str, list[tuple[float, float, Path]]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            header = read_header(path)
        except PictureError as error:
            if error.rule == NO_DICOM:
                continue
            raise
        with header_errors():
            if "Rows" in header:
                series = str(header.get("SeriesInstanceUID", "without a UID"))
                place = _place(header.get("ImageOrientationPatient"), header.get("ImagePositionPatient"))
                found.setdefault(series, []).append((place, float(header.get("InstanceNumber") or np.nan), path))
    if len(found) != 1:
        each = ", ".join(f"{name} ({len(files)} files)" for name, files in found.items())
        raise PictureError(
            f"{len(found)} DICOM series in the folder", f"{each or 'no file is DICOM'}; give a folder of one series"
        )
    ((places, numbers, files),) = (zip(*slices, strict=True) for slices in found.values())
    # Millimetres and instance numbers have no order among one another.
    order = places if np.isfinite(places).all() else numbers
    if len(files) > 1 and not np.isfinite(order).all():
        raise PictureError("slices without a place", "neither their position nor their instance number is known")
    slices = sorted(zip(order, files, strict=True))
    index = choose(number, len(slices), "slice")
    picture = read_picture(slices[index][1], window=window)
    changes = (f"slice {index} of {len(slices)}", *picture.changes)
    return replace(picture, changes=changes, slices=len(slices))


def _place(orientation: object, position: object) -> float:
    """Return where a slice lies along the normal of its plane in mm (PS3.3 C.7.6.2.1.1), NaN where it does not say."""
    try:
        row, column = np.asarray(orientation, dtype=float).reshape(2, 3)
        return float(np.cross(row, column) @ np.asarray(position, dtype=float).reshape(3))
    except (TypeError, ValueError):
        return np.nan
