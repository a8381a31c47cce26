"""Raster files ▶ pixels, pixels ▶ PNG; what is too large, unreadable or empty is refused with a reason."""

import hashlib
import io
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from isal import isal_zlib
from PIL import Image, ImageOps, UnidentifiedImageError

from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError

Pixels = npt.NDArray[np.uint8]
"""`[height, width]` grey or `[height, width, 3]` RGB."""

MAX_PIXELS = 50_000_000
"""Larger rasters are sources for tiles (whole slides), or decompression bombs. Checked on the header, before decoding;
Pillow's own global limit is left as it is."""

_HARMLESS = frozenset({"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression"})
"""JPEG entries that carry no words: a JPEG with only these is kept byte by byte, anything else is encoded anew."""


_TIFF_BITS, _TIFF_PLANAR = 258, 284
"""Tags of TIFF 6.0: BitsPerSample and PlanarConfiguration."""


@dataclass(frozen=True)
class Raster:
    """A decoded raster; `encoded` are the file's own bytes where they can be published as they are."""

    pixels: Pixels
    encoded: bytes | None
    geometry: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What was done to the values, for the provenance."""


def load_raster(root: Path, relative: str) -> Raster:
    """Decode a picture file (PNG, JPEG, TIFF, …) to 8-bit grey or RGB, turned as its EXIF orientation says.

    Raises:
        SourceError: Missing, pointer, not an image, truncated, of several pages, or above `MAX_PIXELS`.
    """
    data = require_data(root, relative).read_bytes()
    return decode_raster(data, relative)


def decode_raster(data: bytes, relative: str) -> Raster:
    """Decode encoded bytes; see `load_raster`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own, lower limit follows
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise _too_large(width, height, relative)
                if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                    detail = f"{getattr(image, 'n_frames', 0)} pages; which of them counts? Split them into files"
                    raise SourceError("several pages in one file", detail, relative)
                if _is_deep_or_planar_tiff(image):
                    return Raster(*_by_tifffile(io.BytesIO(data), relative))
                image.load()
                pixels, window = _to_8_bit(ImageOps.exif_transpose(image))
                plain_jpeg = image.format == "JPEG" and image.mode in ("L", "RGB") and image.info.keys() <= _HARMLESS
    except Image.DecompressionBombError as error:
        raise SourceError("image too large", f"{error}; cut it into tiles first", relative) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if relative.lower().endswith((".tif", ".tiff")):
            return Raster(*_by_tifffile(io.BytesIO(data), relative))
        detail = str(error).split("<")[0].strip()
        raise SourceError("image unreadable", f"{detail}; download it again or take it out", relative) from error
    return Raster(pixels, data if plain_jpeg else None, {"window": window} if window else {})


def _is_deep_or_planar_tiff(image: Image.Image) -> bool:
    """Say whether a TIFF has colours of 16 bits or in planes, which Pillow 12 decodes to other pixels or not at all."""
    tags: Any = getattr(image, "tag_v2", {})
    bits, planar = tags.get(_TIFF_BITS, (8,)), tags.get(_TIFF_PLANAR, 1)
    return len(bits) > 1 and (max(bits) > 8 or planar == 2)


