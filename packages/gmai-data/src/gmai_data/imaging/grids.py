"""Volumes in ONE display convention, and the check that an image and its mask lie on the same grid.

Display arrays are `[z, y, x]` with z to the patient's head, y to the back, x to the patient's left. So an axial slice
`array[k]` has anterior on top and the patient's right on the left of the picture, as radiology shows it (DICOM's LPS).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from gmai_formats.pictures import nifti
from gmai_formats.pictures.display import HeaderDisplay

from gmai_data.imaging.dicom_pixels import about
from gmai_data.imaging.dicom_stacks import Planes
from gmai_data.ledger import SourceError

Axis = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Axis, ...] = ("axial", "coronal", "sagittal")
"""The plane across each axis of a volume's array."""


NO_ORIENTATION = "the header does not say how the volume lies in the patient (qform and sform codes are 0)"
"""A flag: left and right, front and back are then nibabel's guess. What was saved from bare arrays has no codes."""
NO_ORIENTATION_FIELD = "the header does not say how the volume lies in the patient (ANALYZE 7.5 has no field for it)"
"""A flag: as `NO_ORIENTATION`; programs that wrote the format differed on left and right."""

NO_ORIENTATION_OF_MGH = "the header does not say how the volume lies in the patient (goodRASFlag is 0)"
"""A flag: as `NO_ORIENTATION`, of FreeSurfer's files."""
NO_SPACE = "the header does not say how the volume lies in the patient (it names no space)"
"""A flag: as `NO_ORIENTATION`, of NRRD and MetaImage, which are then taken as LPS, as ITK takes them."""
_UNSURE = (NO_ORIENTATION, NO_ORIENTATION_FIELD, NO_ORIENTATION_OF_MGH, NO_SPACE)
LEANING_DEGREES = 3.0
"""Pictures whose rows and columns lean more than this are refused: they would be shown as right-angled, and all lengths
and shapes in them be wrong. Affine registrations that a header holds lean less."""


@dataclass(frozen=True)
class Volume:
    """A volume in the display convention.

    `array` is `[z, y, x]`, as stored: `take_slice` applies `slope` and `intercept`. `affine` maps (x, y, z, 1) to RAS+
    millimetres (NIfTI's world); `spacing_mm` is (z, y, x). `facts` are the allowed fields of a DICOM header, `flags`
    what is unusual about the geometry.
    """

    array: npt.NDArray[Any]
    affine: npt.NDArray[np.float64]
    spacing_mm: tuple[float, float, float]
    slope: float = 1.0
    intercept: float = 0.0
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    flags: tuple[str, ...] = ()
    suv_per_unit: float | None = None
    in_hounsfield: bool = False
    """Whether the file itself says that the values are HU."""
    mirror: float | None = None
    """Where the smallest value is shown white (MONOCHROME1): its sum with the largest, so that `mirror` less a value is
    that of the MONOCHROME2 twin (PS3.3 C.7.6.3.1.2)."""
    planes: Planes | None = None
    """Where its slices lie, if it was stacked from DICOM images."""


def to_display(array: npt.NDArray[Any], affine: npt.NDArray[np.float64], *, file: str) -> Volume:
    """Turn a stored volume into the display convention by its affine, whatever orientation it is stored in.

    Args:
        array: `[i, j, k]` as stored.
        affine: 4×4, (i, j, k, 1) ▶ RAS+ millimetres.
        file: Named in the error.

    Raises:
        SourceError: Not three-dimensional, or the affine is degenerate.
    """
    with about(file):
        display, display_affine = nifti.to_display(array, affine)
    return Volume(display, display_affine, nifti.voxel_sizes_mm(display_affine))


def on_planes(array: npt.NDArray[Any], planes: Planes, *, file: str) -> Volume:
    """Return what was drawn on the slices of a volume, `[slice, row, column]` as they are stored, on its grid."""
    return to_display(array.transpose(2, 1, 0), planes.affine, file=file)


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
        unknown = "".join(f"; {which}: {each}" for which, flags in (("image", image.flags), ("mask", mask.flags))
                          for each in flags if each in _UNSURE)  # fmt: skip
        detail = (
            f"equal shapes, but a corner lies {offset_mm:.2f} mm off{unknown}; resample the mask to the image's grid"
        )
        raise SourceError("image and mask grids differ", detail, file)


