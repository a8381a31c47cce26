"""A DICOM image ▶ 8-bit picture, in the order of PS3.3 C.7.6.3: padding, modality LUT ▶ VOI LUT ▶ MONOCHROME1."""

import contextlib
import logging
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.errors import InvalidDicomError

from gmai_data.imaging.raster import MAX_PIXELS, Pixels
from gmai_data.imaging.source_files import require_data
from gmai_data.imaging.windows import (
    HEADER,
    HEADER_ALL,
    PRESETS,
    FlatIntensitiesError,
    apply_bounds,
    apply_window,
    parse_window,
    percentile_bounds,
)
from gmai_data.ledger import SetAside, SourceError
from gmai_data.untyped import dicom, dicom_pixels

Values = npt.NDArray[Any]
NO_DICOM = "not a DICOM file"


def read_dicom(root: Path, relative: str) -> pydicom.Dataset:
    """Parse a DICOM file.

    Raises:
        SourceError: Missing, pointer, no DICOM file, without pixels, or with more than `MAX_PIXELS` a frame.
    """
    path = require_data(root, relative)
    try:
        with quiet_pydicom():
            dataset: pydicom.Dataset = dicom.dcmread(path)
    except InvalidDicomError as error:
        raise SourceError(NO_DICOM, "the DICM prefix is missing", relative) from error
    except Exception as error:  # pydicom raises many kinds on damaged headers
        raise SourceError("DICOM unreadable", f"{type(error).__name__}: {error}", relative) from error
    with explained(relative):
        if "PixelData" not in dataset:
            raise SourceError("DICOM without pixels", f"SOP class {dataset.get('SOPClassUID', 'unknown')}", relative)
        if int(dataset.Rows) * int(dataset.Columns) > MAX_PIXELS:
            detail = f"{dataset.Columns}×{dataset.Rows} is above {MAX_PIXELS // 1_000_000} megapixels"
            raise SourceError("image too large", detail, relative)
    return dataset


def read_header(root: Path, relative: str) -> pydicom.Dataset:
    """Parse a DICOM file up to its pixels.

    Raises:
        SourceError: Missing, pointer, or no DICOM file.
    """
    path = require_data(root, relative)
    try:
        with quiet_pydicom():
            return dicom.dcmread(path, stop_before_pixels=True)
    except InvalidDicomError as error:
        raise SourceError(NO_DICOM, "the DICM prefix is missing", relative) from error
    except Exception as error:  # as above
        raise SourceError("DICOM unreadable", f"{type(error).__name__}: {error}", relative) from error


@contextlib.contextmanager
def explained(relative: str) -> Generator[None]:
    """Turn whatever a damaged header makes pydicom raise into a `SourceError` about the file."""
    try:
        with quiet_pydicom():
            yield
    except (SourceError, SetAside):
        raise
    except FlatIntensitiesError as error:
        raise SourceError("nothing to see in the image", str(error), relative) from error
    except Exception as error:  # values are parsed on first use, so any access to the header may fail
        detail = " ".join(str(error).split())
        raise SourceError("DICOM header unusable", f"{type(error).__name__}: {detail}", relative) from error


def decode_pixels(dataset: pydicom.Dataset, relative: str, frame: int | None = None) -> Values:
    """Return the stored values of one frame, `[rows, columns]`, samples behind; YBR is turned into RGB.

    Args:
        dataset: The header and the encoded pixels.
        relative: Named in the error.
        frame: Number from 0; None decodes all frames of the file, frames in front where there are several.

    Raises:
        SourceError: No decoder for the transfer syntax, or the pixel data are truncated or damaged.
    """
    try:
        with quiet_pydicom():
            return dicom_pixels.pixel_array(dataset, raw=False, index=frame)
    except Exception as error:  # each decoder plug-in raises its own kinds
        detail = " ".join(str(error).split())
        raise SourceError("DICOM pixels unreadable", f"{type(error).__name__}: {detail}", relative) from error


