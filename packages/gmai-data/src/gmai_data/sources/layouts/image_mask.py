"""Raster images with masks: index, binary or colour, or one binary file per structure."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.raster import load_index_mask, load_mask_channels
from gmai_data.imaging.source_files import below, matching, relative_to
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.folder import Folder, Guess, is_mask_name
from gmai_data.sources.items import BoxCounter, Item, Picture, boxes_of_mask, left_open
from gmai_data.sources.label_volumes import item_of_structures, structure_files
from gmai_data.sources.layout import Layout
from gmai_data.sources.pictures import load_picture


class ImageMask(Layout):
    """Raster images with masks."""

    kind: Literal["image_mask"]
    images: str
    """Pattern of the images, such as `images/*.png`."""
    masks: str
    """Path of the mask; with `{label}` one file per structure."""
    missing: Literal["uncertain", "absent"] = "uncertain"
    """What a structure is whose file is missing: nobody may have drawn it, or it is known not to be there."""
    encoding: Literal["index", "binary", "colour"] = "index"
    """index: values (or palette entries) are raw labels; binary: values of half the range and above are raw label `1`;
    colour: colours are raw labels, written `#rrggbb`. Structure files are always binary."""
    inverted: bool = False
    """Binary masks in which the structure is dark."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per image; the mask is looked for when the item is read."""
        below(root, self.masks, recipe=card.name)
        for path in matching(root, self.images, recipe=card.name, what="images"):
            file = relative_to(root, path)
            mask = self.masks.replace("{stem}", path.stem).replace("{parent}", relative_to(root, path.parent))
            if "{label}" in mask:
                yield item_of_structures(root, card, file, mask, self.missing)
            else:
                yield Item(file, (file, mask))

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the picture with one box per connected region of its mask.

        Raises:
            SourceError: A file is missing or unreadable, the sizes differ, or a label is unknown.
        """
        image_file = item.files[0]
        raster = load_picture(root, image_file, card)
        shape = raster.pixels.shape[:2]
        if item.pattern:
            found = structure_files(root, item.pattern, list(card.labels))
            counters: list[BoxCounter] = []
            for raw, file in found:
                mask = _require_size(_binary(root, file, inverted=self.inverted), shape, file)
                counters.append(boxes_of_mask(mask, card, ledger, file, {1: raw}))
            geometry = {"box_origin": "mask", "mask": item.pattern, **raster.geometry}
        else:
            file = item.files[1]
            mask, names = _decoded(root, file, self)
            counters = [boxes_of_mask(_require_size(mask, shape, file), card, ledger, file, names)]
            geometry = {"box_origin": "mask", "mask": file, **raster.geometry}
        labels = tuple(dict.fromkeys(label for counter in counters for label in counter.labels))
        yield Picture(
            PurePosixPath(image_file).name,
            raster.pixels,
            labels,
            tuple(box for counter in counters for box in counter.boxes),
            tuple(sorted({label for counter in counters for label in counter.incomplete})),
            raster.encoded,
            geometry,
            uncertain=left_open(card, item.uncertain, labels, image_file),
        )

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where an image and a mask share their name."""
        masks = [path for path in folder.images if is_mask_name(folder.below(path))]
        others = {path.stem: path for path in folder.images if path not in set(masks)}
        for mask in masks:
            # `x.png` belongs to `x.jpg`, and `x_mask.png`, too.
            beginnings = (mask.stem[:length] for length in range(len(mask.stem), 0, -1))
            image = next((others[stem] for stem in beginnings if stem in others), None)
            if image is not None:
                layout = {
                    "kind": "image_mask",
                    "images": folder.below(image.parent / f"*{image.suffix}"),
                    "masks": folder.below(mask.parent / f"{{stem}}{mask.stem[len(image.stem) :]}{mask.suffix}"),
                }
                return Guess("images with masks", "2d_segmentation", layout, ["1"])
        return None


def _decoded(root: Path, file: str, layout: ImageMask) -> tuple[npt.NDArray[Any], dict[int, str] | None]:
    """Return (label map, id ▶ raw label where the ids are not the raw labels)."""
    if layout.encoding == "index":
        return load_index_mask(root, file), None
    if layout.encoding == "binary":
        return _binary(root, file, inverted=layout.inverted), {1: "1"}
    channels = load_mask_channels(root, file)
    if channels.ndim == 2:
        channels = np.repeat(channels[..., None], 3, axis=2)
    codes = (channels[..., :3].astype(np.int32) << np.array([16, 8, 0])).sum(axis=2)
    colours = np.unique(codes)
    if len(colours) > 256:
        detail = f"{len(colours)} colours; a colour mask has a few (JPEG blurs them: get the masks as PNG)"
        raise SourceError("mask is not a label mask", detail, file)
    black_is_nothing = np.concatenate([[0], colours[colours != 0]])
    ids = np.searchsorted(black_is_nothing, codes).astype(np.int32)
    return ids, {number: f"#{int(code):06x}" for number, code in enumerate(black_is_nothing)}


def _binary(root: Path, file: str, *, inverted: bool) -> npt.NDArray[np.uint8]:
    channels = load_mask_channels(root, file)
    values = channels if channels.ndim == 2 else channels[..., :3].max(axis=2)
    # Files of 0 and 1 and files of 0 and 255 are both common; JPEG masks have values in between.
    highest = int(values.max())
    marked = values >= (max(highest, 1) if highest <= 1 else 128)
    return (~marked if inverted else marked).astype(np.uint8)


def _require_size(mask: npt.NDArray[Any], shape: tuple[int, ...], file: str) -> npt.NDArray[Any]:
    if mask.shape != shape:
        found = f"image {shape[1]}×{shape[0]}, mask {mask.shape[1]}×{mask.shape[0]}"
        raise SourceError("image and mask sizes differ", f"{found}; they must be equal", file)
    return mask
