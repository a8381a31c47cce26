"""Whole slides: levels, scale and regions of pixels, read piece by piece.

OpenSlide (https://openslide.org/formats/) reads SVS, NDPI, pyramidal TIFF, MRXS, DICOM and more; OME-TIFF, whose levels
it does not see, is read with tifffile (https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html).
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.pictures.picture import Pixels
from PIL import Image, ImageFilter

from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError

LEAST_MPP, MOST_MPP = 0.02, 20.0
"""Micrometres per pixel of a microscope's picture; a resolution for printers (72 dpi is 353 µm) is none."""
_BLOCK_PX = 1024
_OVERVIEW_PIXELS = 4_000_000


class Slide(Protocol):
    """An opened slide. Level 0 is the finest."""

    sizes: list[tuple[int, int]]
    """Width and height of each level."""
    mpp: tuple[float, float] | None
    """Micrometres per pixel of level 0, along x and y, as the file states it."""

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """Return RGB pixels of a level; x and y are pixels of that level, and what lies outside is white."""
        ...


@contextmanager
def opened_slide(root: Path, relative: str) -> Generator[Slide]:
    """Open a slide.

    Raises:
        SourceError: Missing, damaged, or of a kind that the libraries do not read.
        UserError: The libraries are not installed.
    """
    path = require_data(root, relative)
    library = _openslide(path)
    try:
        if relative.lower().endswith((".tif", ".tiff")) and (ome := _ome(path, relative)) is not None:
            with ome as slide:
                yield slide
            return
        with library.OpenSlide(str(path)) as opened:
            yield _OpenSlide(opened)
    except library.OpenSlideError as error:
        detail = " ".join(str(error).split()) or "no slide that OpenSlide reads"
        known = "" if "nsupported" not in detail else ", which OpenSlide reads none of; save it as OME-TIFF or SVS, or"
        raise SourceError("slide unreadable", f"{detail}{known or ';'} download it again", relative) from error


def _openslide(path: Path) -> Any:
    try:
        import imagecodecs  # noqa: F401  # pyright: ignore[reportMissingTypeStubs, reportUnusedImport]
        import openslide  # pyright: ignore[reportMissingTypeStubs]
    except (ImportError, OSError) as error:
        raise UserError(
            f"{path}: whole slides need OpenSlide and imagecodecs. Run `{pip_install('gmai-data[pathology]')}`."
        ) from error
    return cast(Any, openslide)


class _OpenSlide:
    def __init__(self, slide: Any) -> None:
        self._slide = slide
        self.sizes = [(int(width), int(height)) for width, height in slide.level_dimensions]
        self._scales = [float(scale) for scale in slide.level_downsamples]
        stated = [_number(slide.properties.get(f"openslide.mpp-{axis}")) for axis in "xy"]
        self.mpp = None if stated[0] is None or stated[1] is None else (stated[0], stated[1])

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        # A place is given in pixels of level 0, whatever the level.
        place = (round(x * self._scales[level]), round(y * self._scales[level]))
        rgba = np.asarray(self._slide.read_region(place, level, (width, height)))
        alpha = rgba[..., 3:]
        if (alpha == 255).all():
            return np.ascontiguousarray(rgba[..., :3])
        share = alpha.astype(np.float32) / 255  # nothing was scanned there: white, as viewers show it
        return np.rint(rgba[..., :3] * share + 255 * (1 - share)).astype(np.uint8)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if value > 0 else None


@contextmanager
def _tifffile_slide(file: Any, levels: list[list[Any]], mpp: tuple[float, float] | None) -> Generator[Slide]:
    try:
        yield _OmeSlide(file, levels, mpp)
    finally:
        file.close()


def _ome(path: Path, relative: str) -> Any:
    """Return an OME-TIFF as a slide, or None where the file is another TIFF."""
    import tifffile

    try:
        file: Any = tifffile.TiffFile(path)
    except Exception as error:  # tifffile raises whatever a damaged file leads it to
        raise SourceError("slide unreadable", " ".join(str(error).split()), relative) from error
    if not file.is_ome:
        file.close()
        return None
    series: Any = file.series[0]
    axes = str(series.axes)
    shape = dict(zip(axes, series.shape, strict=True))
    colours = shape.get("S", shape.get("C", 1))
    others = {axis: size for axis, size in shape.items() if axis not in "YXSC" and size > 1}
    if others or ("S" in shape and shape.get("C", 1) > 1) or colours not in (1, 3, 4) or series.dtype != np.uint8:
        found = f"axes {axes} of {'×'.join(map(str, series.shape))}, {series.dtype}"
        file.close()
        raise SourceError("slide of another kind", f"{found}; 8-bit grey or RGB in one plane is read", relative)
    if "C" in shape and shape["C"] == 4:
        file.close()
        raise SourceError(
            "slide of another kind", "four channels of fluorescence; no rule says their colours", relative
        )
    levels = [[page for page in level.pages if page is not None] for level in series.levels]
    return _tifffile_slide(file, levels, _ome_mpp(file.ome_metadata))


