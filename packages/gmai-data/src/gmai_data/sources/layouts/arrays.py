"""`.npz` and `.npy` files that hold many images and their labels."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from gmai_formats.pictures.raster import to_8_bit
from gmai_formats.pictures.windows import ChooseWindow

from gmai_data.imaging.dicom_pixels import about
from gmai_data.imaging.source_files import below, matching, relative_to
from gmai_data.imaging.units import raster_window
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.array_files import array_names, open_array
from gmai_data.sources.card import Card
from gmai_data.sources.folder import Folder, Guess
from gmai_data.sources.items import Item, Picture, full_name, left_open
from gmai_data.sources.layout import SPLIT_NAMES, Layout


class Arrays(Layout):
    """Many images in one `.npz` (MedMNIST) or `.npy` file, with their labels beside them."""

    kind: Literal["arrays"]
    files: str
    """Pattern of the files."""
    images: str = "{split}_images"
    """Name of the array of images; `{split}` stands for each name of `split.names`. Unused for `.npy`."""
    labels: str = "{split}_labels"
    """Name of the array of labels (numbers, or one-hot rows); for `.npy` the path of a second file (`{stem}`)."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per image of each array; a damaged file is one item, whose reading says what is wrong."""
        names = card.split.names or SPLIT_NAMES
        for path in matching(root, self.files, recipe=card.name, what="array files"):
            file = relative_to(root, path)
            try:
                if path.suffix.lower() == ".npz":
                    inside = array_names(root, file)
                    wanted = [(name, self.images.replace("{split}", name)) for name in names]
                    parts = [(name, key) for name, key in wanted if key in inside] or [("", self.images)]
                    files = (file,)
                else:
                    parts = [("", "")]
                    labels = self.labels.replace("{stem}", path.stem)
                    below(root, labels, recipe=card.name)
                    files = (file, labels)
            except SourceError:
                yield Item(file, (file,))
                continue
            for name, key in parts:
                above = f"{file}/{name}" if name else file
                try:
                    count = len(open_array(root, file, key))
                except SourceError:
                    yield Item(above, files, split=names.get(name), part=name)
                    continue
                for position in range(count):
                    yield Item(f"{above}/{position:07d}", files, split=names.get(name), position=position, part=name)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the one picture of the item.

        Raises:
            SourceError: The file is damaged, no image, or a label is unknown.
        """
        del ledger  # whole-image labels have no boxes
        file, name = item.files[0], item.part
        images = open_array(root, file, self.images.replace("{split}", name))
        if len(item.files) > 1:
            labels = open_array(root, item.files[1], "")
        else:
            labels = open_array(root, file, self.labels.replace("{split}", name))
        if len(labels) != len(images):
            raise SourceError("images and labels differ", f"{len(images)} images, {len(labels)} labels", file)
        raw, unclear = _raw_labels(np.asarray(labels[item.position]), file)
        named = tuple(dict.fromkeys(full_name(card, each, file) for each in raw))
        uncertain = left_open(card, unclear, named, file)
        window = raster_window(card.windows, card.modality, card.values, file)
        pixels, shown = _pixels(np.asarray(images[item.position]), window, file)
        name = PurePosixPath(item.key).name
        geometry = {"position": item.position, **({"window": shown} if shown else {})}
        yield Picture(name, pixels, named, geometry=geometry, uncertain=uncertain)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where there is an archive of arrays."""
        archives = folder.with_ending(".npz")
        if not archives:
            return None
        layout = {"kind": "arrays", "files": folder.below(archives[0])}
        return Guess("npz arrays (MedMNIST's names)", "2d_classification", layout)


def _raw_labels(value: npt.NDArray[Any], file: str) -> tuple[list[str], list[str]]:
    """Return (labels that hold, labels left open) of a number, or of a one-hot row with -1 or NaN for open."""
    flat = value.reshape(-1).astype(np.float64)
    if flat.size == 1:
        if flat[0] % 1 != 0:
            raise SourceError("label unreadable", f"{flat[0]} is no whole number; correct the array", file)
        return [str(int(flat[0]))], []
    unclear = np.isnan(flat) | (flat == -1)
    if not np.isin(flat[~unclear], (0, 1)).all():
        raise SourceError("label unreadable", "a one-hot row holds 0, 1 and, where it is open, -1 or NaN", file)
    return [str(each) for each in np.flatnonzero(flat == 1)], [str(each) for each in np.flatnonzero(unclear)]


def _pixels(value: npt.NDArray[Any], window: ChooseWindow | None, file: str) -> tuple[npt.NDArray[np.uint8], str]:
    """Return an image in 8 bits, and the window in words where there is one."""
    if value.ndim == 3 and value.shape[0] in (1, 3) and value.shape[2] not in (1, 3):
        value = np.moveaxis(value, 0, 2)
    if value.ndim == 3 and value.shape[2] == 1:
        value = value[..., 0]
    if value.ndim not in (2, 3) or (value.ndim == 3 and value.shape[2] != 3):
        raise SourceError("not an image", f"shape {value.shape}; grey or RGB is expected", file)
    if window is None and value.dtype == np.uint8:
        return value, ""
    if window is None and value.dtype.kind == "f" and value.min() >= 0 and value.max() <= 1:
        return np.clip(value * 255.0, 0, 255).astype(np.uint8), ""  # a share of white
    with about(file):
        return to_8_bit(value, window)
