"""Masks of a volume as layers: one label map, or as few as it takes to hold structures that overlap."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gmai_formats.pictures.squares import to_square_labels

from gmai_data.imaging.binary_masks import marked_voxels
from gmai_data.imaging.boxes import Region, regions
from gmai_data.imaging.extents import extents
from gmai_data.imaging.grids import Axis, Volume, on_grid_of, require_same_grid, take_slice
from gmai_data.imaging.large import IN_MEMORY_BYTES, allocate, release
from gmai_data.ledger import SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.files.volume_files import load_segments
from gmai_data.sources.items import SMALL_PART
from gmai_data.untyped import cc3d

ROUNDING = 1e-3
"""Label ids that a resampling stored as 0.99999994 are whole."""


@dataclass(frozen=True)
class Layer:
    """A label map on the image's grid.

    `names` gives the raw label of each id; without it the id itself is the raw label. `parts` numbers the regions that
    are connected in the volume, and `labels_of_parts` gives the label id of each (index 0 is background); `small_parts`
    are there, but too small in space for a box.
    """

    volume: Volume
    names: Mapping[int, str] | None = None
    parts: Volume | None = None
    labels_of_parts: tuple[int, ...] = field(default=())
    small_parts: frozenset[int] = frozenset()

    def raw(self, label_id: int) -> str:
        """Return the raw label of an id."""
        return str(label_id) if self.names is None else self.names[label_id]

    def regions_of_slice(
        self,
        axis: Axis,
        index: int,
        spacing_mm: tuple[float, float],
        *,
        whole_labels: bool,
        seen: list[npt.NDArray[Any]] | None = None,
    ) -> list[Region]:
        """Return the regions of a slice in the picture's pixels; in a layer with parts, one per part.

        A part that is too small in space has the area `SMALL_PART`. `seen` takes the mask that was looked at.
        """
        shown = self.volume if self.parts is None else self.parts
        picture = to_square_labels(take_slice(shown, axis, index), spacing_mm)
        found = regions(picture, whole_labels=whole_labels or self.parts is not None)
        if seen is not None:
            seen.append(picture)
        release(shown.array)
        if self.parts is None:
            return found
        return [
            (self.labels_of_parts[part], box, SMALL_PART if part in self.small_parts else area_px)
            for part, box, area_px in found
        ]


def whole_numbers(mask: Volume, file: str) -> Volume:
    """Return a mask whose values are whole numbers.

    Raises:
        SourceError: It has fractions.
    """
    plain = (mask.slope, mask.intercept) == (1.0, 0.0)
    if plain and np.issubdtype(mask.array.dtype, np.integer):
        return mask
    rounded = allocate(mask.array.shape, np.int32)
    for index in range(mask.array.shape[0]):
        values = take_slice(mask, "axial", index)
        rounded[index] = np.rint(values)
        if not np.allclose(rounded[index], values, rtol=0, atol=ROUNDING):
            raise SourceError("mask is not a label mask", "it has fractions; resample it with nearest neighbour", file)
        release(mask.array)
        release(rounded)
    return Volume(rounded, mask.affine, mask.spacing_mm)


def layers_of_structures(structures: Iterable[tuple[str, Volume, str]], image: Volume) -> list[Layer]:
    """Put (raw label, binary volume, file) into as few label maps as the overlaps allow.

    Raises:
        SourceError: A structure lies on another grid than the image, or has more than two values.
    """
    arrays: list[npt.NDArray[Any]] = []
    names: dict[int, str] = {}
    for position, (raw, volume, file) in enumerate(structures, start=1):
        names[position] = raw
        require_same_grid(image, volume, file=file)
        marked = marked_voxels(volume.array, file)
        (extent,) = extents(marked.view(np.uint8)) or (None,)
        if extent is None:
            continue
        crop = marked[extent]
        array = next((array for array in arrays if not np.any(array[extent][crop])), None)
        if array is None:
            array = allocate(image.array.shape, np.uint16)
            array[...] = 0
            arrays.append(array)
        array[extent][crop] = position
    if not arrays:
        arrays.append(np.zeros(image.array.shape, np.uint8))
    return [Layer(Volume(array, image.affine, image.spacing_mm), names) for array in arrays]


def layers_of_segments(root: Path, file: str, image: Volume, card: Card) -> tuple[list[Layer], tuple[str, ...]] | None:
    """Return the layers of a 3D Slicer segmentation and the raw labels that it has no segment of; None if it is none.

    A segment is known by its name where the card has one of the names, as a raw label or a full name; else by its
    number, which another case may give to another structure.

    Raises:
        SourceError: The file is unreadable, or lies on another grid.
    """
    segments = load_segments(root, file)
    if segments is None:
        return None
    known = {label.en: raw for raw, label in card.labels.items()} | {raw: raw for raw in card.labels}
    by_name = any(name in known for name, _, _ in segments)
    raws = [known.get(name, name) if by_name else str(number) for name, number, _ in segments]
    structures = (
        (raw, on_grid_of(image, mask, file=file), file)
        for raw, (_, _, mask) in zip(raws, segments, strict=True)
        if raw not in card.background and mask.array.size > 1  # one voxel stands for "nothing is marked"
    )
    layers = layers_of_structures(structures, image)
    return layers, card.labels_beside(raws)


def with_parts(layer: Layer, min_mm3: float) -> Layer:
    """Number the regions of each label that are connected in the volume (26 neighbours), and note the small ones.

    A volume above `IN_MEMORY_BYTES` is refused, since every region must be seen as a whole.

    Raises:
        SourceError: The volume is too large.
    """
    array = layer.volume.array
    if array.size * 4 > 4 * IN_MEMORY_BYTES:
        raise SourceError("volume too large for regions in 3-D", f"shape {array.shape}; use boxes.per: component", "")
    ids = [int(label) for label in np.unique(array) if label != 0]
    compact = np.searchsorted(np.array([0, *ids]), array).astype(np.int32)
    parts = np.zeros(array.shape, np.int32)
    labels = [0]
    small: set[int] = set()
    voxel_mm3 = float(np.prod(layer.volume.spacing_mm))
    for position, extent in enumerate(extents(compact), start=1):
        marked = compact[extent] == position
        numbered, count = cc3d.connected_components(marked, connectivity=26, return_N=True, binary_image=True)
        sizes = np.bincount(numbered.ravel(), minlength=count + 1)
        small.update(len(labels) + number for number in range(count) if sizes[number + 1] * voxel_mm3 < min_mm3)
        parts[extent][marked] = numbered[marked] + (len(labels) - 1)
        labels.extend([ids[position - 1]] * count)
    numbered_parts = Volume(parts, layer.volume.affine, layer.volume.spacing_mm)
    return Layer(layer.volume, layer.names, numbered_parts, tuple(labels), frozenset(small))
