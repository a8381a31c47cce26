"""Raster images with masks in which each object has its own number, and its class in a map or a list beside it."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from gmai_formats.pictures.squares import to_square_labels
from pydantic import model_validator

from gmai_data.imaging.raster import load_index_mask
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.fits import fitted_mask
from gmai_data.sources.annotations.instance_masks import (
    classes_by_list,
    classes_by_map,
    numbered_objects,
    objects_of,
    whole_ids,
)
from gmai_data.sources.annotations.mask_files import items_with_masks, masks_known
from gmai_data.sources.card import Card
from gmai_data.sources.files.array_files import ARRAY_ENDINGS, open_array
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.pictures import load_picture
from gmai_data.sources.items import BoxCounter, Item, ItemImage
from gmai_data.sources.layout import Layout
from gmai_data.sources.names import patterns_of


class InstanceMask(Layout):
    """Raster images with a mask in which each object has its own number, which is one box, in however many parts.

    The mask is a picture (PNG, TIFF) or an array (`.npy`, `.npz`, `.mat`, `.h5`). Without `classes` every object is of
    the raw label `1`.
    """

    kind: Literal["instance_mask"]
    images: str | tuple[str, ...]
    """Pattern of the images, or several, as in `image_mask`."""
    masks: str
    """Path of the mask, with the captured parts of `images`, as in `image_mask`."""
    numbers: str = ""
    """Array of the mask's file that holds the numbers of the objects, such as `inst_map`."""
    classes: str | None = None
    """Array of the same file with the raw labels: a map of the picture's size (`type_map`), or a list of a raw label
    for each object (`inst_type`)."""
    listed: str | None = None
    """Array of the same file with the numbers of the objects in the list of classes (`id`); None: 1, 2, 3 …"""
    without_mask: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of an image without a mask: the quarantine, or counted as left out."""

    @model_validator(mode="after")
    def _masks_known(self) -> Self:
        masks_known(self.masks, patterns_of(self.images))
        if "{label}" in self.masks:
            raise ValueError("a mask of numbered objects is one file for all; `{label}` is for image_mask")
        return self

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per image; a mask that is missing is judged when the item is read."""
        rules = (self.masks, "uncertain", self.without_mask)
        yield from items_with_masks(card, root, patterns_of(self.images), *rules, what="images")

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the picture with one box per object.

        Raises:
            SourceError: A file is missing or unreadable, the sizes differ, or an object has no known class.
        """
        image_file, *mask_files = item.files
        if len(mask_files) != 1:
            raise SourceError("several masks", f"{len(mask_files)} masks of one picture; make the pattern narrower",
                              image_file)  # fmt: skip
        (file,) = mask_files
        raster = load_picture(root, image_file, card)
        numbers = self._array(root, file, self.numbers)
        counter = BoxCounter(card, ledger, file, (raster.pixels.shape[1], raster.pixels.shape[0]))
        shown, facts = fitted_mask(numbers, raster, card, root, image_file, file)
        squared = to_square_labels(shown, raster.spacing)
        if self.classes is None:
            counter.add(objects_of(squared, "instances", file))
        else:
            counter.add(numbered_objects(squared, self._classes(root, file, numbers, self.classes), file))
        yield ItemImage(
            PurePosixPath(image_file).name,
            raster.pixels,
            counter.labels,
            counter.boxes,
            counter.incomplete,
            raster.encoded,
            {"box_origin": "numbered objects", "mask": file, **raster.geometry, **facts},
        )

    def _array(self, root: Path, file: str, key: str) -> npt.NDArray[Any]:
        if file.lower().endswith(ARRAY_ENDINGS):
            return whole_ids(np.squeeze(np.asarray(open_array(root, file, key)[:])), file)
        return load_index_mask(root, file)

    def _classes(self, root: Path, file: str, numbers: npt.NDArray[Any], key: str) -> dict[int, str]:
        classes = np.asarray(open_array(root, file, key)[:])
        if classes.ndim == 2 and classes.shape == numbers.shape:
            return classes_by_map(numbers, classes, file)
        listed = None if self.listed is None else np.asarray(open_array(root, file, self.listed)[:])
        return classes_by_list(classes, listed, file)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return nothing: whether values are objects or classes, the card's writer knows."""
        del folder
        return None
