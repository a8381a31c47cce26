"""One DICOM frame ▶ 8-bit picture, in the order of PS3.3 C.7.6.3 and N.2: padding, modality, VOI, MONOCHROME1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pydicom
import pydicom.pixels

from gmai_formats.pictures.dicom import numbers, spacing_mm
from gmai_formats.pictures.lookup import Lookup
from gmai_formats.pictures.picture import Pixels, Values
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.raster import to_8_bit
from gmai_formats.pictures.squares import square_size, to_square_pixels
from gmai_formats.pictures.windows import HEADER, HEADER_ALL, PERCENTILE, PRESETS, apply_window, parse_window

_PIXELS: Any = cast(Any, pydicom.pixels)
_COLOURS = ("Red", "Green", "Blue")


def frame_picture(header: pydicom.Dataset, stored: Values, window: str = HEADER, number: int = 0) -> tuple[Pixels, str]:
    """Turn one frame of stored values into an 8-bit picture.

    Args:
        header: Of the frame, see `dicom.frame_header`.
        stored: `[rows, columns]` or `[rows, columns, 3]`.
        window: A CT preset, `LEVEL/WIDTH`, `percentile`, or `header`.
        number: Which of the header's windows.

    Returns:
        The picture and the window in words.

    Raises:
        PictureError: The header is unusable, or there is nothing to see.
    """
    photometric = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric == "PALETTE COLOR":
        return _palette(header, stored), "palette"
    if stored.ndim == 3:
        return _spread(stored, 2 ** int(header.get("BitsStored", 8)) - 1), "colour"
    values = modality_values(header, stored)
    is_inverted = photometric == "MONOCHROME1"
    bounds = parse_window(window)
    if bounds is None and window not in (HEADER, PERCENTILE):
        raise PictureError("no such window", f"{window} is for volumes; give the card another one")
    if bounds is not None:
        pixels, words = apply_window(values, *bounds), f"{window} {bounds[0]:g}/{bounds[1]:g}"
    elif window != PERCENTILE and (shown := _by_the_header(header, values, number)) is not None:
        pixels, words = shown
    else:
        return _by_percentiles(header, values, is_inverted=is_inverted)
    return (255 - pixels if is_inverted else pixels), words


def made_square(pixels: Pixels, header: pydicom.Dataset) -> tuple[Pixels, tuple[str, ...]]:
    """Return a frame with square pixels, and what was done in words."""
    distances = spacing_mm(header)
    if square_size(pixels.shape, distances) == pixels.shape[1::-1]:
        return pixels, ()
    return to_square_pixels(pixels, distances), ("pixels made square",)


def modality_values(header: pydicom.Dataset, stored: Values) -> Values:
    """Apply modality LUT or rescale (HU for CT); padding is shown black, as the darkest value that is none.

    PS3.3 C.7.5.1.1.2: padding is one value, or the range from it to Pixel Padding Range Limit.

    Raises:
        PictureError: The slope is 0, by which every value would be the same.
    """
    padding = header.get("PixelPaddingValue")
    if padding is not None:
        limit = header.get("PixelPaddingRangeLimit")
        ends = sorted(_as_stored(header, int(each)) for each in (padding, padding if limit is None else limit))
        padded = (stored >= ends[0]) & (stored <= ends[1])
        if padded.any() and not padded.all():
            is_inverted = header.get("PhotometricInterpretation") == "MONOCHROME1"
            kept = stored[~padded]
            stored = np.where(padded, kept.max() if is_inverted else kept.min(), stored)
    table = _modality_lookup(header)
    if table is not None:
        return table(stored)
    if header.get("RescaleSlope") == 0:
        raise PictureError(
            "DICOM rescale unusable", "RescaleSlope is 0: every value would be the same; correct the file"
        )
    return _PIXELS.apply_rescale(stored, header)


def _as_stored(header: pydicom.Dataset, value: int) -> int:
    """Return a value of the header as pixels hold it: scanners write -2000 beside signed pixels as 63536, too."""
    bits, is_signed = int(header.get("BitsAllocated") or 16), int(header.get("PixelRepresentation") or 0) == 1
    if is_signed and value >= 2 ** (bits - 1):
        return value - 2**bits
    return value + 2**bits if value < 0 and not is_signed else value


def states_hounsfield(header: pydicom.Dataset) -> bool:
    """Return whether the header of a CT says how stored values become HU (PS3.3 C.11.1.1).

    A type says what else they become: `US` is unspecified, `Z_EFF`, `ED` and others are those of spectral CT. Without
    a slope nothing is rescaled.
    """
    if header.get("ModalityLUTSequence"):
        unit = header.ModalityLUTSequence[0].get("ModalityLUTType")
    elif header.get("RescaleIntercept") is None or header.get("RescaleSlope") is None:
        return False
    else:
        unit = header.get("RescaleType")
    return str(unit or "HU").strip().upper() == "HU"


def _modality_lookup(header: pydicom.Dataset) -> Lookup | None:
    if not header.get("ModalityLUTSequence"):
        return None
    item = header.ModalityLUTSequence[0]
    return Lookup(item.LUTDescriptor, item.LUTData, signed=int(header.PixelRepresentation) == 1)


@dataclass(frozen=True)
class HeaderDisplay:
    """How a header asks for the values of a frame to be shown (PS3.3 C.11.2): by a table, or by one of its windows."""

    windows: tuple[tuple[float, float], ...] = ()
    """(level, width) in the order of the header."""
    function: str = "LINEAR"
    table: Lookup | None = None
    """The VOI LUT, which goes before windows."""

    @property
    def count(self) -> int:
        """Return the number of ways to show a frame that the header offers."""
        return max(len(self.windows), int(self.table is not None))

    def words(self, number: int = 0) -> str:
        """Return in words how `pixels` shows a frame."""
        if self.table is not None:
            return "VOI LUT 0"
        level, width = self.windows[min(number, len(self.windows) - 1)]
        return f"{HEADER} {level:g}/{width:g}"

    def pixels(self, values: Values, number: int = 0) -> Pixels:
        """Return values after the modality LUT as they are shown, before any inversion.

        Raises:
            PictureError: The VOI LUT function is unknown.
        """
        if self.table is not None:
            return _spread(self.table(values), self.table.highest)
        level, width = self.windows[min(number, len(self.windows) - 1)]
        return _spread(_voi(values, level, width, self.function), 1.0)


def header_display(header: pydicom.Dataset) -> HeaderDisplay:
    """Return how the header of a frame asks for it to be shown; what it offers may be nothing (PS3.3 C.11.2.1.2)."""
    table = None
    if header.get("VOILUTSequence"):
        item = header.VOILUTSequence[0]
        table = Lookup(item.LUTDescriptor, item.LUTData, signed=output_range(header)[0] < 0)
    function = str(header.get("VOILUTFunction") or "LINEAR").upper()
    centres, widths = numbers(header.get("WindowCenter")), numbers(header.get("WindowWidth"))
    narrowest = 1.0 if function == "LINEAR" else 1e-9
    windows = ((centre, width) for centre, width in zip(centres, widths, strict=False) if width >= narrowest)
    return HeaderDisplay(tuple(windows), function, table)


def window_names(header: pydicom.Dataset, windows: Sequence[str]) -> list[tuple[str, int]]:
    """Return (window, its number in the header) for each picture that a card's windows ask of this header."""
    names: list[tuple[str, int]] = []
    for window in windows:
        count = max(len(header_display(header).windows), 1) if window == HEADER_ALL else 1
        names.extend((HEADER if window == HEADER_ALL else window, number) for number in range(count))
    return names


