"""Volumes ▶ slices with boxes: volume files, nnU-Net folders and DICOM series, each with the masks it can have."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from gmai_formats.errors import UserError

from gmai_data.imaging.dicom_seg import load_segmentation
from gmai_data.imaging.dicom_series import load_series
from gmai_data.imaging.grids import (
    Volume,
    pixel_spacing_mm,
    require_same_grid,
    square_size,
    take_slice,
    to_square_pixels,
)
from gmai_data.imaging.large import release
from gmai_data.imaging.slices import choose_slices, choose_unlabelled
from gmai_data.imaging.source_files import below, matching, patient_digest, relative_to, require_data
from gmai_data.imaging.windows import (
    HEADER,
    HEADER_ALL,
    PERCENTILE,
    SUV,
    SUV_MAX,
    FlatIntensitiesError,
    ToGrey,
    bounds_function,
    parse_window,
    percentile_bounds,
    window_function,
)
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.items import BoxCounter, Item, Picture, full_name, left_open
from gmai_data.sources.label_volumes import (
    Layer,
    item_of_structures,
    layers_of_structures,
    structure_files,
    whole_numbers,
    with_parts,
)
from gmai_data.sources.layouts import DicomSeries, NnUnet, VolumeMask
from gmai_data.sources.recipe import Recipe
from gmai_data.sources.volume_files import VOLUME_ENDINGS, load_channel, load_volumes, volume_stem
from gmai_data.vocabulary import Modality


class VolumeReader:
    """A volume file and a mask per case; the mask may be one file per structure."""

    settings = VolumeMask

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield one item per image volume."""
        layout = cast(VolumeMask, recipe.layout)
        for path in matching(root, layout.image, recipe=recipe.name, what="volumes"):
            file = relative_to(root, path)
            if layout.mask is None:
                yield Item(file, (file,))
                continue
            mask = layout.mask.replace("{stem}", volume_stem(path.name))
            mask = mask.replace("{parent}", relative_to(root, path.parent)).replace("{folder}", path.parent.name)
            if "{label}" in mask:
                yield item_of_structures(root, recipe, file, mask, layout.missing)
            else:
                yield Item(file, (file, mask))

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        layout = cast(VolumeMask, recipe.layout)
        images = load_volumes(root, item.files[0], key=layout.image_key, frames=layout.frames)
        masks: dict[int | None, list[Layer]] = {}
        if item.pattern:
            structures = [
                (raw, load_volumes(root, file, key=layout.mask_key, frames="none")[0][1], file)
                for raw, file in structure_files(root, item.pattern, list(recipe.labels))
            ]
            if not structures:
                raise SourceError("file missing", f"no file matches {item.pattern} for any label", item.files[0])
            masks[None] = layers_of_structures(structures, images[0][1])
        for file in () if item.pattern else item.files[1:]:
            for number, mask in load_volumes(root, file, key=layout.mask_key, frames=layout.frames):
                masks[number] = [Layer(whole_numbers(mask, file))]
        for number, image in images:
            layers = masks.get(number, masks.get(None, []))
            if masks and not layers:
                raise SourceError("frame without a mask", f"frame {number}; the mask has other frames", item.files[0])
            yield from slices_of_volume(image, layers, item, recipe, ledger, frame=number)


