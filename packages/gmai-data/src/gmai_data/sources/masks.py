"""Raster images with index masks: one picture and one mask per item."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import cast

from gmai_data.imaging.raster import load_index_mask, load_raster
from gmai_data.sources.files import matching, relative_to
from gmai_data.sources.items import Item, Picture, boxes_of_mask
from gmai_data.sources.layouts import ImageMask
from gmai_data.sources.problems import Ledger, SourceError
from gmai_data.sources.recipe import Recipe


class ImageMaskReader:
    """`images/<stem>.jpg` with `masks/<stem>.png`."""

    settings = ImageMask

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield one item per image; the mask is looked for when the item is read."""
        layout = cast(ImageMask, recipe.layout)
        for path in matching(root, layout.images, recipe=recipe.name, what="images"):
            file = relative_to(root, path)
            yield Item(file, (file, layout.masks.replace("{stem}", path.stem)))

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the picture with one box per connected region of its mask.

        Raises:
            SourceError: A file is missing or unreadable, the sizes differ, or a label id is unknown.
        """
        image_file, mask_file = item.files
        raster = load_raster(root, image_file)
        mask = load_index_mask(root, mask_file)
        if mask.shape != raster.pixels.shape[:2]:
            found = f"image {raster.pixels.shape[1]}×{raster.pixels.shape[0]}, mask {mask.shape[1]}×{mask.shape[0]}"
            raise SourceError("image and mask sizes differ", f"{found}; they must be equal", mask_file)
        labels, boxes, incomplete = boxes_of_mask(mask, recipe, ledger, mask_file)
        name = PurePosixPath(image_file).name
        geometry = {"box_origin": "mask", "mask": mask_file}
        yield Picture(name, raster.pixels, labels, boxes, incomplete, raster.encoded, geometry)
