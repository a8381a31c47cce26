"""The kinds of TIFF that Pillow decodes to other pixels or not at all: deep colours, planes, newer compressions."""

import io
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gmai_formats.pictures.picture import Values, require_size
from gmai_formats.pictures.problems import PictureError, decoding

_BITS, _PHOTOMETRIC, _PLANAR = 258, 262, 284
"""Tags of TIFF 6.0: BitsPerSample, PhotometricInterpretation, PlanarConfiguration."""
SUBFILE_KIND, SMALLER_COPY = 254, 1
"""TIFF 6.0's NewSubfileType, and its bit for a page that is a smaller copy of another one."""
MOST_PAGES = 64
"""Pages that a file is looked through for its one picture: each smaller copy has a quarter of the pixels."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_PREMULTIPLIED, _UNASSOCIATED = 1, 2
"""What TIFF 6.0's ExtraSamples says of an alpha channel."""
_OPACITIES = (_PREMULTIPLIED, _UNASSOCIATED)
_TURNS = {2: (False, 0, True), 3: (False, 2, False), 4: (False, 2, True), 5: (True, 0, False),
          6: (False, 3, False), 7: (True, 2, False), 8: (False, 1, False)}  # fmt: skip
"""Orientation ▶ (transpose, quarter turns against the clock, mirror left and right)."""


@dataclass(frozen=True)
class DeepTiff:
    """What such a file holds."""

    values: Values
    """`[height, width]`, or `[height, width, 3]`, turned as its orientation says."""
    opacity: npt.NDArray[np.float32] | None
    """`[height, width]`, 0 to 1."""
    is_inverted: bool
    """Whether 0 is white."""
    changes: tuple[str, ...]


def several_pages(found: str) -> PictureError:
    """Return what is said of a file in which that was found."""
    return PictureError("several pages in one file", f"{found}; which of them counts? Split them into files")


def needs_tifffile(image: Image.Image) -> bool:
    """Return whether an opened file is a TIFF with colours of more than 8 bits, or in planes."""
    tags: Any = getattr(image, "tag_v2", {})
    bits, planar = tags.get(_BITS, (8,)), tags.get(_PLANAR, 1)
    return len(bits) > 1 and (planar == 2 or (max(bits) > 8 and tags.get(_PHOTOMETRIC) != _CMYK))


def read_deep_tiff(data: bytes) -> DeepTiff:
    """Decode a TIFF.

    Raises:
        PictureError: Unreadable, of several pages, too large, or neither grey nor RGB.
    """
    import tifffile

    with decoding("image unreadable", "save it as an 8-bit PNG"), tifffile.TiffFile(io.BytesIO(data)) as file:
        pages: list[Any] = [*itertools.islice(file.pages, MOST_PAGES + 1)]
        if len(pages) > MOST_PAGES:
            raise several_pages(f"more than {MOST_PAGES} pages")
        full = [page for page in pages if not int(page.subfiletype) & SMALLER_COPY] or pages
        if len(full) > 1:
            raise several_pages(f"{len(full)} pages")
        (page,) = full
        require_size(page.imagewidth, page.imagelength)
        photometric = int(page.photometric)
        if photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
            raise PictureError("image unreadable", f"colours in {page.photometric.name}; save it in RGB")
        array: Values = np.asarray(page.asarray())
        extra = [int(kind) for kind in page.extrasamples or ()]
        turn = page.tags.get("Orientation")
        orientation = int(turn.value) if turn is not None else 1
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    if array.ndim == 3 and int(page.planarconfig) == 2:
        array = np.moveaxis(array, 0, 2)
    colours = 3 if photometric == _RGB else 1
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels != colours + len(extra):
        raise PictureError("image unreadable", f"shape {array.shape}; grey or RGB is expected")
    if colours == 1 and extra and extra[0] not in _OPACITIES:
        detail = f"{channels} channels, and nothing says which of them is the picture; save that one on its own"
        raise PictureError("image unreadable", detail)
    changes: list[str] = []
    if orientation in _TURNS:
        array = _turned(array, orientation)
        changes.append(f"turned by EXIF orientation {orientation}")
    values = array if array.ndim == 2 else array[..., 0] if colours == 1 else array[..., :3]
    opacity = None
    if extra and extra[0] in _OPACITIES:
        full = float(np.iinfo(array.dtype).max) if array.dtype.kind in "iu" else 1.0
        opacity = np.clip(array[..., colours].astype(np.float32) / full, 0, 1)
        if (opacity == 1).all():
            opacity = None
        elif extra[0] == _PREMULTIPLIED:
            share = np.maximum(opacity if values.ndim == 2 else opacity[..., None], 1e-6)
            values = np.minimum(values / share, full).astype(values.dtype)
    return DeepTiff(values, opacity, photometric == _WHITE_IS_ZERO, tuple(changes))


def _turned(array: Values, orientation: int) -> Values:
    is_transposed, quarters, is_mirrored = _TURNS[orientation]
    array = np.rot90(array.swapaxes(0, 1) if is_transposed else array, quarters)
    return array[:, ::-1] if is_mirrored else array