class NnUnetReader:
    """`imagesTr/CASE_0000.nii.gz` (or `imagesTr/CASE.nii.gz`), `labelsTr/CASE.nii.gz`, `dataset.json`."""

    settings = NnUnet

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield one item per mask.

        Raises:
            UserError: `dataset.json` names labels that the card does not.
        """
        layout = cast(NnUnet, recipe.layout)
        _require_known_labels(recipe, root / "dataset.json")
        for path in matching(root, f"{layout.labels}/*", recipe=recipe.name, what="masks"):
            if path.name.startswith(".") or not path.name.lower().endswith(VOLUME_ENDINGS):
                continue  # the Decathlon's archives hold macOS resource forks `._name.nii.gz`
            case, ending = volume_stem(path.name), path.name[len(volume_stem(path.name)) :]
            channel_file = f"{layout.images}/{case}_{layout.channel:04d}{ending}"
            image = channel_file if (root / channel_file).is_file() else f"{layout.images}/{path.name}"
            yield Item(case, (image, relative_to(root, path)))

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        layout = cast(NnUnet, recipe.layout)
        image_file, mask_file = item.files
        own_file = image_file.endswith(tuple(f"_{layout.channel:04d}{ending}" for ending in VOLUME_ENDINGS))
        image = load_channel(root, image_file, 0 if own_file else layout.channel)
        ((_, mask),) = load_volumes(root, mask_file, key="gts", frames="none")
        yield from slices_of_volume(image, [Layer(whole_numbers(mask, mask_file))], item, recipe, ledger)


class DicomSeriesReader:
    """A folder of DICOM slices and a NIfTI mask or DICOM SEG per case."""

    settings = DicomSeries

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield one item per series folder; its group is a digest of the header's patient."""
        layout = cast(DicomSeries, recipe.layout)
        for path in matching(root, layout.series, recipe=recipe.name, what="series folders", folders=True):
            folder = relative_to(root, path)
            group = patient_digest(next((file for file in sorted(path.iterdir()) if file.is_file()), path))
            if layout.mask is None:
                yield Item(folder, (folder,), group)
                continue
            mask = layout.mask.replace("{name}", path.name).replace("{parent}", relative_to(root, path.parent))
            found = sorted(root.glob(mask)) if re.search(r"[*?\[]", mask) else []
            yield Item(folder, (folder, relative_to(root, found[0]) if len(found) == 1 else mask), group)

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        image = load_series(root, item.files[0], recipe.deidentification)
        layers: list[Layer] = []
        for file in item.files[1:]:
            if file.lower().endswith((".dcm", ".dicom")):
                found = load_segmentation(root, file, image)
                layers = layers_of_structures([(raw, volume, file) for raw, volume in found], image)
            else:
                require_data(root, file)
                ((_, mask),) = load_volumes(root, file, key="gts", frames="none")
                layers = [Layer(whole_numbers(mask, file))]
        yield from slices_of_volume(image, layers, item, recipe, ledger)


def slices_of_volume(
    image: Volume, layers: list[Layer], item: Item, recipe: Recipe, ledger: Ledger, *, frame: int | None = None
) -> Iterator[Picture]:
    """Yield the chosen slices of a volume with boxes from the masks, in the display convention.

    Without a mask the labels are those that the card gives to every image.

    Raises:
        SourceError: A mask lies on another grid, is empty, or has unknown labels.
    """
    image_file, *mask_files = item.files
    mask_file = mask_files[0] if mask_files else image_file
    for layer in layers:
        require_same_grid(image, layer.volume, file=mask_file)
    if recipe.boxes.per == "component_3d":
        layers = [with_parts(layer, recipe.boxes.min_mm3) for layer in layers]
    greys = _greys(image, recipe, image_file)
    card_labels = tuple(full_name(recipe, raw, image_file) for raw in recipe.labels_of_every_image)
    base: dict[str, Any] = {"box_origin": "mask", "mask": item.pattern or mask_file} if layers else {}
    if frame is not None:
        base["frame"] = frame
    if image.flags:
        base["flags"] = list(image.flags)
    if image.facts:
        base["header"] = dict(image.facts)
    for axis in recipe.slices.axes:
        masks = [layer.volume for layer in layers]
        chosen = choose_slices(masks, recipe.slices, axis) if masks else choose_unlabelled(image, recipe.slices, axis)
        if not chosen:
            raise SourceError("empty mask", "no voxel is labelled, so no slice is chosen", mask_file)
        spacing_mm = pixel_spacing_mm(image, axis)
        for index in chosen:
            stored = np.ascontiguousarray(take_slice(image, axis, index))
            size_px = square_size(stored.shape[:2], spacing_mm)
            counter = BoxCounter(recipe, ledger, mask_file, size_px, min(spacing_mm))
            for layer in layers:
                found = layer.regions_of_slice(axis, index, spacing_mm, whole_labels=recipe.boxes.per == "class")
                counter.add([(layer.raw(label), box, area_px) for label, box, area_px in found])
            for short, window, grey in greys:
                name = "" if frame is None else f"frame{frame:04d}_"
                name += f"{axis}_{index:04d}" + (f"_{short}" if len(greys) > 1 else "")
                geometry = {**base, "axis": axis, "slice": index, "window": window}
                labels = counter.labels if layers else card_labels
                pixels = to_square_pixels(grey(stored), spacing_mm)
                open_ = left_open(recipe, item.uncertain, labels, image_file)
                yield Picture(
                    name, pixels, labels, counter.boxes, counter.incomplete, geometry=geometry, uncertain=open_
                )
            release(image.array)


