"""A folder of DICOM slices, or one enhanced multi-frame file ▶ one volume in the display convention.

Headers are read first and pixels one slice at a time, so memory holds the volume and one slice.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from gmai_formats.pictures.dicom import NO_DICOM, frame_header
from gmai_formats.pictures.display import has_modality, header_windows, modality_values

from gmai_data.imaging.deidentify import header_facts, set_aside
from gmai_data.imaging.dicom_pixels import decode_pixels, explained, read_dicom, read_header
from gmai_data.imaging.grids import Volume, to_display
from gmai_data.imaging.large import allocate, release
from gmai_data.imaging.rules import Deidentification
from gmai_data.imaging.source_files import relative_to
from gmai_data.imaging.suv import suv_factor
from gmai_data.ledger import SetAside, SourceError

TILT_DEGREES = 0.5
"""Slices whose stack leans more than this from their normal are flagged: the volume is sheared, not a box."""
EVEN_SHARE, GAP_SHARE = 0.01, 0.1
"""Distances that vary by more than the first share are flagged; by more than the second, a slice is missing."""


@dataclass(frozen=True)
class _Slice:
    file: str
    frame: int | None
    rows_columns: tuple[int, int]
    orientation: npt.NDArray[np.float64]
    position: npt.NDArray[np.float64]
    spacing_mm: tuple[float, float]


def load_series(root: Path, folder: str, rule: Deidentification | None = None) -> Volume:
    """Read one series: slices sorted along their normal, values after the modality LUT (HU for CT).

    Localizers, dose pages and held-back images are left out; the volume's flags count them.

    Raises:
        SourceError: No slices, several series, slices of different shape or orientation, missing positions, or gaps:
            a volume with a missing slice would shift every label behind it.
    """
    kept, aside = _headers(root, folder, rule or Deidentification())
    series = {str(header.get("SeriesInstanceUID", "")) for _, header in kept}
    if len(series) > 1:
        raise SourceError("several series in one folder", f"{len(series)} series; one folder holds one", folder)
    slices = [each for file, header in kept for each in _slices(file, header)]
    if len(slices) < 2:
        raise SourceError("not a DICOM series", f"{len(slices)} slice(s); a volume needs at least 2", folder)
    first_file, first = kept[0]
    volume = _stack(root, slices, folder)
    with explained(first_file):
        return dataclasses.replace(
            volume,
            windows=header_windows(frame_header(first)),
            facts=header_facts(first),
            flags=(*volume.flags, *(f"{count} set aside: {reason}" for reason, count in sorted(aside.items()))),
            suv_per_unit=suv_factor(first),
            in_hounsfield=has_modality(frame_header(first)),
        )


def _headers(
    root: Path, folder: str, rule: Deidentification
) -> tuple[list[tuple[str, pydicom.Dataset]], dict[str, int]]:
    if not (root / folder).is_dir():
        raise SourceError("folder missing", "the recipe lists it; download it or take it off the list", folder)
    kept: list[tuple[str, pydicom.Dataset]] = []
    aside: dict[str, int] = {}
    for path in sorted((root / folder).iterdir()):
        if path.is_file() and not path.name.startswith("."):
            file = relative_to(root, path)
            try:
                header = _image_header(root, file)
                with explained(file):
                    set_aside(header, rule, file)
            except SetAside as reason:
                aside[reason.rule] = aside.get(reason.rule, 0) + 1
            else:
                kept.append((file, header))
    return kept, aside


def _image_header(root: Path, file: str) -> pydicom.Dataset:
    """Return a header, or set aside what stands among slices without being one: read-me files, DICOMDIR, reports."""
    try:
        header = read_header(root, file)
    except SourceError as problem:
        if problem.rule == NO_DICOM:
            raise SetAside("no DICOM file", file) from problem
        raise
    if "Rows" not in header:
        raise SetAside("DICOM file without an image", file)
    return header


def _slices(file: str, header: pydicom.Dataset) -> Iterator[_Slice]:
    with explained(file):
        frames: Any = header.get("PerFrameFunctionalGroupsSequence")
        rows_columns = (int(header.Rows), int(header.Columns))
    for number in range(len(frames)) if frames else (None,):
        with explained(file):
            own = frame_header(header, number or 0)
        yield _Slice(
            file, number, rows_columns, _numbers(own, "ImageOrientationPatient", 6, file),
            _numbers(own, "ImagePositionPatient", 3, file), _spacing(own, file),
        )  # fmt: skip


def _spacing(header: pydicom.Dataset, file: str) -> tuple[float, float]:
    row_mm, column_mm = _numbers(header, "PixelSpacing", 2, file)
    return float(row_mm), float(column_mm)


def _stack(root: Path, slices: list[_Slice], folder: str) -> Volume:
    first = slices[0]
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    for each in slices:
        if each.rows_columns != first.rows_columns:
            size = f"{each.rows_columns[1]}×{each.rows_columns[0]}"
            raise SourceError("slices of different size", size, each.file)
        if not np.allclose(each.orientation, first.orientation, atol=1e-3):
            raise SourceError("slices of different orientation", "one series has one orientation", each.file)
        if not np.allclose(each.spacing_mm, first.spacing_mm, rtol=1e-3):
            raise SourceError("slices of different pixel spacing", f"{each.spacing_mm} mm", each.file)
    placed = sorted(slices, key=lambda each: float(each.position @ normal))
    gaps_mm = np.diff([float(each.position @ normal) for each in placed])
    mean_mm, spread_mm = float(gaps_mm.mean()), float(gaps_mm.max() - gaps_mm.min())
    if float(gaps_mm.min()) <= 1e-3 or spread_mm > GAP_SHARE * mean_mm:
        detail = f"distances from {gaps_mm.min():.2f} to {gaps_mm.max():.2f} mm; a slice is missing or doubled"
        raise SourceError("uneven slice spacing", detail, folder)
    step = (placed[-1].position - placed[0].position) / (len(placed) - 1)
    tilt = float(np.degrees(np.arccos(np.clip(step @ normal / np.linalg.norm(step), -1, 1))))
    flags = [f"gantry tilt {tilt:.1f} degrees"] if tilt > TILT_DEGREES else []
    if spread_mm > EVEN_SHARE * mean_mm:
        flags.append(f"uneven slice spacing {gaps_mm.min():.2f}-{gaps_mm.max():.2f} mm")
    row_mm, column_mm = first.spacing_mm
    # `[row, column]` per slice ▶ `[column, row, slice]`; PS3.3 C.7.6.2.1.1 gives the affine in LPS, NIfTI's is RAS.
    array = _pixels(root, placed).transpose(2, 1, 0)
    affine = np.eye(4)
    affine[:3, 0] = first.orientation[:3] * column_mm
    affine[:3, 1] = first.orientation[3:] * row_mm
    affine[:3, 2], affine[:3, 3] = step, placed[0].position
    volume = to_display(array, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, file=folder)
    return dataclasses.replace(volume, flags=tuple(flags))


def _pixels(root: Path, placed: list[_Slice]) -> npt.NDArray[Any]:
    """Return `[slice, row, column]` in HU: as 16-bit numbers where that loses nothing, else as 32-bit floats."""
    array: npt.NDArray[Any] | None = None
    opened: tuple[str, pydicom.Dataset] | None = None
    for index, each in enumerate(placed):
        if opened is None or opened[0] != each.file:
            opened = (each.file, read_dicom(root, each.file))
        values = _values(opened[1], each)
        if array is None:
            array = allocate((len(placed), *each.rows_columns), np.int16 if _fits(values) else np.float32)
        elif array.dtype == np.int16 and not _fits(values):
            wider = allocate(array.shape, np.float32)
            for done in range(index):
                wider[done] = array[done]
            array = wider
        array[index] = values
        release(array)
    if array is None:
        raise RuntimeError("a series without slices was to be stacked")
    return array


def _values(dataset: pydicom.Dataset, each: _Slice) -> npt.NDArray[Any]:
    frame = decode_pixels(dataset, each.file, each.frame)
    if frame.ndim != 2:
        raise SourceError("slice is not one grey frame", f"shape {frame.shape}", each.file)
    with explained(each.file):
        return modality_values(frame_header(dataset, each.frame or 0), frame)


def _fits(values: npt.NDArray[Any]) -> bool:
    low, high = float(values.min()), float(values.max())
    in_range = low >= -32768 and high <= 32767
    return in_range and (values.dtype.kind in "iu" or bool(np.array_equal(values, np.rint(values))))


def _numbers(dataset: pydicom.Dataset, name: str, count: int, file: str) -> npt.NDArray[np.float64]:
    value: Any = dataset.get(name)
    try:
        numbers = np.asarray([float(number) for number in value], dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise SourceError("DICOM geometry missing", f"no {name} with {count} numbers in the header", file)
    return numbers
