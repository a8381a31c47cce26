"""Whole slides ▶ tiles of tissue at a stated scale, with the regions that pathologists drew."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from gmai_formats.files import is_file
from PIL import Image
from pydantic import Field

from gmai_data.imaging.deidentify import set_aside
from gmai_data.imaging.dicom_pixels import read_dicom
from gmai_data.imaging.raster import Raster
from gmai_data.imaging.source_files import is_dicom_file, require_data
from gmai_data.ledger import Ledger, SourceError
from gmai_data.seeded import hash_fraction
from gmai_data.sources.annotations.marked_picture import MarkedPicture
from gmai_data.sources.annotations.mask_files import items_with_masks, named_items
from gmai_data.sources.annotations.polygons import polygon_mask
from gmai_data.sources.annotations.region_files import LabelFrom, read_regions
from gmai_data.sources.annotations.shapes import outline_of
from gmai_data.sources.annotations.tools.marked import Shape
from gmai_data.sources.card import Card, JoinedColumn
from gmai_data.sources.drafting.table_guess import slides_labelled
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.slides import LEAST_MPP, MOST_MPP, Slide, at_scale, opened_slide, overview, tissue
from gmai_data.sources.items import Item, ItemImage, full_name
from gmai_data.sources.joined import column_by_key, key_of
from gmai_data.sources.layout import Layout
from gmai_data.sources.names import patterns_of
from gmai_data.untyped import dicom

SLIDE_ENDINGS = (".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".czi")
_OVERVIEW_MPP = 16.0
_FINER = 0.95
"""A slide may be so much coarser than the tiles: 0.2527 µm for 0.25."""
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
"""SOP class VL Whole Slide Microscopy Image Storage (PS3.4, B.5)."""


class Slides(Layout):
    """Whole slides (SVS, NDPI, pyramidal TIFF, OME-TIFF, MRXS, DICOM): tiles that show tissue, at a stated scale.

    It needs `pip install 'gmai-data[pathology]'`. The tests make pyramidal TIFF, SVS, OME-TIFF and DICOM; NDPI, MRXS
    and the other formats of scanners are left to OpenSlide and were not tried on files of theirs. A slide is never
    divided between splits, and of DICOM files the patient is the group. With regions, tiles that show one come first.
    """

    is_of_volumes: ClassVar[bool] = True
    kind: Literal["slides"]
    files: str | tuple[str, ...]
    """Pattern of the slides, or several, with captured parts as in `image_mask`; of DICOM, where a slide is a folder of
    files, the files of all levels."""
    regions: str | None = None
    """Path of the regions, with the captured parts of `files`, such as `annotations/{id}.xml`: XML of Aperio's
    ImageScope or of ASAP, or GeoJSON of QuPath. Coordinates are pixels of the finest level."""
    without_regions: Literal["refuse", "normal", "leave_out"] = "refuse"
    """What a slide without such a file is: refused, one in which nothing was found, or left out."""
    regions_as: Literal["boxes", "labels"] = "boxes"
    """Each part of a region in a tile is a box; or the tile as a whole has the label of a region that covers enough."""
    min_region: float = Field(default=0.5, gt=0, le=1)
    """labels: share of the tile that a region covers at least; where it covers less, the label is left open."""
    cut_out: tuple[str, ...] = ()
    """Raw labels of regions that are holes in all others (`_2` of Camelyon16)."""
    label_from: LabelFrom = "region"
    """Aperio: the region's text or, where it has none, the name of its layer; or always the layer. ASAP: the group or
    the annotation's name; or always the group."""
    label_table: JoinedColumn | None = None
    """Column of a table with the raw label of each slide, which all its tiles have."""
    mpp: float = Field(default=0.5, ge=LEAST_MPP, le=MOST_MPP)
    """Micrometres per pixel of the tiles: 0.5 is what is called 20×, 0.25 is 40×."""
    slide_mpp: float | None = Field(default=None, ge=LEAST_MPP, le=MOST_MPP)
    """Micrometres per pixel of the finest level, of slides whose files do not say it. None: such slides are refused."""
    tile_px: int = Field(default=512, ge=64, le=4096)
    """Side of a tile."""
    min_tissue: float = Field(default=0.5, ge=0, le=1)
    """Share of a tile that is tissue at least, where no region lies in it."""
    max_tiles: int = Field(default=200, ge=1)
    """Most tiles taken of one slide, chosen by the hash of their places."""
    negatives: float = Field(default=1.0, ge=0)
    """Tiles without a region, as a share of those with one; of a slide without any, up to `max_tiles`."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per slide."""
        patterns = patterns_of(self.files)
        items = named_items(card, root, patterns, what="slides")
        if self.regions is not None:
            without = "leave_out" if self.without_regions == "leave_out" else "refuse"
            items = items_with_masks(card, root, patterns, self.regions, "uncertain", without, what="slides")
        labels = column_by_key(self.label_table, card, root) if self.label_table else None
        series: set[tuple[str, str]] = set()
        for item in items:
            changes: dict[str, Any] = {}
            if self.without_regions == "normal":
                changes["files"] = (item.files[0], *(file for file in item.files[1:] if is_file(root / file)))
            if _is_dicom(root / item.files[0]):
                uid = _series_of(root / item.files[0])
                place = (str(PurePosixPath(item.files[0]).parent), uid or item.files[0])
                if uid == "" or place in series:
                    continue  # a label or overview image, or another level of a slide
                series.add(place)
            if labels is not None and self.label_table is not None:
                key = key_of(item.key, self.label_table.of, labels)
                changes["raw_labels"] = () if key is None or not labels[key] else (labels[key],)
                if not changes["raw_labels"] and item.problem is None:
                    changes["problem"] = ("row without a label", f"{self.label_table.table} has no label of it")
            yield _replaced(item, changes)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the chosen tiles, one at a time.

        Raises:
            SourceError: Slide or regions are unreadable, the scale is not known or too coarse, or a label is unknown.
            SetAside: A DICOM file that must be held back.
        """
        file = item.files[0]
        if _is_dicom(root / file):
            set_aside(read_dicom(root, file), card.deidentification, file)
        regions = _Regions(self, item, card, root, ledger)
        with opened_slide(root, file) as slide:
            mpp = self._mpp_of(slide, file)
            scale = (self.mpp / mpp[0], self.mpp / mpp[1])
            if min(scale) < _FINER:
                found = f"{max(mpp):g} µm per pixel, but tiles are of {self.mpp:g}; set a coarser `mpp` in the layout"
                raise SourceError("slide coarser than its tiles", found, file)
            scale = (max(scale[0], 1.0), max(scale[1], 1.0))
            tiles, candidates = self._tiles(slide, mpp, scale, regions, file)
            for tile in tiles:
                side = self.tile_px
                pixels = at_scale(slide, scale, tile.x, tile.y, side, side)
                facts = {"x": tile.x, "y": tile.y, "mpp": self.mpp, "slide_mpp": [round(each, 6) for each in mpp],
                         "tissue": round(tile.tissue, 3), "tiles_of_slide": candidates}  # fmt: skip
                picture = MarkedPicture(
                    card, ledger, root, file, regions.file or file, None, Raster(pixels, None, facts)
                )
                for raw in (*card.labels_of_every_image, *item.raw_labels):
                    picture.add_label(raw)
                unclear = regions.mark(picture, tile, scale)
                name = f"{PurePosixPath(file).name}_x{tile.x}_y{tile.y}"
                yield picture.picture("regions", unclear, name=name)

    def _mpp_of(self, slide: Slide, file: str) -> tuple[float, float]:
        mpp = slide.mpp
        if mpp is not None and min(mpp) >= LEAST_MPP and max(mpp) <= MOST_MPP:
            return mpp
        if self.slide_mpp is not None:
            return self.slide_mpp, self.slide_mpp
        found = (
            "the file states none"
            if mpp is None
            else f"the file states {mpp[0]:g} µm per pixel, which is no microscope's"
        )
        detail = f"{found}; state it as `slide_mpp` in the layout"
        raise SourceError("slide without a scale", detail, file)

    def _tiles(
        self, slide: Slide, mpp: tuple[float, float], scale: tuple[float, float], regions: "_Regions", file: str
    ) -> tuple[list["_Tile"], int]:
        """Return (the chosen tiles, how many there were to choose from)."""
        width, height = slide.sizes[0]
        side_x, side_y = self.tile_px * scale[0], self.tile_px * scale[1]
        columns, rows = int(width / side_x + 1e-6), int(height / side_y + 1e-6)
        if columns == 0 or rows == 0:
            found = f"{width}×{height} px, a tile takes {round(side_x)}×{round(side_y)}"
            raise SourceError("slide smaller than a tile", f"{found}; set a smaller `tile_px` or a finer `mpp`", file)
        small, down = overview(slide, mpp, _OVERVIEW_MPP)
        shares = _Shares(tissue(small))
        touched = _Shares(regions.mask(small.shape[:2], down))
        with_region: list[_Tile] = []
        without: list[_Tile] = []
        for row in range(rows):
            for column in range(columns):
                x, y = round(column * side_x), round(row * side_y)
                place = (x / down, y / down, (x + side_x) / down, (y + side_y) / down)
                tile = _Tile(x, y, shares.of(*place))
                if touched.of(*place) > 0:
                    with_region.append(tile)
                elif tile.tissue >= self.min_tissue and tile.tissue > 0:
                    without.append(tile)
        if not with_region and not without:
            raise SourceError("no tissue found", f"no tile has {self.min_tissue:.0%} of tissue", file)
        for tiles in (with_region, without):
            tiles.sort(key=lambda tile: hash_fraction("tile", file, f"{tile.x},{tile.y}"))
        chosen = with_region[: self.max_tiles]
        more = round(self.negatives * len(chosen)) if chosen else self.max_tiles
        chosen += without[: min(more, self.max_tiles - len(chosen))]
        return sorted(chosen, key=lambda tile: (tile.y, tile.x)), len(with_region) + len(without)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where there are slides by their endings."""
        of_many = [path for path in folder.with_ending(".ome.tif", ".ome.tiff") if _is_large(path)]
        slides = sorted([*folder.with_ending(*SLIDE_ENDINGS), *of_many])
        if not slides:
            return None
        # A name may have dots: TCGA-A1-A0SB-01Z-00-DX1.B34C267B-CAAA-4AB6-AD5C-276C26F997A1.svs.
        ends = {slide.name[slide.name.index(".") :] for slide in slides}
        endings = sorted(ends if len(ends) == 1 else {slide.suffix.lower() for slide in slides})
        files = [f"**/{{id}}{ending}" for ending in endings]
        layout: dict[str, Any] = {"kind": "slides", "files": files[0] if len(files) == 1 else files}
        drawn = next(
            (path for path in folder.with_ending(".xml", ".geojson") if path.stem.startswith(slides[0].stem)), None
        )
        if drawn is not None:
            layout["regions"] = folder.below(drawn.parent / f"{{id}}{drawn.suffix}")
            return Guess("whole slides with regions", "2d_detection", layout)
        labelled = slides_labelled(folder, slides)
        if labelled is None:
            return Guess("whole slides", "2d_detection", layout)
        table, labels, notes = labelled
        words = "whole slides with a table of labels"
        return Guess(words, "2d_classification", {**layout, "label_table": table}, labels, notes=notes)


