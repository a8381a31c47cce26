"""Volumes in the display convention of radiology, and one slice of a NIfTI file as a picture."""

import gzip
import io
from pathlib import Path
from typing import Any, cast

import nibabel
import nibabel.orientations
import numpy as np
import numpy.typing as npt
from PIL import Image

from gmai_formats.pictures.picture import Picture, Values
from gmai_formats.pictures.problems import PictureError, decoding
from gmai_formats.pictures.squares import square_size, to_square_pixels
from gmai_formats.pictures.windows import (
    FlatIntensitiesError,
    apply_bounds,
    apply_window,
    parse_window,
    percentile_bounds,
)

_LIBRARY: Any = cast(Any, nibabel)
_ORIENTATIONS: Any = cast(Any, nibabel.orientations)
MAX_UNPACKED_BYTES = 2 * 2**30
"""Largest volume held in memory; a larger one is opened from its file."""


def to_display(array: Values, affine: npt.NDArray[np.float64]) -> tuple[Values, npt.NDArray[np.float64]]:
    """Turn a stored volume by its affine, whatever orientation it is stored in.

    Args:
        array: `[i, j, k]` as stored.
        affine: 4×4, (i, j, k, 1) ▶ RAS+ millimetres.

    Returns:
        `[z, y, x]` with z to the patient's head, y to the back and x to the left, as radiology shows it (DICOM's LPS),
        and the affine of (x, y, z, 1).

    Raises:
        PictureError: Not three-dimensional, or the affine is degenerate.
    """
    if array.ndim != 3:
        raise PictureError("not a 3-D volume", f"shape {array.shape}; cut it into 3-D volumes first")
    if not np.all(np.isfinite(affine)) or abs(float(np.linalg.det(affine[:3, :3]))) < 1e-9:
        raise PictureError("degenerate affine", "the header does not say how the volume lies in the patient")
    turn = _ORIENTATIONS.ornt_transform(_ORIENTATIONS.io_orientation(affine), _ORIENTATIONS.axcodes2ornt("LPS"))
    display = _ORIENTATIONS.apply_orientation(array, turn)
    turned = np.asarray(affine @ _ORIENTATIONS.inv_ornt_aff(turn, array.shape), dtype=np.float64)
    return display.transpose(2, 1, 0), turned


def voxel_sizes_mm(affine: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the distances of voxels along z, y and x of an affine from `to_display`."""
    x_mm, y_mm, z_mm = (float(np.linalg.norm(affine[:3, column])) for column in range(3))
    return z_mm, y_mm, x_mm


def slice_picture(
    content: bytes | Path, number: int | None, window: str | None, *, volume: int | None = None
) -> Picture:
    """Return an axial slice of a volume with square pixels.

    Args:
        content: A NIfTI file, or its bytes.
        number: Slices from the feet, from 0; None takes the middle one.
        window: A preset or `LEVEL/WIDTH`; None shows the percentiles of the volume.
        volume: Of a file of four dimensions; None refuses one.

    Raises:
        PictureError: Unreadable, not of three dimensions, no such slice, or nothing to see.
    """
    with decoding("NIfTI unreadable", "download it again"):
        stored = _open(content)
        array = np.asarray(stored.dataobj, dtype=np.float32)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    volumes = array.shape[3] if array.ndim == 4 else 1
    if volumes > 1 and volume is not None:
        array = array[..., choose(volume, volumes, "volume")]
    shown_volume, affine = to_display(array, np.asarray(stored.affine, dtype=np.float64))
    index = choose(number, len(shown_volume), "slice")
    bounds = parse_window(window) if window else None
    if bounds is not None:
        pixels, shown = apply_window(shown_volume[index], *bounds), f"{window} {bounds[0]:g}/{bounds[1]:g}"
    else:
        try:
            low, high = percentile_bounds(shown_volume)
        except FlatIntensitiesError as error:
            raise PictureError("nothing to see in the volume", str(error)) from error
        pixels, shown = apply_bounds(shown_volume[index], low, high), f"percentile {low:g}–{high:g}"
    changes = [f"volume {volume} of {volumes}"] * (volumes > 1) + [f"axial slice {index} of {len(shown_volume)}", shown]
    spacing_mm = voxel_sizes_mm(affine)[1:]
    if square_size(pixels.shape, spacing_mm) != pixels.shape[1::-1]:
        pixels = to_square_pixels(pixels, spacing_mm)
        changes.append("pixels made square")
    return Picture(
        Image.fromarray(np.ascontiguousarray(pixels)),
        tuple(changes),
        shown,
        slices=len(shown_volume),
        pixel_mm=min(spacing_mm),
        volumes=volumes,
    )


def _open(content: bytes | Path) -> Any:
    if isinstance(content, Path) and content.name.lower().endswith((".nii", ".nii.gz")):
        return _LIBRARY.load(content)
    data = content.read_bytes() if isinstance(content, Path) else content
    if data[:2] == b"\x1f\x8b":
        data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_UNPACKED_BYTES + 1)
        if len(data) > MAX_UNPACKED_BYTES:
            raise PictureError("image too large", f"it unpacks to more than {MAX_UNPACKED_BYTES // 2**30} GiB")
    kind = _LIBRARY.Nifti2Image if data[4:7] in (b"n+2", b"ni2") else _LIBRARY.Nifti1Image
    return kind.from_bytes(data)


def choose(number: int | None, count: int, what: str) -> int:
    """Return a slice's or frame's number, the middle one where none is asked for.

    Raises:
        PictureError: There is no such one.
    """
    if number is None:
        return count // 2
    if not 0 <= number < count:
        raise PictureError(f"no {what} {number}", f"it has {count}, counted from 0 to {count - 1}")
    return number