def _by_tifffile(data: io.BytesIO, relative: str) -> tuple[Pixels, None, dict[str, str]]:
    """Decode the kinds of TIFF that Pillow does not know: 16 bits a channel, floats, planar, newer compressions."""
    import tifffile

    try:
        with tifffile.TiffFile(data) as file:
            page: Any = file.pages[0]
            if len(file.pages) > 1:
                raise SourceError("several pages in one file", f"{len(file.pages)} pages; split them", relative)
            if page.imagewidth * page.imagelength > MAX_PIXELS:
                raise _too_large(page.imagewidth, page.imagelength, relative)
            array: npt.NDArray[Any] = np.asarray(page.asarray())
    except SourceError:
        raise
    except Exception as error:  # damaged files raise many kinds
        detail = " ".join(str(error).split())
        raise SourceError("image unreadable", f"{detail}; download it again or take it out", relative) from error
    if array.ndim == 3 and array.shape[0] in (3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise SourceError("image unreadable", f"shape {array.shape}; grey or RGB is expected", relative)
    values = array[..., :3] if array.ndim == 3 else array
    if values.dtype == np.uint8:
        return values, None, {}
    pixels, window = _spread(values)
    return pixels, None, {"window": window}


def _spread(values: npt.NDArray[Any]) -> tuple[Pixels, str]:
    """Return values spread over 0–255 by their own range, and the range in words; what is not finite becomes black."""
    numbers = values.astype(np.float32)
    finite = np.isfinite(numbers)
    low, high = (float(numbers[finite].min()), float(numbers[finite].max())) if finite.any() else (0.0, 0.0)
    numbers = np.where(finite, numbers, low)
    pixels = np.clip((numbers - low) * (255.0 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    return pixels, f"own range {low:g}–{high:g}"


def load_index_mask(root: Path, relative: str) -> npt.NDArray[Any]:
    """Decode a mask whose pixel values are label ids; a palette image gives its indices, equal channels give one.

    Raises:
        SourceError: As `load_raster`, or the mask has colours or fractions.
    """
    mask = _decode_mask(root, relative, palette_to_colour=False)
    if mask.ndim == 3:
        colours = mask[..., :3] if mask.shape[2] >= 3 else mask[..., :1]
        if np.any(colours != colours[..., :1]):
            raise SourceError("mask has colour channels", f"shape {mask.shape}; index masks have one channel", relative)
        mask = colours[..., 0]
    if mask.dtype.kind == "f":
        whole = np.rint(mask)
        if not np.array_equal(whole, mask) or np.abs(whole).max(initial=0) >= 2**31:
            detail = "it has fractions, or values that are no numbers; store whole label ids"
            raise SourceError("mask is not a label mask", detail, relative)
        return whole.astype(np.int32)
    return mask


def load_mask_channels(root: Path, relative: str) -> npt.NDArray[Any]:
    """Decode a mask whose colours or brightness matter, `[height, width]` or `[height, width, channels]`, 8 bits each.

    Raises:
        SourceError: As `load_raster`.
    """
    mask = _decode_mask(root, relative, palette_to_colour=True)
    if mask.dtype != np.uint8:
        return np.clip(mask.astype(np.float64) * (255.0 / max(float(mask.max()), 1.0)), 0, 255).astype(np.uint8)
    return mask


def _decode_mask(root: Path, relative: str, *, palette_to_colour: bool) -> npt.NDArray[Any]:
    path = require_data(root, relative)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.size[0] * image.size[1] > MAX_PIXELS:
                    raise _too_large(*image.size, relative)
                mask = np.asarray(image.convert("RGB") if palette_to_colour and image.mode == "P" else image)
    except Image.DecompressionBombError as error:
        raise SourceError("image too large", f"{error}; cut it into tiles first", relative) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise SourceError("image unreadable", str(error).split("<")[0].strip(), relative) from error
    return mask.astype(np.uint8) if mask.dtype == np.bool_ else mask


def _too_large(width: int, height: int, relative: str) -> SourceError:
    detail = f"{width}×{height} is above {MAX_PIXELS // 1_000_000} megapixels; cut it into tiles first"
    return SourceError("image too large", detail, relative)


def _to_8_bit(image: Image.Image) -> tuple[Pixels, str]:
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _spread(np.asarray(image))
    return _colours(image), ""


def _colours(image: Image.Image) -> Pixels:
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # Transparent pixels have no colour of their own; a viewer shows them on white.
        on_white = Image.new("RGBA", image.size, "white")
        on_white.alpha_composite(image.convert("RGBA"))
        return np.asarray(on_white.convert("RGB"))
    return np.asarray(image.convert("RGB"))


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
    flat = np.ascontiguousarray(pixels).reshape(1, -1)
    counts = cv2.calcHist([flat], [0], None, [256], [0, 256]).ravel()
    total = np.cumsum(counts, dtype=np.float64)
    low, high = (int(np.searchsorted(total, share * flat.size)) for share in (0.005, 0.995))
    if high - low <= 4:
        return "near-constant image"
    return "binary image" if np.count_nonzero(counts) <= 2 else None


def digest(data: bytes) -> str:
    """Return the hex SHA-256 digest of bytes."""
    return hashlib.sha256(data).hexdigest()
