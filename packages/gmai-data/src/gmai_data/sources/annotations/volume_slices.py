"""A volume and its masks ▶ slices with boxes, each in every window of the card."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from gmai_formats.pictures.display import HeaderDisplay
from gmai_formats.pictures.squares import square_size, to_square_pixels
from gmai_formats.pictures.windows import (
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

from gmai_data.imaging.grids import (
    Axis,
    Volume,
    displays,
    pixel_spacing_mm,
    require_right_angles,
    require_same_grid,
    slice_count,
    slice_spacing_mm,
    take_slice,
)
from gmai_data.imaging.large import release
from gmai_data.imaging.slices import choose_slices, choose_unlabelled, planes_of, spread
from gmai_data.imaging.units import calibrated, is_in_hounsfield, require_hounsfield
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.sources.annotations.label_volumes import (
    Layer,
    with_parts,
)
from gmai_data.sources.card import Card
from gmai_data.sources.items import BoxCounter, Item, ItemImage, full_name, left_open
from gmai_data.vocabulary import Modality

_Way = tuple[str, ToGrey]
"""A window in words, and what turns stored values into grey."""
HEALTHY_SLICES = 8
"""Slices shown of a case without any labelled voxel, times the card's `slices.negatives`; at least one is shown."""


def slices_of_volume(
    image: Volume, layers: list[Layer], item: Item, card: Card, ledger: Ledger, *, frame: int | None = None
) -> Iterator[ItemImage]:
    """Yield the chosen slices of a volume with boxes from the masks, in the display convention.

    Without a mask the labels are those of the item, and those that the card gives to every image. Of a case whose mask
    is empty a few slices are shown, as negatives.

    Raises:
        SourceError: A mask lies on another grid, or has unknown labels.
        SetAside: The mask is empty, and the card does not say that everything was looked for.
    """
    image_file, *mask_files = item.files
    mask_file = next(iter((*item.masks, *mask_files, image_file)))
    for layer in layers:
        require_same_grid(image, layer.volume, file=mask_file)
    if card.boxes.per == "component_3d":
        layers = [with_parts(layer, card.boxes.min_mm3) for layer in layers]
    image = calibrated(image, card.values)
    of_every_image = () if layers else card.labels_of_every_image
    of_item = tuple(dict.fromkeys(full_name(card, raw, image_file) for raw in (*of_every_image, *item.raw_labels)))
    place = item.pattern or (mask_files if item.structures else mask_file)
    base: dict[str, Any] = {"box_origin": "mask", "mask": place} if layers else {}
    if frame is not None:
        base["frame"] = frame
    if image.flags:
        base["flags"] = list(image.flags)
    if image.facts:
        base["header"] = dict(image.facts)
    for axis in planes_of(image, card.slices):
        require_right_angles(image, axis, image_file)
        masks = [layer.volume for layer in layers]
        chosen = choose_slices(masks, card.slices, axis) if masks else choose_unlabelled(image, card.slices, axis)
        if not chosen and not card.exhaustive:
            raise SetAside("no voxel is labelled", image_file)
        if not chosen:  # nothing was found where everything was looked for: a healthy case
            everything = range(slice_count(image, axis))
            chosen = spread(everything, max(round(card.slices.negatives * HEALTHY_SLICES), 1))
        spacing_mm = pixel_spacing_mm(image, axis)
        # Of square pixels, and from slice to slice.
        distances_mm = [round(min(spacing_mm), 6), round(slice_spacing_mm(image, axis), 6)]
        greys = _greys(image, axis, card, image_file)
        for index in chosen:
            stored = np.ascontiguousarray(take_slice(image, axis, index))
            size_px = square_size(stored.shape[:2], spacing_mm)
            counter = BoxCounter(card, ledger, mask_file, size_px, min(spacing_mm))
            for layer in layers:
                whole = card.boxes.per == "class"
                found = layer.regions_of_slice(axis, index, spacing_mm, whole_labels=whole, seen=counter.masks)
                counter.add([(layer.raw(label), box, area_px) for label, box, area_px in found])
            if counter.has_ignored and not counter.labels:
                continue
            shown = [(short, *way) for short, of_slice in greys if (way := of_slice(index)) is not None]
            for short, window, grey in shown:
                name = "" if frame is None else f"frame{frame:04d}_"
                name += f"{axis}_{index:04d}" + (f"_{short}" if len(greys) > 1 else "")
                geometry = {**base, "axis": axis, "slice": index, "window": window, "spacing_mm": distances_mm}
                labels = tuple(dict.fromkeys((*of_item, *counter.labels)))
                pixels = to_square_pixels(grey(stored), spacing_mm)
                pixels = pixels if image.mirror is None else 255 - pixels
                open_ = left_open(card, (*item.uncertain, *counter.uncertain), labels, image_file)
                yield ItemImage(
                    name,
                    pixels,
                    labels,
                    counter.boxes,
                    counter.incomplete,
                    geometry=geometry,
                    uncertain=open_,
                    masks=tuple(counter.masks),
                )
            release(image.array)


