"""Pictures whose pixels are not square ▶ square ones, so that shapes are those of the body."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from gmai_formats.pictures.picture import Pixels, require_size


def square_size(shape: tuple[int, ...], spacing_mm: tuple[float, float]) -> tuple[int, int]:
    """Return (width, height) of a picture of `shape` (rows, columns) once its pixels are square.

    The smaller of the two distances stays. Spacings within 1 % count as square.

    Raises:
        PictureError: It would be larger than any picture.
    """
    row_mm, column_mm = spacing_mm
    height, width = shape[:2]
    if abs(row_mm / column_mm - 1) <= 0.01:
        return width, height
    target_mm = min(row_mm, column_mm)
    size = max(round(width * column_mm / target_mm), 1), max(round(height * row_mm / target_mm), 1)
    require_size(*size)
    return size


def to_square_pixels(pixels: Pixels, spacing_mm: tuple[float, float]) -> Pixels:
    """Return a picture with square pixels, interpolated linearly.

    Args:
        pixels: Grey or RGB.
        spacing_mm: Distance of its rows and of its columns, in any unit.
    """
    size = square_size(pixels.shape, spacing_mm)
    if size == pixels.shape[1::-1]:
        return pixels
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BILINEAR))


def to_square_labels(labels: npt.NDArray[np.generic], spacing_mm: tuple[float, float]) -> npt.NDArray[np.generic]:
    """Return a label mask with square pixels; each takes the nearest label, so none is invented at a border."""
    width, height = square_size(labels.shape, spacing_mm)
    if (width, height) == labels.shape[1::-1]:
        return labels
    # By the centre of each pixel, as the picture beside it is interpolated.
    rows = ((np.arange(height) + 0.5) * labels.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * labels.shape[1] / width).astype(np.intp)
    return labels[rows[:, None], columns[None, :]]
