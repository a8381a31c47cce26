"""The DICOM files of one series ▶ one of its slices as a picture."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gmai_formats.pictures.dicom import NO_DICOM, frame_count, header_errors, patient_of, read_header
from gmai_formats.pictures.nifti import choose
from gmai_formats.pictures.picture import Picture
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import read_picture


def series_picture(files: Path | Sequence[Path], *, number: int | None = None, window: str | None = None) -> Picture:
    """Return a slice of the series in a folder, with the window of its own file.

    Args:
        files: The folder, or the files of one series; other files are passed over, since exports carry a DICOMDIR and
            notes.
        number: Slices along the normal of their planes, from 0: from the feet where they are axial; the middle one when
            None.
        window: As `read_picture` takes it.

    Raises:
        PictureError: No DICOM file, several series or patients, slices that do not say where they lie, or no such
            slice.
        OSError: A file cannot be opened.
    """
    found: dict[str, list[_Slice]] = {}
    for each in _slices_of([files] if isinstance(files, Path) else files):
        found.setdefault(each.series, []).append(each)
    if len(found) != 1:
        each = ", ".join(f"{name or 'without a UID'} ({len(slices)} files)" for name, slices in found.items())
        raise PictureError(
            f"{len(found)} DICOM series in the folder", f"{each or 'no file is DICOM'}; give a folder of one series"
        )
    (slices,) = found.values()
    if (patients := len({each.patient for each in slices})) > 1:
        raise PictureError(f"{patients} patients in one series", "their PatientID differs; give files of one patient")
    # Millimetres and instance numbers have no order among one another.
    by_place = all(np.isfinite(each.place_mm) for each in slices)
    slices.sort(key=lambda each: (each.place_mm if by_place else each.number, each.path))
    if len(slices) > 1 and not by_place and not all(np.isfinite(each.number) for each in slices):
        raise PictureError("slices without a place", "neither their position nor their instance number is known")
    index = choose(number, len(slices), "slice")
    picture = read_picture(slices[index].path, window=window)
    changes = (f"slice {index} of {len(slices)}", *picture.changes)
    return replace(picture, changes=changes, slices=len(slices))


def by_series(files: Sequence[Path]) -> list[list[Path]]:
    """Return files in their order, those together that are slices of one series, which say where they lie.

    Two views of one series, such as frontal and lateral, lie nowhere and stay two pictures; files that cannot be read
    stay alone.
    """
    groups: dict[str, list[Path]] = {}
    for path in files:
        try:
            known = next(iter(_slices_of([path])), None)
        except PictureError:
            known = None
        is_slice = known is not None and known.series and np.isfinite(known.place_mm) and known.frames == 1
        groups.setdefault(known.series if is_slice and known else f"\0{path}", []).append(path)
    return list(groups.values())


@dataclass(frozen=True)
class _Slice:
    path: Path
    series: str
    place_mm: float
    number: float
    patient: str
    frames: int


def _slices_of(files: Sequence[Path]) -> Iterator[_Slice]:
    """Yield what the headers of the DICOM files with pixels say; a folder stands for the files below it."""
    inside = (sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path] for path in files)
    for path in itertools.chain.from_iterable(inside):
        try:
            header = read_header(path)
        except PictureError as error:
            if error.rule == NO_DICOM:
                continue
            raise
        with header_errors():
            if "Rows" in header:
                yield _Slice(
                    path, str(header.get("SeriesInstanceUID") or ""),
                    _place(header.get("ImageOrientationPatient"), header.get("ImagePositionPatient")),
                    float(header.get("InstanceNumber") or np.nan), patient_of(header), frame_count(header),
                )  # fmt: skip


def _place(orientation: object, position: object) -> float:
    """Return where a slice lies along the normal of its plane in mm (PS3.3 C.7.6.2.1.1), NaN where it does not say."""
    try:
        row, column = np.asarray(orientation, dtype=float).reshape(2, 3)
        return float(np.cross(row, column) @ np.asarray(position, dtype=float).reshape(3))
    except (TypeError, ValueError):
        return np.nan
