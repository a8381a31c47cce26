"""Encoded rasters (PNG, JPEG, TIFF, …) ▶ pictures as a viewer shows them: turned, on white, in 8 bits."""

import contextlib
import io
import itertools
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from gmai_formats.pictures.picture import Picture, Pixels, Values, require_size
from gmai_formats.pictures.problems import PictureError, decoding
from gmai_formats.pictures.tiff import (
    MOST_PAGES,
    SMALLER_COPY,
    SUBFILE_KIND,
    DeepTiff,
    needs_tifffile,
    read_deep_tiff,
    several_pages,
)
from gmai_formats.pictures.windows import ChooseWindow, FlatIntensitiesError, apply_bounds, percentile_bounds

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "WEBP", "GIF", "JPEG2000", "PPM", "ICO", "PCX", "SGI", "TGA")
"""What Pillow may try: for some of its other formats it runs programs. MPO, of some cameras, is opened as JPEG."""

_REMEDY = "download it again, or leave it out"
_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")
_TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_ZEROS = bytes(4)
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""But restarts, which stand inside a scan; a byte 255 of the scan itself is followed by a zero."""
_END_OF_IMAGE, _WITHOUT_LENGTH = 0xD9, (0x01, 0xD8)
_PNG_END = b"IEND"
_PNG_DEPTH = 24
"""Offset of the bit depth in a PNG (ISO/IEC 15948, 11.2.2)."""


def decode_raster(data: bytes, *, window: ChooseWindow | None = None) -> Picture:
    """Return the picture of an encoded raster.

    It is turned as its EXIF orientation says, and lies on white where it is transparent, as viewers show it. Values of
    more than 8 bits are shown from their 0.5th to their 99.5th percentile: one hot pixel must not decide the contrast.

    Args:
        data: The file's content.
        window: Chooses the window that is applied to grey values of any depth instead.

    Raises:
        PictureError: No image of a known format, damaged, of several pages, too large, or nothing to see.
    """
    with decoding("image unreadable", _REMEDY), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own, lower limit follows
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                require_size(*image.size)
                _seek_the_page(image)
                if needs_tifffile(image):
                    return _deep_tiff(data, window)
                if _is_deep_with_alpha(image):
                    return _deep_with_alpha(image, window)
                orientation = _orientation(image)  # Pillow turns a TIFF when it is loaded, and forgets it
                image.load()
                if image.format == "PNG" and _PNG_END not in data:
                    raise PictureError("image unreadable", f"a PNG without its end; {_REMEDY}")
                if image.format in ("JPEG", "MPO") and _has_zeros_for_an_end(data):
                    raise PictureError("image unreadable", f"a JPEG that ends in zeros, without its end; {_REMEDY}")
                return _shown(image, data, window, orientation)
        except Image.DecompressionBombError as error:
            raise PictureError("image too large", f"{error}; cut it into tiles first") from error
        except UnidentifiedImageError as error:
            if data[:2] in (b"II", b"MM"):  # TIFF
                return _deep_tiff(data, window)
            raise PictureError("image unreadable", f"no image of a known format; {_REMEDY}") from error
        except (OSError, ValueError):
            if data[:2] in (b"II", b"MM"):  # kinds of TIFF that Pillow does not know
                return _deep_tiff(data, window)
            raise


def verify_raster(data: bytes) -> None:
    """Look at the header of an encoded raster, without decoding it.

    Raises:
        PictureError: No image of a known format, of several pages, or too large.
    """
    with decoding("image unreadable", _REMEDY), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                require_size(*image.size)
                _seek_the_page(image)
                image.verify()
        except UnidentifiedImageError as error:
            if data[:2] not in (b"II", b"MM"):
                raise PictureError("image unreadable", f"no image of a known format; {_REMEDY}") from error


def needs_white_or_turn(data: bytes) -> bool:
    """Return whether an encoded raster has transparency or an EXIF orientation; what is no raster has neither."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.mode in _TRANSPARENT or "transparency" in image.info:
                return True
            # Pillow decodes a whole PNG in search of an EXIF chunk.
            return (image.format != "PNG" or b"eXIf" in data) and _orientation(image) != 1
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _has_zeros_for_an_end(data: bytes) -> bool:
    """Return whether a JPEG was cut short and filled up with zeros, which decoders take for grey or streaks.

    What lies behind the end marker (ISO/IEC 10918-1, B.1.1.3) may be anything: padding, further pictures, a film.
    """
    if not data.endswith(_ZEROS):
        return False
    place = 2
    while (marker := _JPEG_MARKER.search(data, place)) is not None:
        kind = marker[0][-1]
        if kind == _END_OF_IMAGE:
            return False
        place = marker.end()
        if kind not in _WITHOUT_LENGTH:
            place += int.from_bytes(data[place : place + 2])
    return True


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where there is none or no such one."""
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in range(2, 9) else 1


def _seek_the_page(image: Image.Image) -> None:
    """Stand at the one page of an image that counts: a TIFF's smaller copies of it, for previews, do not."""
    if image.format != "TIFF":
        count = getattr(image, "n_frames", 1)
        if count > 1 and image.format != "MPO":
            raise several_pages(f"{count} frames")
        return
    pages = list(itertools.islice(_tiff_pages(image), MOST_PAGES + 1))
    if len(pages) > MOST_PAGES:
        raise several_pages(f"more than {MOST_PAGES} pages")
    pages = [page for page in pages if not _is_smaller_copy(image, page)] or pages
    if len(pages) > 1:
        raise several_pages(f"{len(pages)} pages")
    image.seek(pages[0])
    require_size(*image.size)


def _tiff_pages(image: Image.Image) -> Iterator[int]:
    """Yield the numbers of pages, each once it was found: to count all of them takes the square of their number."""
    with contextlib.suppress(EOFError):
        for page in itertools.count():
            image.seek(page)
            yield page


