"""One picture to ask about, out of a PNG, JPEG, DICOM or NIfTI file, in the display convention that samples have.

DICOM follows PS3.3 C.7.6.3: modality LUT, then VOI LUT or window, then MONOCHROME1. NIfTI is turned by its affine, so
that anterior is on top and the patient's right on the left, as radiology shows it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gmai_formats.errors import UserError
from PIL import Image, ImageOps

WINDOWS: dict[str, tuple[float, float]] = {
    "soft_tissue": (40, 400),
    "lung": (-600, 1500),
    "brain": (40, 80),
    "stroke": (40, 40),
    "bone": (480, 2500),
    "liver": (90, 150),
    "mediastinum": (50, 350),
    "pancreas": (50, 300),
}
"""CT window ▶ (level, width) in HU: those of `gmai data`, so that a picture is asked as samples were shown."""
NEGATIVE_SHARE = 0.05


@dataclass(frozen=True)
class Picture:
    """An image and what was done to the file to get it."""

    image: Image.Image
    """RGB, 8 bit."""
    words: str


def open_picture(path: Path, *, number: int | None = None, window: str | None = None) -> Picture:
    """Return the picture of a file.

    Args:
        path: PNG, JPEG or another raster image, DICOM, or NIfTI.
        number: Of the axial slice from the feet, or of the frame, from 0; the middle one when None.
        window: One of `WINDOWS` or `LEVEL/WIDTH` in the file's units; None takes the header's, else percentiles.

    Raises:
        UserError: No such file, not readable, no such slice, or a window that does not apply.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file. --image takes a PNG, JPEG, DICOM or NIfTI file.")
    bounds = None if window is None else _parse_window(window)
    with path.open("rb") as file:
        head = file.read(132)
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            return _nifti(path, number, bounds)
        if head[128:] == b"DICM" or path.suffix.lower() in {".dcm", ".dicom"}:
            return _dicom(path, number, bounds)
        return _raster(path, number, bounds)
    except UserError:
        raise
    except Exception as error:  # damaged files raise many kinds, of three libraries
        detail = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: not readable ({type(error).__name__}: {detail}). It must be a whole PNG, JPEG, DICOM or NIfTI "
            f"file. Check it, or export the picture as PNG."
        ) from error


def _parse_window(words: str) -> tuple[float, float]:
    if words in WINDOWS:
        return WINDOWS[words]
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)", words)
    if not found or float(found[2]) <= 0:
        raise UserError(f"--window {words}: give LEVEL/WIDTH, such as 40/400, or one of {', '.join(WINDOWS)}.")
    return float(found[1]), float(found[2])


def _raster(path: Path, number: int | None, bounds: tuple[float, float] | None) -> Picture:
    if number is not None or bounds is not None:
        raise UserError(f"{path}: --slice and --window are for DICOM and NIfTI. Leave them out for a raster image.")
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith(("I", "F")):  # more than 8 bits: `convert` alone would clip nearly all to white
            return Picture(*_by_percentiles(np.asarray(image, dtype=np.float32), "16-bit image"))
        return Picture(image.convert("RGB"), f"{image.width}×{image.height} px")


def _dicom(path: Path, number: int | None, bounds: tuple[float, float] | None) -> Picture:
    import pydicom
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
    from pydicom.pixels.utils import pixel_array

    dataset: Any = pydicom.dcmread(path)
    if "PixelData" not in dataset:
        raise UserError(f"{path}: a DICOM file without an image (SOP class {dataset.get('SOPClassUID', 'unknown')}).")
    frames = int(dataset.get("NumberOfFrames") or 1)
    index = _index(path, number, frames, "frame")
    stored = pixel_array(dataset, raw=False, index=index if frames > 1 else None)
    where = f"frame {index} of {frames}, " if frames > 1 else ""
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric == "PALETTE COLOR" or stored.ndim == 3:
        if bounds is not None:
            raise UserError(f"{path}: a colour image, to which no --window applies. Leave it out.")
        colour = apply_color_lut(stored, dataset) if stored.ndim == 2 else stored
        bits = 8 * colour.dtype.itemsize if stored.ndim == 2 else int(dataset.BitsStored)
        return Picture(_grey(colour / (2**bits - 1)), f"{where}colour")
    padding = dataset.get("PixelPaddingValue")
    if padding is not None and (padded := stored == int(padding)).any() and not padded.all():
        stored = np.where(padded, stored[~padded].min(), stored)  # PS3.3 C.7.5.1.1.2: no part of the image
    values = apply_modality_lut(stored, dataset)
    image, words = _windowed(dataset, values, bounds)
    if photometric == "MONOCHROME1":
        image = ImageOps.invert(image)
    return Picture(image, where + words)