_LEAST_PIXELS = 4096 * 4096


def _is_large(path: Path) -> bool:
    """Return whether an OME-TIFF is larger than a picture of a microscope's camera, by its header."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # only the header is read
            with Image.open(path) as image:
                return image.width * image.height >= _LEAST_PIXELS
    except Exception:  # Pillow reads no kind of it, as of many whole slides
        return path.stat().st_size >= _LEAST_PIXELS


@dataclass(frozen=True)
class _Tile:
    x: int
    """Left edge in pixels of level 0."""
    y: int
    tissue: float
    """Share of it that is tissue."""


class _Shares:
    """Shares of rectangles that a mask covers, from one table of sums."""

    def __init__(self, mask: npt.NDArray[np.bool_]) -> None:
        self._sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
        self._sums[1:, 1:] = mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)

    def of(self, left: float, top: float, right: float, bottom: float) -> float:
        """Return the share of the pixels that a rectangle touches."""
        rows, columns = self._sums.shape[0] - 1, self._sums.shape[1] - 1
        x1, y1 = min(int(left), columns - 1), min(int(top), rows - 1)
        x2, y2 = max(min(int(np.ceil(right)), columns), x1 + 1), max(min(int(np.ceil(bottom)), rows), y1 + 1)
        marked = self._sums[y2, x2] - self._sums[y1, x2] - self._sums[y2, x1] + self._sums[y1, x1]
        return float(marked) / ((x2 - x1) * (y2 - y1))


class _Regions:
    """The regions of one slide, as outlines in pixels of its finest level."""

    def __init__(self, layout: Slides, item: Item, card: Card, root: Path, ledger: Ledger) -> None:
        self._layout, self._card = layout, card
        self.file = item.files[1] if layout.regions is not None and len(item.files) > 1 else ""
        self._open: dict[str, None] = {}
        self._shapes: list[tuple[str, list[npt.NDArray[np.float64]]]] = []
        self._holes: list[list[npt.NDArray[np.float64]]] = []
        if not self.file:
            return
        if len(item.files) > 2:
            raise SourceError("several files of regions", f"{len(item.files) - 1} of one slide", item.files[0])
        shapes, holes = read_regions(require_data(root, self.file), self.file, layout.label_from)
        for number, shape in enumerate((*shapes, *holes), start=1):
            is_hole = number > len(shapes) or shape.label in layout.cut_out
            if not is_hole:
                full_name(card, shape.label, self.file)
            outlines = _outlines(shape)
            if outlines is None:
                self._refuse(shape, number, ledger)
            elif is_hole:
                self._holes.append(outlines)
            else:
                self._shapes.append((shape.label, outlines))

    def _refuse(self, shape: Shape, number: int, ledger: Ledger) -> None:
        """Put a region without an area into the quarantine once; its label is open in every tile."""
        what = f"region {number} ({shape.label}) is a {shape.name or 'polygon'}"
        detail = f"{what}: {shape.problem}" if shape.problem else f"{what} without an area"
        ledger.quarantine_box(SourceError("shape without an area", detail, self.file))
        if shape.label in self._card.labels:
            self._open[shape.label] = None

    def mask(self, shape: tuple[int, ...], down: float) -> npt.NDArray[np.bool_]:
        """Return which pixels of an overview a region touches; a region within one pixel marks that."""
        rows, columns = shape[0], shape[1]
        found = np.zeros((rows, columns), np.bool_)
        for _, outlines in self._shapes:
            outline = outlines[0] / down
            x1, y1 = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 1, 0)
            x2, y2 = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 1, (columns, rows))
            if x2 <= x1 or y2 <= y1:
                continue
            part = polygon_mask(outline - (x1, y1), (y2 - y1, x2 - x1)).astype(np.bool_)
            found[y1:y2, x1:x2] |= part
            corners = np.floor(outline).astype(int)
            inside = ((corners >= 0) & (corners < (columns, rows))).all(axis=1)
            found[corners[inside, 1], corners[inside, 0]] = True
        return found

    def mark(self, picture: MarkedPicture, tile: _Tile, scale: tuple[float, float]) -> tuple[str, ...]:
        """Add the regions in a tile to its picture, and return the raw labels that are left open."""
        side = self._layout.tile_px
        unclear = dict(self._open)
        cut = np.zeros((side, side), np.uint8)
        for outlines in self._holes:
            cut |= _in_tile(outlines, tile, scale, side)
        covered: dict[str, npt.NDArray[np.uint8]] = {}
        for raw, outlines in self._shapes:
            mask = _in_tile(outlines, tile, scale, side) & (1 - cut)
            if not mask.any():
                continue
            if self._layout.regions_as == "boxes":
                picture.add_mask(raw, mask)
            else:
                covered[raw] = covered.get(raw, np.zeros_like(mask)) | mask
        for raw, mask in covered.items():
            if mask.mean() >= self._layout.min_region:
                picture.add_label(raw)
            else:
                unclear[raw] = None
        return tuple(unclear)


def _outlines(shape: Shape) -> list[npt.NDArray[np.float64]] | None:
    """Return the outline of a region and of its holes, or None where it has no area."""
    if shape.kind not in ("polygon", "box", "ellipse"):
        return None
    outlines = [outline_of(shape), *(np.asarray(hole, np.float64).reshape(-1, 2) for hole in shape.holes)]
    if any(len(outline) < 3 or not np.isfinite(outline).all() for outline in outlines):
        return None
    return outlines


def _in_tile(
    outlines: Sequence[npt.NDArray[np.float64]], tile: _Tile, scale: tuple[float, float], side: int
) -> npt.NDArray[np.uint8]:
    nothing = np.zeros((side, side), np.uint8)
    moved = [(outline - (tile.x, tile.y)) / scale for outline in outlines]
    if (moved[0].max(axis=0) <= 0).any() or (moved[0].min(axis=0) >= side).any():
        return nothing
    mask = polygon_mask(moved[0], (side, side))
    for hole in moved[1:]:
        mask &= 1 - polygon_mask(hole, (side, side))
    return mask


def _replaced(item: Item, changes: Mapping[str, Any]) -> Item:
    return item._replace(**changes) if changes else item


def _is_dicom(path: Path) -> bool:
    return not path.name.lower().endswith((*SLIDE_ENDINGS, ".tif", ".tiff")) and is_dicom_file(path)


def _series_of(path: Path) -> str:
    """Return the series of a slide's file, nothing for one that is no level of a slide."""
    try:
        header = dicom.dcmread(
            path, stop_before_pixels=True, specific_tags=["SOPClassUID", "SeriesInstanceUID", "ImageType"]
        )
    except Exception:  # judged when it is read, where the reason is recorded
        return path.name
    kinds = [str(part) for part in header.get("ImageType", [])]
    if str(header.get("SOPClassUID", "")) != _WHOLE_SLIDE or (
        len(kinds) > 2 and kinds[2] not in ("VOLUME", "THUMBNAIL")
    ):
        return ""
    return str(header.get("SeriesInstanceUID", "")) or path.name