def _greys(image: Volume, axis: Axis, card: Card, file: str) -> list[tuple[str, Callable[[int], _Way | None]]]:
    """Return (short name, function of a slice's index) for each window of the card.

    The function gives the window in words and what turns stored values into grey, or nothing where the header of that
    slice offers fewer windows than those of others.
    """
    default = PERCENTILE
    if card.modality == Modality.CT:
        default = "soft_tissue"
    elif card.modality == Modality.PET and image.suv_per_unit is not None:
        default = SUV
    greys: list[tuple[str, Callable[[int], _Way | None]]] = []

    def add(short: str, words: str, grey: ToGrey) -> None:
        greys.append((short, lambda _: (words, grey)))

    for window in card.windows or (default,):
        bounds = parse_window(window)
        if is_in_hounsfield(window, card.modality):
            require_hounsfield(image, card.values, file)
        if bounds is not None:
            add(window.replace("/", "-"), f"{window} {bounds[0]:g}/{bounds[1]:g}", window_function(*bounds))
        elif window in (HEADER, HEADER_ALL):
            ways = _of_headers(image, axis, file)
            count = max(each.count for each in ways) if window == HEADER_ALL else 1
            greys += [(f"{HEADER}{number}", functools.partial(_header_way, ways, number)) for number in range(count)]
        elif window == SUV:
            if image.suv_per_unit is None:
                raise SourceError("no SUV", "the header lacks units, weight, dose, times or corrections", file)
            high = SUV_MAX / image.suv_per_unit
            add(SUV, f"suv 0–{SUV_MAX:g}", window_function(high / 2, high))
        else:
            add(PERCENTILE, *_percentile(image, file))
    return greys


def _of_headers(image: Volume, axis: Axis, file: str) -> list[HeaderDisplay]:
    try:
        ways = displays(image, axis)
    except ValueError as problem:
        detail = f"{problem}, and {axis} pictures show several of them; name a window in the card"
        raise SourceError("several windows in one picture", detail, file) from problem
    if not all(way.count for way in ways):
        raise SourceError("no window in the header", "name a window in the card instead", file)
    return ways


def _header_way(ways: Sequence[HeaderDisplay], number: int, index: int) -> _Way | None:
    way = ways[index]
    return (way.words(number), lambda values: way.pixels(values, number)) if number < way.count else None


def _percentile(image: Volume, file: str) -> tuple[str, ToGrey]:
    step = max(image.array.size // 20_000_000, 1)
    part = dataclasses.replace(image, array=image.array[::step])
    if (mirror := image.mirror) is not None:  # percentiles know what is air, which is black in the twin only
        part = dataclasses.replace(part, array=mirror - part.array.astype(np.float32))
    try:
        if (image.slope, image.intercept) == (1.0, 0.0):
            low, high = percentile_bounds(part.array)
        else:
            low, high = percentile_bounds(part.array.astype(np.float32) * image.slope + image.intercept)
    except FlatIntensitiesError as error:
        raise SourceError("nothing to see in the volume", str(error), file) from error
    release(image.array)
    grey = bounds_function(low, high)
    if mirror is not None:
        return f"percentile {low:g}–{high:g}", lambda stored: 255 - grey(mirror - stored.astype(np.float32))
    return f"percentile {low:g}–{high:g}", grey
