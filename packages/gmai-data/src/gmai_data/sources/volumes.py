"""Volumes with a label mask: NIfTI images, or DICOM series whose mask is NIfTI in any orientation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.dicom_series import load_series
from gmai_data.imaging.grids import (
    Volume,
    pixel_spacing_mm,
    require_same_grid,
    take_slice,
    to_display,
    to_square_pixels,
)
from gmai_data.imaging.slices import choose_slices
from gmai_data.imaging.windows import (
    PERCENTILE,
    PRESETS,
    FlatIntensitiesError,
    Grey,
    apply_bounds,
    apply_window,
    percentile_bounds,
)
from gmai_data.sources.files import matching, relative_to, require_data
from gmai_data.sources.items import Item, Picture, boxes_of_mask
from gmai_data.sources.layouts import DicomSeries, NiftiVolume
from gmai_data.sources.problems import Ledger, SourceError
from gmai_data.sources.recipe import Recipe
from gmai_data.untyped import nifti
from gmai_data.vocabulary import Modality


class NiftiVolumeReader:
    """A NIfTI volume and a NIfTI mask per case."""

    settings = NiftiVolume

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield one item per image volume."""
        layout = cast(NiftiVolume, recipe.layout)
        for path in matching(root, layout.image, recipe=recipe.name, what="volumes"):
            file = relative_to(root, path)
            stem = path.name.removesuffix(".gz").removesuffix(".nii")
            parent = relative_to(root, path.parent)
            mask = layout.mask.replace("{stem}", stem).replace("{parent}", parent)
            yield Item(file, (file, mask))

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        image = load_nifti(root, item.files[0])
        yield from slices_of_volume(image, item, recipe, root, ledger)


class DicomSeriesReader:
    """A folder of DICOM slices and a NIfTI mask per case."""

    settings = DicomSeries

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield one item per series folder."""
        layout = cast(DicomSeries, recipe.layout)
        for path in matching(root, layout.series, recipe=recipe.name, what="series folders", folders=True):
            folder = relative_to(root, path)
            parent = relative_to(root, path.parent)
            yield Item(folder, (folder, layout.mask.replace("{name}", path.name).replace("{parent}", parent)))

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        image = load_series(root, item.files[0])
        yield from slices_of_volume(image, item, recipe, root, ledger)


def load_nifti(root: Path, relative: str) -> Volume:
    """Read a NIfTI volume into the display convention, scaled by its header's slope.

    Raises:
        SourceError: Missing, unreadable, truncated or not 3-D.
    """
    path = require_data(root, relative)
    try:
        image = nifti.load(path)
        array: npt.NDArray[Any] = np.asanyarray(image.dataobj)
        affine = np.asarray(image.affine, dtype=np.float64)
    except Exception as error:  # damaged headers and streams raise many kinds
        detail = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise SourceError("NIfTI unreadable", f"{detail}; download it again", relative) from error
    if array.dtype.kind not in "biuf":
        raise SourceError("not a grey volume", f"its voxels are of type {array.dtype}", relative)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]  # a fourth axis of length 1 is common and says nothing
    return to_display(array, affine, file=relative)


def slices_of_volume(image: Volume, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
    """Yield the chosen slices of a volume with boxes from the mask, in the display convention.

    Raises:
        SourceError: The mask is unreadable, on another grid, empty, not of whole numbers, or has unknown labels.
    """
    mask_file = item.files[1]
    mask = _whole_numbers(load_nifti(root, mask_file), mask_file)
    require_same_grid(image, mask, file=mask_file)
    axis = recipe.slices.axis
    chosen = choose_slices(mask, recipe.slices)
    if not chosen:
        raise SourceError("empty mask", "no voxel is labelled, so no slice is chosen", mask_file)
    spacing_mm = pixel_spacing_mm(image, axis)
    greys = _greys(image.array, recipe, item.files[0])
    for index in chosen:
        stored = take_slice(image, axis, index)
        labels_px = to_square_pixels(take_slice(mask, axis, index), spacing_mm, is_mask=True)
        labels, boxes, incomplete = boxes_of_mask(labels_px, recipe, ledger, mask_file)
        for window, grey in greys:
            pixels = to_square_pixels(np.ascontiguousarray(grey(stored)), spacing_mm)
            geometry = {"box_origin": "mask", "mask": mask_file, "axis": axis, "slice": index, "window": window}
            name = f"{axis}_{index:04d}" + (f"_{window.split()[0]}" if len(greys) > 1 else "")
            yield Picture(name, pixels, labels, boxes, incomplete, geometry=geometry)


def _whole_numbers(mask: Volume, file: str) -> Volume:
    array: npt.NDArray[Any] = mask.array
    if np.issubdtype(array.dtype, np.integer):
        return mask
    rounded = np.rint(array)
    if not np.array_equal(rounded, array):
        raise SourceError("mask is not a label mask", "it has fractions; resample it with nearest neighbour", file)
    return Volume(rounded.astype(np.int64), mask.affine, mask.spacing_mm)


def _greys(array: npt.NDArray[Any], recipe: Recipe, file: str) -> list[tuple[str, Any]]:
    """Return (window in words, function from stored values to grey) for each window of the recipe."""
    windows = recipe.windows or ("soft_tissue" if recipe.modality == Modality.CT else PERCENTILE,)
    greys: list[tuple[str, Any]] = []
    for window in windows:
        if window in PRESETS:
            level, width = PRESETS[window]
            greys.append((f"{window} {level:g}/{width:g}", _window(level, width)))
        else:
            try:
                low, high = percentile_bounds(array)
            except FlatIntensitiesError as error:
                raise SourceError("nothing to see in the volume", str(error), file) from error
            greys.append((f"percentile {low:g}–{high:g}", _bounds(low, high)))
    return greys


def _window(level: float, width: float) -> Any:
    def grey(values: npt.NDArray[Any]) -> Grey:
        return apply_window(values, level, width)

    return grey


def _bounds(low: float, high: float) -> Any:
    def grey(values: npt.NDArray[Any]) -> Grey:
        return apply_bounds(values, low, high)

    return grey