@contextlib.contextmanager
def quiet_pydicom() -> Generator[None]:
    """Keep pydicom's own log and warnings off the terminal: what fails is raised, and stands in the quarantine."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(level)


def modality_values(dataset: pydicom.Dataset, stored: Values) -> Values:
    """Apply the modality LUT or rescale (HU for CT); padding takes the smallest real value (PS3.3 C.7.5.1.1.2)."""
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        padded = stored == int(padding)
        if padded.any() and not padded.all():
            stored = np.where(padded, stored[~padded].min(), stored)
    return dicom_pixels.apply_modality_lut(stored, dataset)


def header_windows(dataset: pydicom.Dataset) -> tuple[tuple[float, float], ...]:
    """Return (level, width) of each window that the header offers, in its order (PS3.3 C.11.2.1.2)."""
    centres, widths = _all(dataset.get("WindowCenter")), _all(dataset.get("WindowWidth"))
    return tuple((centre, width) for centre, width in zip(centres, widths, strict=False) if width >= 1)


def window_names(dataset: pydicom.Dataset, windows: Sequence[str]) -> list[tuple[str, int]]:
    """Return (window, its number in the header) for each picture that a card's windows ask of this header."""
    names: list[tuple[str, int]] = []
    for window in windows:
        count = max(len(header_windows(dataset)), 1) if window == HEADER_ALL else 1
        names.extend((HEADER if window == HEADER_ALL else window, number) for number in range(count))
    return names


def frame_picture(dataset: pydicom.Dataset, stored: Values, window: str, number: int = 0) -> tuple[Pixels, str]:
    """Turn one frame of stored values into an 8-bit picture.

    Args:
        dataset: The header.
        stored: One frame: `[rows, columns]` or `[rows, columns, 3]`.
        window: A CT preset, `LEVEL/WIDTH`, or `header`.
        number: Which of the header's windows.

    Returns:
        The picture and the window in words, for the provenance.
    """
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric == "PALETTE COLOR":
        return _to_8_bit(dicom_pixels.apply_color_lut(stored, dataset)), "palette"
    if stored.ndim == 3:
        return _to_8_bit(stored, int(dataset.get("BitsStored", 8))), "colour"
    values = modality_values(dataset, stored)
    bounds = parse_window(window)
    if bounds is not None:
        picture, words = apply_window(values, *bounds), f"{window} {bounds[0]:g}/{bounds[1]:g}"
    else:
        picture, words = header_window(dataset, values, number)
    return (255 - picture if photometric == "MONOCHROME1" else picture), words


def header_window(dataset: pydicom.Dataset, values: Values, number: int = 0) -> tuple[Pixels, str]:
    """Apply a VOI LUT or window of the header; without one, soft tissue for CT and percentiles for others.

    Raises:
        gmai_data.imaging.windows.FlatIntensitiesError: No window in the header and nothing to see in the values.
    """
    if "VOILUTSequence" in dataset:
        shown = dicom_pixels.apply_voi_lut(values, dataset, index=0, prefer_lut=True)
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return _to_8_bit(shown, bits), "VOI LUT 0"
    windows = header_windows(dataset)
    if windows:
        level, width = windows[min(number, len(windows) - 1)]
        shown = dicom_pixels.apply_windowing(values, dataset, index=min(number, len(windows) - 1)).astype(np.float32)
        # apply_windowing spreads the window over the range of the modality output, whatever that is.
        low, high = _output_range(dataset, values)
        picture = np.clip((shown - low) * (255.0 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
        return picture, f"{HEADER} {level:g}/{width:g}"
    if dataset.get("Modality") == "CT":
        level, width = PRESETS["soft_tissue"]
        return apply_window(values, level, width), f"soft_tissue {level:g}/{width:g}"
    shifted = values - min(float(values.min()), 0.0)
    return apply_bounds(shifted, *percentile_bounds(shifted)), "percentile of the frame"


def _output_range(dataset: pydicom.Dataset, values: Values) -> tuple[float, float]:
    """Return the range that `apply_windowing` maps to, as its documentation defines it (PS3.3 C.11.2.1.2)."""
    bits = int(dataset.BitsStored)
    signed = int(dataset.PixelRepresentation) == 1
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    if "ModalityLUTSequence" in dataset:
        return 0.0, float(2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    ends = (low * slope + intercept, high * slope + intercept)
    return min(ends), max(ends)


def _all(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    return [float(each) for each in (value if isinstance(value, Sequence) and not isinstance(value, str) else [value])]


def _to_8_bit(values: Values, bits: int | None = None) -> Pixels:
    depth = bits if bits is not None else (16 if values.dtype == np.uint16 else 8)
    return np.clip(values.astype(np.float32) * (255.0 / (2**depth - 1)), 0, 255).astype(np.uint8)
