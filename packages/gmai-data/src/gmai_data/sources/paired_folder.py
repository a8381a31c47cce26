"""The draft of a card for pictures or volumes with masks: the patterns, the values of the masks, what is left open."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmai_data.imaging.raster import load_mask_channels
from gmai_data.ledger import SourceError
from gmai_data.sources.folder import Folder, Guess
from gmai_data.sources.mask_values import MaskValues, values_of_masks
from gmai_data.sources.pairing import Pairing, mask_files, pair
from gmai_data.sources.volume_files import VOLUME_ENDINGS, load_volumes

_FEW = 24
"""A picture or volume of no more whole values is a mask."""
_LOOKED_AT = 40


def paired_guess(folder: Folder, files: Sequence[Path], *, volumes: bool) -> Guess | None:
    """Return the draft for files of which some are masks, or None where no mask has a picture.

    Args:
        folder: The folder.
        files: Its pictures, or its volumes.
        volumes: Which of the two they are.
    """
    every = [folder.below(path) for path in files]
    masks = mask_files(every) or masks_by_values(folder.root, every)
    taken = set(masks)
    images = [file for file in every if file not in taken]
    found = pair(images, masks, classes=not volumes) if masks and images else None
    if found is None:
        return None
    image_key, mask_key = ("image", "mask") if volumes else ("images", "masks")
    values = {path: values_of_masks(folder.root, list(some)) for path, some in found.mask_files.items()}
    layout: dict[str, Any] = {
        "kind": "volume" if volumes else "image_mask",
        image_key: found.images,
        mask_key: "TODO"
        if found.masks is None
        else list(found.masks)
        if isinstance(found.masks, tuple)
        else found.masks,
    }
    chosen = next(iter(values.values()), None) if found.masks is not None else None
    if chosen is not None and not volumes and not found.structures and chosen.encoding != "index":
        layout["encoding"] = chosen.encoding
    paired = sum(map(len, found.mask_files.values()))
    if len(images) > paired > 0 and found.masks is not None and not found.other_images:
        layout["without_mask"] = "leave_out"
    raw = list(found.structures) or (chosen.raw_labels if chosen else ["1"])
    return Guess(
        "volumes with masks" if volumes else "images with masks",
        "3d_segmentation" if volumes else "2d_segmentation",
        layout,
        [*found.classes, *raw],
        notes=_notes(found, values, mask_key, image_key),
        splits={name: str(split) for name, split in found.splits.items()},
    )


def masks_by_values(root: Path, files: Sequence[str]) -> list[str]:
    """Return the files of folders whose first file holds a mask by its values, where other folders hold none."""
    by_place: dict[str, list[str]] = {}
    for file in files:
        by_place.setdefault(file.rpartition("/")[0], []).append(file)
    if not 1 < len(by_place) <= _LOOKED_AT:
        return []
    marked = {place: _is_mask(root, some[0]) for place, some in by_place.items()}
    if all(marked.values()):
        return []
    return [file for place, some in by_place.items() if marked[place] for file in some]


def _is_mask(root: Path, file: str) -> bool:
    try:
        if file.lower().endswith(VOLUME_ENDINGS):
            array = load_volumes(root, file, key="imgs", frames="first")[0][1].array
        else:
            array = load_mask_channels(root, file)
    except SourceError:
        return False
    found = np.unique(array)
    return len(found) <= _FEW and bool(np.all(found == np.rint(found)))


def _notes(found: Pairing, values: dict[str, MaskValues], mask_key: str, image_key: str) -> tuple[str, ...]:
    notes = [f"{path}: {said.in_words()}" for path, said in values.items()]
    if found.masks is None:
        notes.append(f"{mask_key}: several masks fit a picture: {' or '.join(found.candidates) or 'none by a pattern'}")
    if found.other_images:
        notes.append(f"{image_key}: each case has other pictures, too, such as {', '.join(found.other_images[:6])}")
    if found.classes:
        notes.append(f"The folders {', '.join(found.classes)} are taken for classes of the picture, {{class}}.")
    return tuple(notes)