def _by_the_header(header: pydicom.Dataset, values: Values, number: int) -> tuple[Pixels, str] | None:
    """Apply the VOI LUT or window of the header; without one, soft tissue for CT in HU and nothing for others."""
    shown = header_display(header)
    if shown.count:
        return shown.pixels(values, number), shown.words(number)
    if header.get("Modality") == "CT" and states_hounsfield(header):
        level, width = PRESETS["soft_tissue"]
        return apply_window(values, level, width), f"soft_tissue {level:g}/{width:g}"
    return None


def _voi(values: Values, level: float, width: float, function: str) -> Values:
    """Return 0 to 1 inside a window (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - level) / width))
    if function == "LINEAR_EXACT":
        return (values - level) / width + 0.5
    if function != "LINEAR":
        raise PictureError("DICOM header unusable", f'unknown VOI LUT function "{function}"')
    if width == 1:
        return np.where(values > level - 0.5, 1.0, 0.0)
    return (values - (level - 0.5)) / (width - 1) + 0.5


def _by_percentiles(header: pydicom.Dataset, values: Values, *, is_inverted: bool) -> tuple[Pixels, str]:
    """Show the percentiles of a frame; MONOCHROME1 as its MONOCHROME2 twin (PS3.3 C.7.6.3.1.2), air being 0 in both."""
    if is_inverted:
        low, high = output_range(header)
        values = low + high - values
    pixels, _ = to_8_bit(values - min(float(values.min()), 0.0), None)
    return pixels, "percentile of the frame"


def output_range(header: pydicom.Dataset) -> tuple[float, float]:
    """Return the smallest and the largest value that a frame can have after the modality transformation."""
    table = _modality_lookup(header)
    if table is not None:
        return 0.0, table.highest
    bits = int(header.BitsStored)
    signed = int(header.PixelRepresentation) == 1
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    if slope is None or intercept is None:
        return float(low), float(high)
    ends = (low * float(slope) + float(intercept), high * float(slope) + float(intercept))
    return min(ends), max(ends)


def _palette(header: pydicom.Dataset, stored: Values) -> Pixels:
    if "SegmentedRedPaletteColorLookupTableData" in header:
        colours = _PIXELS.apply_color_lut(stored, header)
        return _spread(colours, 255 if colours.dtype == np.uint8 else 65535)
    signed = int(header.PixelRepresentation) == 1
    tables = [
        Lookup(
            header[f"{colour}PaletteColorLookupTableDescriptor"].value,
            header[f"{colour}PaletteColorLookupTableData"].value,
            signed=signed,
        )
        for colour in _COLOURS
    ]
    return np.dstack([_spread(table(stored), table.highest) for table in tables])


def _spread(values: Values, highest: float) -> Pixels:
    return np.clip(np.rint(values.astype(np.float64) * (255.0 / highest)), 0, 255).astype(np.uint8)