def _greys(image: Volume, recipe: Recipe, file: str) -> list[tuple[str, str, ToGrey]]:
    """Return (short name, window in words, function from stored values to grey) for each window of the recipe."""
    default = PERCENTILE
    if recipe.modality == Modality.CT:
        default = "soft_tissue"
    elif recipe.modality == Modality.PET and image.suv_per_unit is not None:
        default = SUV
    greys: list[tuple[str, str, ToGrey]] = []
    for window in recipe.windows or (default,):
        bounds = parse_window(window)
        if bounds is not None:
            short = window.replace("/", "-")
            greys.append((short, f"{window} {bounds[0]:g}/{bounds[1]:g}", window_function(*bounds)))
        elif window in (HEADER, HEADER_ALL):
            if not image.windows:
                raise SourceError("no window in the header", "name a window in the card instead", file)
            offered = image.windows if window == HEADER_ALL else image.windows[:1]
            greys.extend(
                (f"{HEADER}{number}", f"{HEADER} {level:g}/{width:g}", window_function(level, width))
                for number, (level, width) in enumerate(offered)
            )
        elif window == SUV:
            if image.suv_per_unit is None:
                raise SourceError("no SUV", "the header lacks units, weight, dose, times or corrections", file)
            high = SUV_MAX / image.suv_per_unit
            greys.append((SUV, f"suv 0–{SUV_MAX:g}", window_function(high / 2, high)))
        else:
            greys.append((PERCENTILE, *_percentile(image, file)))
    return greys


def _percentile(image: Volume, file: str) -> tuple[str, ToGrey]:
    step = max(image.array.size // 20_000_000, 1)
    part = dataclasses.replace(image, array=image.array[::step])
    try:
        if (image.slope, image.intercept) == (1.0, 0.0):
            low, high = percentile_bounds(part.array)
        else:
            low, high = percentile_bounds(part.array.astype(np.float32) * image.slope + image.intercept)
    except FlatIntensitiesError as error:
        raise SourceError("nothing to see in the volume", str(error), file) from error
    release(image.array)
    return f"percentile {low:g}–{high:g}", bounds_function(low, high)


def _require_known_labels(recipe: Recipe, path: Path) -> None:
    below(path.parent, path.name, recipe=recipe.name)
    if not path.is_file():
        return  # masks and card are enough to go on; the file only describes them
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        labels: dict[str, Any] = document["labels"]
        # The Decathlon writes {"1": "liver"}; nnU-Net v2 writes {"liver": 1}, or [1, 2] for regions.
        ids = {str(key) if str(key).isdigit() else value for key, value in labels.items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        if "unhashable" not in str(error):
            raise UserError(f"{path}: not a dataset.json of nnU-Net or the Decathlon: {error!r}. Fix it.") from error
        return  # regions of several ids each; the masks themselves are checked label by label
    missing = sorted({str(label) for label in ids} - {"0", *recipe.labels, *recipe.background})
    if missing:
        raise UserError(
            f"{path}: has the label(s) {', '.join(missing)}, which recipe {recipe.name} does not name. "
            "Add them to `labels` or to `background` of a copy of the card."
        )