def on_grid_of(image: Volume, mask: Volume, *, file: str) -> Volume:
    """Return a mask that was cut to what it marks on the whole grid of its image; one of another grid as it is.

    Raises:
        SourceError: It marks voxels that the image does not have.
    """
    first = np.linalg.inv(image.affine) @ mask.affine[:, 3]
    start = [round(value) for value in first[2::-1]]
    is_part = np.allclose(image.affine[:3, :3], mask.affine[:3, :3], atol=1e-3 * min(image.spacing_mm))
    if not is_part or np.abs(first[2::-1] - start).max() > 0.1:
        return mask
    # Both start where the other does not: the part that they share, seen from the image and from the mask.
    ends = [
        min(begin + size, whole) for begin, size, whole in zip(start, mask.array.shape, image.array.shape, strict=True)
    ]
    inside = tuple(slice(max(begin, 0), max(end, 0)) for begin, end in zip(start, ends, strict=True))
    shown = mask.array[
        tuple(slice(max(-begin, 0), max(end - begin, 0)) for begin, end in zip(start, ends, strict=True))
    ]
    if np.count_nonzero(shown) != np.count_nonzero(mask.array):
        raise SourceError("image and mask grids differ", "it marks voxels that lie outside of the image", file)
    whole = np.zeros(image.array.shape, mask.array.dtype)
    whole[inside] = shown
    return Volume(whole, image.affine, image.spacing_mm)


def lean_degrees(volume: Volume, axis: Axis) -> float:
    """Return by how much the angle of rows and columns of the slices along an axis differs from 90°."""
    z, y, x = volume.affine[:3, 2], volume.affine[:3, 1], volume.affine[:3, 0]
    one, other = {"axial": (y, x), "coronal": (z, x), "sagittal": (z, y)}[axis]
    cosine = abs(float(one @ other)) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12)
    return float(np.degrees(np.arcsin(min(cosine, 1.0))))


def require_right_angles(volume: Volume, axis: Axis, file: str) -> None:
    """Refuse slices whose pixels are no rectangles; those across a gantry's tilt are flagged where series are stacked.

    Raises:
        SourceError: Rows and columns lean by more than `LEANING_DEGREES`.
    """
    if volume.planes is None and (lean := lean_degrees(volume, axis)) > LEANING_DEGREES:
        detail = (
            f"rows and columns of {axis} slices meet at {90 - lean:.1f} degrees; resample the volume and its masks to "
            "a grid of right angles, or show other `slices.axes`"
        )
        raise SourceError("sheared pictures", detail, file)


def slice_count(volume: Volume, axis: Axis) -> int:
    """Return the number of slices along an axis."""
    return volume.array.shape[PLANES.index(axis)]


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


def displays(volume: Volume, axis: Axis) -> list[HeaderDisplay]:
    """Return how the headers of a volume ask for each of its slices along an axis to be shown.

    Raises:
        ValueError: They differ, and the volume was not acquired in slices along this axis.
    """
    acquired = list(volume.planes.slices) if volume.planes is not None else []
    found = [each.display for each in acquired]
    if len(set(found)) < 2:
        return (found[:1] or [HeaderDisplay()]) * slice_count(volume, axis)
    # NIfTI's world has x and y the other way round than DICOM's.
    ends = np.array([[*(each.position * (-1, -1, 1)), 1] for each in (acquired[0], acquired[-1])])
    first, last = (np.linalg.inv(volume.affine) @ ends.T)[:3].T
    along = int(np.abs(last - first).argmax())
    if along != ("sagittal", "coronal", "axial").index(axis):
        raise ValueError("the windows of its slices differ")
    return found if last[along] > first[along] else found[::-1]


def slice_spacing_mm(volume: Volume, axis: Axis) -> float:
    """Return the distance between neighbouring slices along an axis."""
    return volume.spacing_mm[PLANES.index(axis)]


def pixel_spacing_mm(volume: Volume, axis: Axis) -> tuple[float, float]:
    """Return (row distance, column distance) of a slice's pixels in millimetres."""
    z, y, x = volume.spacing_mm
    return {"axial": (y, x), "coronal": (z, x), "sagittal": (z, y)}[axis]