_MICROMETRES = {"µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}


def _ome_mpp(metadata: str) -> tuple[float, float] | None:
    import xml.etree.ElementTree as ElementTree

    if "<!ENTITY" in metadata:
        return None
    try:
        root = ElementTree.fromstring(metadata)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError:
        return None
    pixels = next((element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return None
    sizes: list[float] = []
    for axis in "XY":
        value = _number(pixels.get(f"PhysicalSize{axis}"))
        unit = _MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        if value is None or unit is None:
            return None
        sizes.append(value * unit)
    return sizes[0], sizes[1]


class _OmeSlide:
    """Tiles of an OME-TIFF: one page with the colours together, or a page or plane for each."""

    def __init__(self, file: Any, levels: list[list[Any]], mpp: tuple[float, float] | None) -> None:
        self._file, self._levels, self.mpp = file, levels, mpp
        self.sizes = [(int(pages[0].keyframe.imagewidth), int(pages[0].keyframe.imagelength)) for pages in levels]

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        pages = self._levels[level]
        planes = [_page_region(self._file, page, x, y, width, height) for page in pages]
        pixels = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels[..., :3])


def _page_region(file: Any, page: Any, x: int, y: int, width: int, height: int) -> Pixels:
    key = page.keyframe  # what the pages of a series have in common
    tile_width = key.tilewidth if key.is_tiled else key.imagewidth
    tile_height = key.tilelength if key.is_tiled else key.rowsperstrip
    across = -(-key.imagewidth // tile_width)
    down = -(-key.imagelength // tile_height)
    channels = key.samplesperpixel
    planes = channels if int(key.planarconfig) == 2 else 1
    found = np.full((height, width, channels), 255, np.uint8)
    for row in range(max(y, 0) // tile_height, min(down, -(-(y + height) // tile_height))):
        for column in range(max(x, 0) // tile_width, min(across, -(-(x + width) // tile_width))):
            left, top = column * tile_width - x, row * tile_height - y
            for plane in range(planes):
                index = (plane * down + row) * across + column
                if page.databytecounts[index] == 0:
                    continue  # a tile without data
                file.filehandle.seek(page.dataoffsets[index])
                data = file.filehandle.read(page.databytecounts[index])
                tile = np.asarray(key.decode(data, index, jpegtables=page.jpegtables)[0])[0]
                tile = tile[: key.imagelength - row * tile_height, : key.imagewidth - column * tile_width]
                y1, x1 = max(top, 0), max(left, 0)
                y2, x2 = min(top + tile.shape[0], height), min(left + tile.shape[1], width)
                if y2 > y1 and x2 > x1:
                    part = tile[y1 - top : y2 - top, x1 - left : x2 - left]
                    if planes > 1:
                        found[y1:y2, x1:x2, plane] = part[..., 0]
                    else:
                        found[y1:y2, x1:x2] = part
    return found


def at_scale(slide: Slide, scale: tuple[float, float], x: float, y: float, width: int, height: int) -> Pixels:
    """Return pixels of a slide at another scale, made from the next finer level by averaging.

    Args:
        slide: The slide.
        scale: Pixels of level 0 that become one, along x and y; at least 1.
        x: Left edge in pixels of level 0.
        y: Top edge.
        width: Of the result, in its own pixels.
        height: The same.
    """
    full = slide.sizes[0]
    finer = [size for size in slide.sizes if full[0] / size[0] <= scale[0] * 1.001]
    level = slide.sizes.index(finer[-1]) if finer else 0
    down_x, down_y = full[0] / slide.sizes[level][0], full[1] / slide.sizes[level][1]
    left, top = x / down_x, y / down_y
    right, bottom = (x + width * scale[0]) / down_x, (y + height * scale[1]) / down_y
    x1, y1 = int(np.floor(left + 1e-6)), int(np.floor(top + 1e-6))
    read_width, read_height = max(round(right) - x1, 1), max(round(bottom) - y1, 1)
    pixels = slide.region(level, x1, y1, read_width, read_height)
    if (read_width, read_height) == (width, height):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def overview(slide: Slide, mpp: tuple[float, float], wanted_mpp: float) -> tuple[Pixels, float]:
    """Return (the whole slide, pixels of level 0 that one of its pixels stands for), read block by block.

    Args:
        slide: The slide.
        mpp: Micrometres per pixel of level 0.
        wanted_mpp: Of the result; coarser where the slide is so large that the result would be.
    """
    width, height = slide.sizes[0]
    scale = max(wanted_mpp / min(mpp), (width * height / _OVERVIEW_PIXELS) ** 0.5, 1.0)
    columns, rows = max(int(width / scale), 1), max(int(height / scale), 1)
    whole = np.empty((rows, columns, 3), np.uint8)
    step = max(int(_BLOCK_PX / scale), 1)
    for top in range(0, rows, step):
        for left in range(0, columns, step):
            size = (min(step, columns - left), min(step, rows - top))
            whole[top : top + size[1], left : left + size[0]] = at_scale(
                slide, (scale, scale), left * scale, top * scale, *size
            )
    return whole, scale


def tissue(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Return where an overview shows tissue: coloured and neither white nor the black of an unscanned border.

    The threshold of the colourfulness is Otsu's (https://doi.org/10.1109/TSMC.1979.4310076), held between 12 and 40 of
    255, as a slide that is all tissue or all glass has no two classes.
    """
    highest, lowest = pixels.max(axis=2), pixels.min(axis=2)
    smoothed = Image.fromarray(highest - lowest).filter(ImageFilter.GaussianBlur(1))
    colourful, counts = np.asarray(smoothed), np.array(smoothed.histogram())
    found = (colourful >= min(max(_otsu(counts), 12), 40)) & (highest > 40)
    return np.asarray(found, np.bool_)


def _otsu(counts: npt.NDArray[np.int64]) -> int:
    """Return the highest level of the lower class that leaves the most variance between the two classes."""
    levels = np.arange(len(counts))
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (sums[-1] * below / total - sums) ** 2 / (below * (total - below))
    return int(np.argmax(np.nan_to_num(between, posinf=0)))
