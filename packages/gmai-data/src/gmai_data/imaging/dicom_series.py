"""A folder of DICOM slices ▶ one volume in the display convention."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from gmai_data.imaging.dicom_pixels import decode_pixels, explained, modality_values, read_dicom
from gmai_data.imaging.grids import Volume, to_display
from gmai_data.sources.files import relative_to
from gmai_data.sources.problems import SourceError


def load_series(root: Path, folder: str) -> Volume:
    """Read one series: slices sorted along their normal, values after the modality LUT (HU for CT).

    Localizers are left out (PS3.3 C.7.6.1.1.2, value 3 of Image Type).

    Raises:
        SourceError: No slices, several series, slices of different shape or orientation, missing positions, or gaps:
            a volume with a missing slice would shift every label behind it.
    """
    datasets: list[tuple[str, pydicom.Dataset]] = []
    for path in sorted((root / folder).iterdir()):
        if path.is_file() and not path.name.startswith("."):
            file = relative_to(root, path)
            dataset = read_dicom(root, file)
            with explained(file):
                is_slice = "LOCALIZER" not in (dataset.get("ImageType") or ())
            if is_slice:
                datasets.append((file, dataset))
    if len(datasets) < 2:
        raise SourceError("not a DICOM series", f"{len(datasets)} slice(s); a volume needs at least 2", folder)
    series = {str(dataset.get("SeriesInstanceUID", "")) for _, dataset in datasets}
    if len(series) > 1:
        raise SourceError("several series in one folder", f"{len(series)} series; one folder holds one", folder)
    return _stack(datasets, folder)


def _stack(datasets: list[tuple[str, pydicom.Dataset]], folder: str) -> Volume:
    first = datasets[0][1]
    rows_columns = (first.Rows, first.Columns)
    orientation = _numbers(first, "ImageOrientationPatient", 6, folder)
    normal = np.cross(orientation[:3], orientation[3:])
    placed: list[tuple[float, npt.NDArray[np.float64], str, pydicom.Dataset]] = []
    for file, dataset in datasets:
        if (dataset.Rows, dataset.Columns) != rows_columns:
            raise SourceError("slices of different size", f"{dataset.Columns}×{dataset.Rows}", file)
        if not np.allclose(_numbers(dataset, "ImageOrientationPatient", 6, file), orientation, atol=1e-3):
            raise SourceError("slices of different orientation", "one series has one orientation", file)
        position = _numbers(dataset, "ImagePositionPatient", 3, file)
        placed.append((float(position @ normal), position, file, dataset))
    placed.sort(key=lambda entry: entry[0])
    gaps_mm = np.diff([entry[0] for entry in placed])
    if float(gaps_mm.min()) <= 1e-3 or float(gaps_mm.max() - gaps_mm.min()) > 0.1 * float(gaps_mm.mean()):
        detail = f"distances from {gaps_mm.min():.2f} to {gaps_mm.max():.2f} mm; a slice is missing or doubled"
        raise SourceError("uneven slice spacing", detail, folder)
    row_mm, column_mm = _numbers(first, "PixelSpacing", 2, folder)
    slices = [_slice(dataset, file) for _, _, file, dataset in placed]
    # `[row, column]` per slice ▶ `[column, row, slice]`; PS3.3 C.7.6.2.1.1 gives the affine in LPS, NIfTI's is RAS.
    array = np.stack(slices).transpose(2, 1, 0)
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * column_mm
    affine[:3, 1] = orientation[3:] * row_mm
    affine[:3, 2] = (placed[-1][1] - placed[0][1]) / (len(placed) - 1)
    affine[:3, 3] = placed[0][1]
    return to_display(array, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, file=folder)


def _slice(dataset: pydicom.Dataset, file: str) -> npt.NDArray[Any]:
    stored = decode_pixels(dataset, file)
    if stored.ndim != 2:
        raise SourceError("slice is not one grey frame", f"shape {stored.shape}", file)
    with explained(file):
        return modality_values(dataset, stored).astype(np.float32)


def _numbers(dataset: pydicom.Dataset, name: str, count: int, file: str) -> npt.NDArray[np.float64]:
    value: Any = dataset.get(name)
    try:
        numbers = np.asarray([float(number) for number in value], dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise SourceError("DICOM geometry missing", f"no {name} with {count} numbers in the header", file)
    return numbers