def _is_smaller_copy(image: Image.Image, page: int) -> bool:
    image.seek(page)
    return bool(int(getattr(image, "tag_v2", {}).get(SUBFILE_KIND, 0)) & SMALLER_COPY)


def _is_deep_with_alpha(image: ImageFile.ImageFile) -> bool:
    """Return whether an opened image is a PNG of 16-bit grey with alpha, of which Pillow decodes the upper 8 bits."""
    return image.format == "PNG" and [tile.args for tile in image.tile] == ["LA;16B"]


def _deep_with_alpha(image: ImageFile.ImageFile, window: ChooseWindow | None) -> Picture:
    metadata = frozenset(map(str, image.info))
    image.tile = [image.tile[0]._replace(args="RGBA")]  # as many bytes a pixel, taken as they are
    changes: list[str] = []
    if (orientation := _orientation(image)) != 1:
        changes.append(f"turned by EXIF orientation {orientation}")
    stored = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16)
    values, alpha = (stored[..., part] << 8 | stored[..., part + 1] for part in (0, 2))
    opacity = alpha.astype(np.float32) / np.float32(65535)
    pixels, shown = to_8_bit(values, window)
    changes.append(shown)
    if (opacity == 1).all():
        changes.append("opaque alpha left out")
    else:
        pixels = on_white(pixels, opacity)
        changes.append("transparency laid on white")
    return Picture(Image.fromarray(pixels), tuple(changes), shown, "PNG", metadata)


def on_white(pixels: Pixels, opacity: npt.NDArray[np.float32]) -> Pixels:
    """Return pixels, grey or RGB, laid on white where `[height, width]` opacities are below 1."""
    share = opacity if pixels.ndim == 2 else opacity[..., None]
    return np.rint(pixels * share + 255.0 * (1 - share)).astype(np.uint8)


def _shown(image: Image.Image, data: bytes, window: ChooseWindow | None, orientation: int) -> Picture:
    changes: list[str] = []
    format_, metadata = str(image.format), frozenset(map(str, image.info))
    is_inverted = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    clear: Any = image.info.get("transparency")
    if orientation != 1:
        image = ImageOps.exif_transpose(image) if _orientation(image) != 1 else image
        changes.append(f"turned by EXIF orientation {orientation}")
    shown = ""
    if image.mode in _DEEP:
        values = np.asarray(image)
        stored = values
        if is_inverted:
            values = _inverted(values)
            changes.append("white is zero")
        pixels, shown = to_8_bit(values, window)
        if isinstance(clear, int) and (hidden := stored == clear).any():
            pixels = np.where(hidden, np.uint8(255), pixels)
            changes.append("transparency laid on white")
        image = Image.fromarray(pixels)
        changes.append(shown)
    else:
        if data[:8] == b"\x89PNG\r\n\x1a\n" and data[_PNG_DEPTH] == 16:
            changes.append("16 bits a channel: the upper 8")
        image = _in_8_bits(image, changes)
        if window is not None:
            if image.mode != "L":
                raise PictureError("no window for a colour image", "it has no values in a unit; leave the window out")
            pixels, shown = to_8_bit(np.asarray(image), window)
            image = Image.fromarray(pixels)
            changes.append(shown)
    return Picture(image, tuple(changes), shown, format_, metadata)


def _in_8_bits(image: Image.Image, changes: list[str]) -> Image.Image:
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        coloured = image.convert("RGBA")
        if coloured.getchannel("A").getextrema() == (255, 255):
            changes.append("opaque alpha left out")
            return coloured.convert("RGB")
        changes.append("transparency laid on white")
        # Transparent pixels have no colour of their own; a viewer shows them on white.
        on_white = Image.new("RGBA", image.size, "white")
        on_white.alpha_composite(coloured)
        return on_white.convert("RGB")
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "LAB":
        raise PictureError("image unreadable", "colours in CIELAB; save it in RGB")
    changes.append({"1": "1 bit", "P": "palette"}.get(image.mode, image.mode) + " in 8 bits")
    return image.convert("L" if image.mode == "1" else "RGB")


def _deep_tiff(data: bytes, window: ChooseWindow | None) -> Picture:
    found: DeepTiff = read_deep_tiff(data)
    changes = [*found.changes]
    values = _inverted(found.values) if found.is_inverted else found.values
    shown = ""
    if values.dtype == np.uint8 and window is None:
        pixels: Pixels = values
    else:
        if window is not None and values.ndim == 3:
            raise PictureError("no window for a colour image", "it has no values in a unit; leave the window out")
        pixels, shown = to_8_bit(values, window)
        changes.append(shown)
    if found.opacity is not None:
        pixels = on_white(pixels, found.opacity)
        changes.append("transparency laid on white")
    return Picture(Image.fromarray(np.ascontiguousarray(pixels)), tuple(changes), shown, "TIFF")


def to_8_bit(values: Values, window: ChooseWindow | None) -> tuple[Pixels, str]:
    """Return values in a window, or spread between their percentiles, and that in words.

    Raises:
        PictureError: There is nothing to see.
    """
    if window is not None:
        chosen = window(values)
        return chosen.grey(values), chosen.words
    try:
        low, high = percentile_bounds(values)
    except FlatIntensitiesError as error:
        raise PictureError("nothing to see in the image", str(error)) from error
    return apply_bounds(values, low, high), f"percentiles {low:g}–{high:g}"


def _inverted(values: Values) -> Values:
    """Return the values of a picture whose 0 is white, with 0 as black."""
    if values.dtype.kind == "u":
        return np.iinfo(values.dtype).max - values
    return values.max(initial=0) + values.min(initial=0) - values