def _windowed(dataset: Any, values: np.ndarray, bounds: tuple[float, float] | None) -> tuple[Image.Image, str]:
    from pydicom.pixels.processing import apply_voi_lut

    if bounds is not None:
        return _window(values, *bounds), f"window {bounds[0]:g}/{bounds[1]:g}"
    if "VOILUTSequence" in dataset:
        shown = apply_voi_lut(values, dataset, index=0, prefer_lut=True)
        return _grey(shown / (2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1)), "the header's VOI LUT"
    centre, width = (_first(dataset.get(key)) for key in ("WindowCenter", "WindowWidth"))
    if centre is not None and width is not None and width >= 1:
        function = str(dataset.get("VOILUTFunction") or "LINEAR")
        return _grey(_voi(values, centre, width, function)), f"the header's window {centre:g}/{width:g}"
    if dataset.get("Modality") == "CT":
        level, width = WINDOWS["soft_tissue"]
        return _window(values, level, width), f"no window in the header: soft tissue {level:g}/{width:g}"
    return _by_percentiles(values - min(float(values.min()), 0.0), "no window in the header")


def _voi(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """Apply a window of the header (PS3.3 C.11.2.1.2); returns 0 to 1 inside it."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if function == "LINEAR_EXACT":
        return (values - centre) / width + 0.5
    return (values - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5


def _nifti(path: Path, number: int | None, bounds: tuple[float, float] | None) -> Picture:
    import nibabel
    from nibabel import orientations

    stored: Any = nibabel.load(path)  # pyright: ignore[reportPrivateImportUsage]
    volume = np.asarray(stored.dataobj, dtype=np.float32)
    while volume.ndim > 3 and volume.shape[-1] == 1:
        volume = volume[..., 0]
    if volume.ndim != 3:
        raise UserError(f"{path}: {volume.ndim} dimensions {volume.shape}. A volume has three; split the file first.")
    turn = orientations.ornt_transform(orientations.io_orientation(stored.affine), orientations.axcodes2ornt("LPS"))
    display = orientations.apply_orientation(volume, turn).transpose(2, 1, 0)
    affine = stored.affine @ orientations.inv_ornt_aff(turn, volume.shape)
    x_mm, y_mm = (float(np.linalg.norm(affine[:3, axis])) for axis in (0, 1))
    index = _index(path, number, len(display), "slice")
    where = f"axial slice {index} of {len(display)}, "
    if bounds is not None:
        image, words = _window(display[index], *bounds), f"window {bounds[0]:g}/{bounds[1]:g}"
    else:
        image, words = _by_percentiles(display[index], "no --window", of=display)
    if abs(x_mm / y_mm - 1) > 0.01:  # square pixels, so that shapes are those of the body
        side = min(x_mm, y_mm)
        image = image.resize((round(image.width * x_mm / side), round(image.height * y_mm / side)))
    return Picture(image, where + words)


def _index(path: Path, number: int | None, count: int, what: str) -> int:
    if number is None:
        return count // 2
    if not 0 <= number < count:
        raise UserError(f"{path}: no {what} {number}; it has {count}. --slice counts from 0 to {count - 1}.")
    return number


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value if isinstance(value, str | int | float) else value[0])


def _window(values: np.ndarray, level: float, width: float) -> Image.Image:
    return _grey((values - (level - width / 2)) / width)


def _by_percentiles(values: np.ndarray, why: str, *, of: np.ndarray | None = None) -> tuple[Image.Image, str]:
    """Spread the 0.5th to 99.5th percentile of what is no background over black to white, as `gmai data` does.

    Background is 0 and below; where many values other than 0 are negative, it is 0 and the lowest.
    """
    whole = values if of is None else of
    some = whole[np.isfinite(whole) & (whole != 0)]
    lowest = min(float(some.min(initial=0)), 0.0)
    negative = np.count_nonzero((some < 0) & (some > lowest)) > NEGATIVE_SHARE * some.size
    some = some[some > (lowest if negative else 0)]
    low, high = np.percentile(some, (0.5, 99.5)) if some.size else (0.0, 0.0)
    if high <= low:
        raise UserError(
            f"the image has one value only ({why}): there is nothing to see. Choose another slice or window."
        )
    shown = (np.nan_to_num(values, nan=min(low, 0.0)) - low) / (high - low)
    if low >= 0:
        shown = np.where(np.nan_to_num(values) > 0, np.maximum(shown, 1 / 255), 0)
    return _grey(shown), f"{why}: shown from {low:g} to {high:g} (percentiles)"


def _grey(values: np.ndarray) -> Image.Image:
    """Return an RGB image of values of which 0 is black and 1 is white."""
    return Image.fromarray(np.clip(np.nan_to_num(values) * 255, 0, 255).round().astype(np.uint8)).convert("RGB")
