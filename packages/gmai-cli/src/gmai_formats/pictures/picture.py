"""A picture as every package shows it, and the limit on its size."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gmai_formats.pictures.problems import PictureError

Pixels = npt.NDArray[np.uint8]
"""`[height, width]` grey or `[height, width, 3]` RGB."""
Values = npt.NDArray[Any]
"""Numbers of more than 8 bits, or with a unit, before a window was chosen."""

PICTURES_VERSION = 2
"""Raised whenever a file is shown in other pixels. 2: everywhere transparency lies on white, the EXIF orientation is
followed, and values of more than 8 bits are spread between percentiles."""

MAX_PIXELS = 50_000_000
"""Larger pictures are sources for tiles (whole slides), or decompression bombs. Checked on the header, before decoding;
Pillow's own global limit is left as it is."""

_SENT_AS_THEY_ARE = ("PNG", "JPEG", "WEBP")
"""Formats that every program decodes to the same pixels."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture and what was done to its file's values."""

    image: Image.Image
    """8 bits: grey (mode L) or RGB."""
    changes: tuple[str, ...] = ()
    """What was done to the stored values and pixels, in order; nothing where they are shown as they are stored."""
    window: str = ""
    """How values of more than 8 bits became grey."""
    format: str = ""
    """Pillow's name of a raster's format."""
    metadata: frozenset[str] = frozenset()
    """Names of what a raster holds beside its pixels."""
    slices: int = 1
    """Axial slices or frames of the file, of which this is one."""
    pixel_mm: float | None = None
    """Side of its square pixels, None where the file gives no distance."""
    volumes: int = 1
    """Volumes of the file, of which this picture shows one."""
    patient: str = ""
    """A digest of the patient's identifier in a DICOM header, equal for the same patient; nothing where it has none."""

    @property
    def pixels(self) -> Pixels:
        """Return the picture as an array."""
        return np.asarray(self.image)

    @property
    def rgb(self) -> Image.Image:
        """Return the picture in three channels."""
        return self.image if self.image.mode == "RGB" else self.image.convert("RGB")

    @property
    def is_as_stored(self) -> bool:
        """Return whether any program that decodes the file gets these very pixels."""
        return not self.changes and self.format in _SENT_AS_THEY_ARE

    @property
    def description(self) -> str:
        """Return size and changes in words."""
        return ", ".join((f"{self.image.width}×{self.image.height} px", *self.changes))


def require_size(width: int, height: int) -> None:
    """Refuse a picture of more than `MAX_PIXELS`.

    Raises:
        PictureError: It is larger.
    """
    if width * height > MAX_PIXELS:
        detail = f"{width}×{height} is above {MAX_PIXELS // 1_000_000} megapixels; cut it into tiles first"
        raise PictureError("image too large", detail)
