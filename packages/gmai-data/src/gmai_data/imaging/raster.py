"""Raster files ▶ pixels, pixels ▶ PNG; what is too large, unreadable or empty is refused with a reason."""

import hashlib
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gmai_formats.pictures.picture import Pixels, require_size
from gmai_formats.pictures.problems import decoding
from gmai_formats.pictures.raster import FORMATS, decode_raster
from gmai_formats.pictures.windows import ChooseWindow
from isal import isal_zlib
from PIL import Image

from gmai_data.imaging.dicom_pixels import about
from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError

_HARMLESS = frozenset({"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression"})
"""JPEG entries that carry no words: a JPEG with only these is kept byte by byte, anything else is encoded anew."""


@dataclass(frozen=True)
class Raster:
    """A decoded picture; `encoded` are the file's own bytes where they can be published as they are."""

    pixels: Pixels
    encoded: bytes | None
    geometry: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What was done to the values, for the provenance."""
    spacing: tuple[float, float] = (1.0, 1.0)
    """Distance of the stored rows and columns; where they differ, the pixels were made square."""
    stored_px: tuple[int, int] | None = None
    """Width and height before that."""

    @property
    def is_as_stored(self) -> bool:
        """Return whether its pixels lie as they are stored, unturned by EXIF."""
        return "changes" not in self.geometry

    @property
    def annotated_px(self) -> tuple[int, int]:
        """Return the width and height that masks and boxes of the source are made for."""
        height, width = self.pixels.shape[:2]
        return self.stored_px or (width, height)


def load_raster(root: Path, relative: str, window: ChooseWindow | None = None) -> Raster:
    """Decode a picture file (PNG, JPEG, TIFF, …) to 8-bit grey or RGB; see `gmai_formats.pictures.raster`.

    Raises:
        SourceError: Missing, pointer, not an image, truncated, of several pages, or too large.
    """
    return raster_of(require_data(root, relative).read_bytes(), relative, window)


def raster_of(data: bytes, relative: str, window: ChooseWindow | None = None) -> Raster:
    """Decode encoded bytes; see `load_raster`."""
    with about(relative):
        picture = decode_raster(data, window=window)
    is_plain_jpeg = picture.format == "JPEG" and not picture.changes and picture.metadata <= _HARMLESS
    geometry: dict[str, Any] = {"window": picture.window} if picture.window else {}
    changes = [change for change in picture.changes if change != picture.window]
    if changes:
        geometry["changes"] = changes
    return Raster(picture.pixels, data if is_plain_jpeg else None, geometry)


def load_index_mask(root: Path, relative: str) -> npt.NDArray[Any]:
    """Decode a mask whose pixel values are label ids; a palette image gives its indices, equal channels give one.

    Raises:
        SourceError: As `load_raster`, or the mask has colours or fractions.
    """
    return _index_mask(_decode_mask(root, relative, palette_to_colour=False), relative)


def _index_mask(mask: npt.NDArray[Any], relative: str) -> npt.NDArray[Any]:
    if mask.ndim == 3:
        colours = mask[..., :3] if mask.shape[2] >= 3 else mask[..., :1]
        if np.any(colours != colours[..., :1]):
            raise SourceError("mask has colour channels", f"shape {mask.shape}; index masks have one channel", relative)
        mask = colours[..., 0]
    if mask.dtype.kind == "f":
        whole = np.rint(mask)
        if not np.allclose(whole, mask, rtol=0, atol=1e-3) or np.abs(whole).max(initial=0) >= 2**31:
            detail = "it has fractions, or values that are no numbers; store whole label ids"
            raise SourceError("mask is not a label mask", detail, relative)
        return whole.astype(np.int32)
    return mask


def load_numbered_mask(root: Path, relative: str) -> npt.NDArray[Any]:
    """Decode a mask in which each value, or each colour but black, is one object; colours become numbers.

    Raises:
        SourceError: As `load_index_mask`, or its colours were blurred.
    """
    mask = _decode_mask(root, relative, palette_to_colour=False)
    if mask.ndim == 2 or mask.shape[2] < 3 or not np.any(mask[..., :3] != mask[..., :1]):
        return _index_mask(mask, relative)
    if mask.dtype != np.uint8 or relative.lower().endswith((".jpg", ".jpeg", ".jfif")):
        detail = "colours that number objects have 8 bits a channel, and are not packed as JPEG, which blurs them"
        raise SourceError("mask is not a label mask", detail, relative)
    codes = mask[..., :3].astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    found, numbers = np.unique(codes, return_inverse=True)
    return numbers.reshape(codes.shape).astype(np.int32) + (found[0] != 0)


def load_mask_channels(root: Path, relative: str) -> npt.NDArray[Any]:
    """Decode a mask whose colours or brightness matter, `[height, width]` or `[height, width, channels]`, as stored.

    Raises:
        SourceError: As `load_raster`.
    """
    return _decode_mask(root, relative, palette_to_colour=True)


def _decode_mask(root: Path, relative: str, *, palette_to_colour: bool) -> npt.NDArray[Any]:
    path = require_data(root, relative)
    with about(relative), decoding("image unreadable"), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as image:
            require_size(*image.size)
            mask = np.asarray(image.convert("RGB") if palette_to_colour and image.mode == "P" else image)
    return mask.astype(np.uint8) if mask.dtype == np.bool_ else mask


_PNG_COLOUR_TYPES = {1: 0, 3: 2}
"""Channels ▶ PNG colour type (grey, RGB)."""
_FILTER_UP = 2


def encode_png(pixels: Pixels) -> bytes:
    """Encode grey or RGB pixels as PNG: each row as its difference to the row above, packed by ISA-L.

    Five times as fast as libpng at its fastest, at about the same size.
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    flat = pixels.reshape(height, width * channels)
    rows = np.empty((height, 1 + flat.shape[1]), np.uint8)
    rows[:, 0] = _FILTER_UP
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _PNG_COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", isal_zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", isal_zlib.crc32(data, isal_zlib.crc32(kind)))
        for kind, data in chunks
    )


def nothing_to_see(pixels: Pixels) -> str | None:
    """Return why a picture is none, or None: `near-constant image` or `binary image`.

    Near-constant: 99 % of its values within 4 grey levels of one another. Binary: two values and no grey between, which
    is a mask filed as an image (SAM-Med2D#63).
    """
    if _certainly_shows(pixels):
        return None
    flat = np.ascontiguousarray(pixels).reshape(1, -1)
    counts = np.array(Image.fromarray(flat).histogram())
    total = np.cumsum(counts, dtype=np.float64)
    low, high = (int(np.searchsorted(total, share * flat.size)) for share in (0.005, 0.995))
    if high - low <= 4:
        return "near-constant image"
    return "binary image" if np.count_nonzero(counts) <= 2 else None


def _certainly_shows(pixels: Pixels) -> bool:
    """Return whether an eighth of the rows already holds enough unlike values, whatever the others are."""
    some = np.bincount(pixels[::8].ravel(), minlength=256)
    reached = np.cumsum(some)
    enough = 0.005 * pixels.size
    low = int(np.searchsorted(reached, enough))
    return low + 4 < 256 and int(reached[-1] - reached[low + 4]) > enough + 1 and int(np.count_nonzero(some)) > 2


def digest(data: bytes) -> str:
    """Return the hex SHA-256 digest of bytes."""
    return hashlib.sha256(data).hexdigest()
