"""READ THIS FIRST: a picture file of any kind, or its bytes ▶ the picture that build, training, chat and bench show."""

import importlib.util
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from gmai_formats.installing import pip_install
from gmai_formats.pictures.dicom_start import is_dicom
from gmai_formats.pictures.picture import Picture
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.raster import decode_raster, verify_raster
from gmai_formats.pictures.windows import HEADER, PRESETS, parse_window

Kind = Literal["raster", "dicom", "nifti"]
HEAD_BYTES = 1024
"""As many of the first bytes as tell the kind of a file."""


def read_picture(
    content: bytes | Path, *, number: int | None = None, window: str | None = None, volume: int | None = None
) -> Picture:
    """Return the picture of a file: a raster (PNG, JPEG, TIFF, …), DICOM, or NIfTI, by what its first bytes say.

    Args:
        content: The file, or its bytes.
        number: Of the frame of a DICOM file, or of the axial slice from the feet; the middle one when None.
        window: A preset of `windows.PRESETS` or `LEVEL/WIDTH`, for DICOM and NIfTI. None takes the header's window,
            else soft tissue for CT, else percentiles.
        volume: Of a NIfTI file of four dimensions, which is refused without; other files take no notice of it.

    Raises:
        PictureError: Unreadable, damaged, too large, several pages, no such frame, or nothing to see.
        OSError: The file cannot be opened.
    """
    kind = kind_of(content)
    if window is not None and parse_window(window) is None:
        raise PictureError(
            f"unknown window {window}", f"give LEVEL/WIDTH, such as 40/400, or one of {', '.join(PRESETS)}"
        )
    if kind == "raster":
        if number is not None or window is not None:
            raise PictureError("a raster image", "--slice and --window are for DICOM and NIfTI; leave them out")
        return decode_raster(content if isinstance(content, bytes) else content.read_bytes())
    require_libraries()
    if kind == "dicom":
        return _dicom_picture(content, number, window)
    from gmai_formats.pictures.nifti import slice_picture

    return slice_picture(content, number, window, volume=volume)


def verify_picture(data: bytes) -> None:
    """Look at the header of a picture's bytes, without decoding its pixels.

    Raises:
        PictureError: It is none, of several pages, or too large.
    """
    kind = kind_of(data)
    if kind == "raster":
        verify_raster(data)
        return
    require_libraries()
    if kind == "dicom":
        from gmai_formats.pictures.dicom import read_dicom

        read_dicom(data)


def require_libraries() -> None:
    """Make sure that DICOM and NIfTI can be read.

    Raises:
        PictureError: They cannot; names what to install.
    """
    missing = [name for name in ("nibabel", "pydicom") if importlib.util.find_spec(name) is None]
    if missing:
        raise PictureError("no reader for DICOM and NIfTI", f"it needs {missing[0]}: {pip_install('gmai-cli[dicom]')}")


def kind_of(content: bytes | Path) -> Kind:
    """Return what a file is by its first bytes (`is_dicom`; nifti1.h: `magic`)."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            head = file.read(HEAD_BYTES)
    else:
        head = content[:HEAD_BYTES]
    if is_dicom(head):
        return "dicom"
    if head[:2] == b"\x1f\x8b" or head[344:347] in (b"n+1", b"ni1") or head[4:7] in (b"n+2", b"ni2"):
        return "nifti"
    return "raster"


def _dicom_picture(content: bytes | Path, number: int | None, window: str | None) -> Picture:
    from gmai_formats.pictures.dicom import (
        DISTANCES,
        frame_count,
        frame_header,
        header_errors,
        patient_of,
        read_dicom,
        spacing_mm,
        stored_values,
    )
    from gmai_formats.pictures.display import frame_picture, made_square
    from gmai_formats.pictures.nifti import choose

    dataset = read_dicom(content)
    with header_errors():
        frames = frame_count(dataset)
        index = choose(number, frames, "frame")
        header = frame_header(dataset, index)
    stored = stored_values(dataset, index)
    with header_errors():
        if window is not None and (stored.ndim == 3 or header.get("PhotometricInterpretation") == "PALETTE COLOR"):
            raise PictureError("no window for a colour image", "it has no values in a unit; leave the window out")
        pixels, shown = frame_picture(header, stored, window or HEADER)
        squared, words = made_square(pixels, header)
    changes = ([f"frame {index} of {frames}"] if frames > 1 else []) + [shown, *words]
    known = any(header.get(name) for name in DISTANCES)
    return Picture(
        Image.fromarray(np.ascontiguousarray(squared)), tuple(changes), shown, slices=frames,
        pixel_mm=min(spacing_mm(header)) if known else None, patient=patient_of(dataset),
    )  # fmt: skip
