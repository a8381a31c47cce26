"""Volumes in ONE display convention, and the check that an image and its mask lie on the same grid.

Display arrays are `[z, y, x]` with z to the patient's head, y to the back, x to the patient's left. So an axial slice
`array[k]` has anterior on top and the patient's right on the left of the picture, as radiology shows it (DICOM's LPS).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from gmai_data.ledger import SourceError
from gmai_data.untyped import orientations

Axis = Literal["axial", "coronal", "sagittal"]


@dataclass(frozen=True)
class Volume:
    """A volume in the display convention.

    `array` is `[z, y, x]`, as stored: `take_slice` applies `slope` and `intercept`. `affine` maps (x, y, z, 1) to RAS+
    millimetres (NIfTI's world); `spacing_mm` is (z, y, x). `windows` are the (level, width) of a DICOM header, `facts`
    its allowed fields, `flags` what is unusual about the geometry.
    """

    array: npt.NDArray[Any]
    affine: npt.NDArray[np.float64]
    spacing_mm: tuple[float, float, float]
    slope: float = 1.0
    intercept: float = 0.0
    windows: tuple[tuple[float, float], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    flags: tuple[str, ...] = ()
    suv_per_unit: float | None = None


def to_display(array: npt.NDArray[Any], affine: npt.NDArray[np.float64], *, file: str) -> Volume:
    """Turn a stored volume into the display convention by its affine, whatever orientation it is stored in.

    Args:
        array: `[i, j, k]` as stored.
        affine: 4×4, (i, j, k, 1) ▶ RAS+ millimetres.
        file: Named in the error.

    Raises:
        SourceError: Not three-dimensional, or the affine is degenerate.
    """
    if array.ndim != 3:
        raise SourceError("not a 3-D volume", f"shape {array.shape}; cut it into 3-D volumes first", file)
    if not np.all(np.isfinite(affine)) or abs(float(np.linalg.det(affine[:3, :3]))) < 1e-9:
        raise SourceError("degenerate affine", "the header does not say how the volume lies in the patient", file)
    transform = orientations.ornt_transform(orientations.io_orientation(affine), orientations.axcodes2ornt("LPS"))
    display = orientations.apply_orientation(array, transform)
    new_affine = np.asarray(affine @ orientations.inv_ornt_aff(transform, array.shape), dtype=np.float64)
    x_mm, y_mm, z_mm = (float(np.linalg.norm(new_affine[:3, column])) for column in range(3))
    return Volume(display.transpose(2, 1, 0), new_affine, (z_mm, y_mm, x_mm))


def require_same_grid(image: Volume, mask: Volume, *, file: str) -> None:
    """Refuse a mask whose voxels are not the image's voxels.

    Raises:
        SourceError: The shapes differ (even under equal affines), or a corner lies more than a tenth of a voxel off.
    """
    if image.array.shape != mask.array.shape:
        found = f"image {image.array.shape[::-1]} and mask {mask.array.shape[::-1]} voxels (x, y, z)"
        raise SourceError("image and mask grids differ", f"{found}; resample the mask to the image's grid", file)
    z, y, x = (size - 1 for size in image.array.shape)
    corners = np.array([(i, j, k, 1) for i in (0, x) for j in (0, y) for k in (0, z)], dtype=np.float64)
    offset_mm = float(np.abs(corners @ (image.affine - mask.affine).T).max())
    if offset_mm > 0.1 * min(image.spacing_mm):
        detail = f"equal shapes, but a corner lies {offset_mm:.2f} mm off; resample the mask to the image's grid"
        raise SourceError("image and mask grids differ", detail, file)


def slice_count(volume: Volume, axis: Axis) -> int:
    """Return the number of slices along an axis."""
    return volume.array.shape[("axial", "coronal", "sagittal").index(axis)]


def take_slice(volume: Volume, axis: Axis, index: int) -> npt.NDArray[Any]:
    """Return slice `index` as a picture: superior on top for coronal and sagittal, anterior left for sagittal."""
    if axis == "axial":
        stored = volume.array[index]
    elif axis == "coronal":
        stored = volume.array[::-1, index, :]
    else:
        stored = volume.array[::-1, :, index]
    if (volume.slope, volume.intercept) == (1.0, 0.0):
        return stored
    return stored.astype(np.float32) * np.float32(volume.slope) + np.float32(volume.intercept)


def slice_spacing_mm(volume: Volume, axis: Axis) -> float:
    """Return the distance between neighbouring slices along an axis."""
    return volume.spacing_mm[("axial", "coronal", "sagittal").index(axis)]


def pixel_spacing_mm(volume: Volume, axis: Axis) -> tuple[float, float]:
    """Return (row distance, column distance) of a slice's pixels in millimetres."""
    z, y, x = volume.spacing_mm
    return {"axial": (y, x), "coronal": (z, x), "sagittal": (z, y)}[axis]


def square_size(shape: tuple[int, ...], spacing_mm: tuple[float, float]) -> tuple[int, int]:
    """Return (width, height) that `to_square_pixels` gives a picture of `shape` (rows, columns)."""
    row_mm, column_mm = spacing_mm
    height, width = shape[:2]
    if abs(row_mm / column_mm - 1) <= 0.01:
        return width, height
    target_mm = min(row_mm, column_mm)
    return max(round(width * column_mm / target_mm), 1), max(round(height * row_mm / target_mm), 1)


def to_square_pixels(
    picture: npt.NDArray[Any], spacing_mm: tuple[float, float], *, is_mask: bool = False
) -> npt.NDArray[Any]:
    """Resample a picture whose pixels are not square to the smaller of its two spacings.

    Spacings within 1 % count as square. Masks take the nearest label, so no label is invented at a border.
    """
    size = square_size(picture.shape, spacing_mm)
    if size == picture.shape[1::-1]:
        return picture
    if is_mask and picture.dtype.itemsize > 2:
        # OpenCV resizes no integers above 16 bits: the nearest rows and columns are taken by index.
        rows = (np.arange(size[1]) * picture.shape[0] / size[1]).astype(np.intp)
        columns = (np.arange(size[0]) * picture.shape[1] / size[0]).astype(np.intp)
        return picture[rows[:, None], columns[None, :]]
    return cv2.resize(
        np.ascontiguousarray(picture), size, interpolation=cv2.INTER_NEAREST if is_mask else cv2.INTER_LINEAR
    )
