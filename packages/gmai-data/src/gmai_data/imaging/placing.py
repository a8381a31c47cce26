"""Where a picture of one DICOM object lies among the images of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.dicom_stacks import Slice, distances_mm

ROUNDING = 0.1
"""Share of the smallest distance of voxels by which two grids may differ."""


class OtherGridError(Exception):
    """What was drawn lies on none of the images; `is_beside`: it would, if there were an image at its place."""

    def __init__(self, words: str, *, is_beside: bool = False) -> None:
        super().__init__(words)
        self.is_beside = is_beside


@dataclass(frozen=True)
class Place:
    """The image that a picture lies on, and how its pixels lie there: turned and flipped, and from which pixel on."""

    image: int
    is_transposed: bool = False
    is_flipped: tuple[bool, bool] = (False, False)
    start: tuple[int, int] = (0, 0)
    """Row and column."""

    def paint(self, onto: npt.NDArray[Any], picture: npt.NDArray[Any]) -> bool:
        """Write the marks of a picture onto `[image, row, column]`, and return whether there are any."""
        if not picture.any():
            return False
        if self.is_transposed:
            picture = picture.T
        rows, columns = self.is_flipped
        picture = picture[:: -1 if rows else 1, :: -1 if columns else 1]
        top, left = self.start
        part = onto[self.image, top : top + picture.shape[0], left : left + picture.shape[1]]
        np.copyto(part, picture.astype(onto.dtype), where=picture != 0)
        return True


def tolerance_mm(images: Sequence[Slice]) -> float:
    """Return by how much a place may differ from that of an image: a tenth of the smallest distance of voxels."""
    steps = distances_mm(images)
    return ROUNDING * min(*images[0].spacing_mm, *(float(step) for step in steps if step > 0), np.inf)


def in_pixels(points_mm: npt.NDArray[np.float64], image: Slice) -> npt.NDArray[np.float64]:
    """Return (column, row, distance from the image in mm) of points `[n, 3]`; whole numbers are centres of pixels.

    PS3.3 C.7.6.2.1.1: the position of an image is that of the centre of its first pixel.
    """
    along_row, along_column = image.orientation[:3], image.orientation[3:]
    row_mm, column_mm = image.spacing_mm
    relative = points_mm - image.position
    normal = np.cross(along_row, along_column)
    return np.stack([relative @ along_row / column_mm, relative @ along_column / row_mm, relative @ normal], axis=-1)


def nearest(points_mm: npt.NDArray[np.float64], images: Sequence[Slice], limit_mm: float) -> int | None:
    """Return the number of the image in whose plane all points `[n, 3]` lie, or None."""
    normal = np.cross(images[0].orientation[:3], images[0].orientation[3:])
    heights = points_mm @ normal
    places = np.asarray([each.position @ normal for each in images])
    index = int(np.abs(places - heights.mean()).argmin())
    return index if float(np.abs(heights - places[index]).max()) <= limit_mm else None


def require_same_space(space: str, images: Sequence[Slice]) -> None:
    """Refuse positions that are not measured from where those of the images are.

    Raises:
        OtherGridError: The frames of reference differ (PS3.3 C.7.4.1).
    """
    if space and images[0].space and space != images[0].space:
        raise OtherGridError("another frame of reference than the images; register them first, or use its own series")


def place_of(
    rows_columns: tuple[int, int],
    orientation: npt.NDArray[np.float64],
    position: npt.NDArray[np.float64],
    spacing_mm: tuple[float, float],
    space: str,
    images: Sequence[Slice],
) -> Place:
    """Return where a picture lies among images of one size and orientation.

    Args:
        rows_columns: Size of the picture.
        orientation: Its Image Orientation (Patient).
        position: Its Image Position (Patient).
        spacing_mm: Distance of rows and of columns.
        space: Its Frame of Reference UID, or nothing.
        images: In order along their normal.

    Raises:
        OtherGridError: Its pixels are not those of an image, by more than `tolerance_mm`.
    """
    require_same_space(space, images)
    rows, columns = rows_columns
    steps_mm = np.stack([orientation[:3] * spacing_mm[1], orientation[3:] * spacing_mm[0]])
    corners_mm = np.stack([position, position + steps_mm[0] * (columns - 1), position + steps_mm[1] * (rows - 1)])
    limit_mm = tolerance_mm(images)
    index = nearest(corners_mm, images, limit_mm)
    image = images[0 if index is None else index]
    origin, *ends = in_pixels(np.concatenate([position[None], position + steps_mm]), image)[:, :2]
    along_row, along_column = (np.rint((end - origin) / max(np.abs(end - origin).max(), 1e-9)) for end in ends)
    start = np.rint(origin)
    expected = np.stack([start, start + along_row * (columns - 1), start + along_column * (rows - 1)])
    row_mm, column_mm = image.spacing_mm
    off_mm = float((np.abs(expected - in_pixels(corners_mm, image)[:, :2]) * (column_mm, row_mm)).max())
    axes = np.abs(np.stack([along_row, along_column]))
    is_turned_by_quarters = bool((axes.sum(axis=0) == 1).all() and (axes.sum(axis=1) == 1).all())
    if not is_turned_by_quarters or off_mm > limit_mm:
        raise OtherGridError(
            f"the mask's pixels are not the images' pixels ({off_mm:.2f} mm off); use their own series"
        )
    left, top = (int(value) for value in expected.min(axis=0))
    right, bottom = (int(value) for value in expected.max(axis=0))
    if left < 0 or top < 0 or bottom >= image.rows_columns[0] or right >= image.rows_columns[1]:
        raise OtherGridError(f"the mask reaches beyond the images (columns {left} to {right}, rows {top} to {bottom})")
    if index is None:
        normal = np.cross(images[0].orientation[:3], images[0].orientation[3:])
        raise OtherGridError(f"no image at {position @ normal:.2f} mm along the slices' normal", is_beside=True)
    is_transposed = bool(along_row[0] == 0)
    to_columns, to_rows = (along_column, along_row) if is_transposed else (along_row, along_column)
    return Place(index, is_transposed, (bool(to_rows[1] < 0), bool(to_columns[0] < 0)), (top, left))
