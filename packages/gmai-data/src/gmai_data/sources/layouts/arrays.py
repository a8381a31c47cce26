"""Files that hold many images as one array, and their labels or masks."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from gmai_formats.pictures.picture import MAX_PIXELS
from gmai_formats.pictures.raster import to_8_bit
from gmai_formats.pictures.windows import ChooseWindow
from pydantic import model_validator

from gmai_data.imaging.dicom_pixels import about
from gmai_data.imaging.source_files import below, matching
from gmai_data.imaging.units import raster_window
from gmai_data.ledger import Ledger, SourceError, printable
from gmai_data.sources.annotations.instance_masks import MaskForm, objects_of
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.array_files import arrays_guess
from gmai_data.sources.files.array_files import ARRAY_ENDINGS, array_names, count_images, open_array, read_text
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.items import BoxCounter, Item, ItemImage, full_name, left_open
from gmai_data.sources.layout import SPLIT_NAMES, Layout


class Arrays(Layout):
    """Images in arrays (`.npz` as MedMNIST's, `.npy`, HDF5, MATLAB), with labels or masks in others.

    The first axis counts the images, unless each file is `single`. Arrays of objects are refused: they would run code.
    An array in a group, or in a struct of MATLAB, is called `group/array`.
    """

    kind: Literal["arrays"]
    files: str
    """Pattern of the files."""
    images: str = "{split}_images"
    """Name of the array of images; `{split}` stands for each name of `split.names`. Unused for `.npy`."""
    labels: str | None = "{split}_labels"
    """Name of the array of labels (numbers, or one-hot rows), or, where it lies in a second file, the path of that with
    `{stem}` or `{parent}`, and behind a `:` the array's name: `{stem}_y.h5:y`. For `.npy` always a path. None: labels
    are those of the masks, and the card's `labels_of_every_image`."""
    single: bool = False
    """Each file holds one image: its arrays have no axis that counts."""
    group: str | None = None
    """Name of the array that names the patient of a `single` file: a number or a text, such as `cjdata/PID`."""
    masks: str | None = None
    """Name of the array of masks, or the path of a second file, as for `labels`."""
    mask_form: MaskForm = "classes"
    """classes: values are raw labels; instances: each value is one object of raw label `1`; one_hot: a channel per raw
    label `0`, `1`, `2` …; instances_per_class: such channels with numbered objects (PanNuke); instances_and_classes:
    two channels, the number of the object and its raw label (CoNIC)."""
    cut: tuple[str, str] = ("", "")
    """A part of the files' paths that `{stem}` and `{parent}` have otherwise, as `[_x, _y]` for `train_x.h5` with
    `train_y.h5`, or `[images, masks]` for `images/fold1/images.npy` with `masks/fold1/masks.npy`."""

    @model_validator(mode="after")
    def _group_of_one(self) -> Self:
        if self.group is not None and not self.single:
            raise ValueError("`group` names the patient of a file of one image; set `single: true`, or leave it out")
        return self

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per image of each array; a damaged file is one item, whose reading says what is wrong."""
        names = card.split.names or SPLIT_NAMES
        for file in map(printable, matching(root, self.files, recipe=card.name, what="array files")):
            others = [place for place in (self._place(part, file) for part in (self.labels, self.masks)) if place]
            for other in others:
                below(root, other, recipe=card.name)
            files = (file, *dict.fromkeys(others))
            if self.single:
                try:
                    group = "" if self.group is None else read_text(root, file, self.group)
                except SourceError as error:
                    yield Item(file, files, problem=(error.rule, error.detail))
                    continue
                yield Item(file, files, group=group)
                continue
            try:
                parts = [("", "")]
                if not file.lower().endswith(".npy"):
                    inside = array_names(root, file)
                    wanted = [(name, self.images.replace("{split}", name)) for name in names]
                    parts = [(name, key) for name, key in wanted if key in inside and "{split}" in self.images]
                    parts = parts or [("", self.images)]
            except SourceError:
                yield Item(file, files)
                continue
            for name, key in parts:
                above = f"{file}/{name}" if name else file
                try:
                    count = count_images(root, file, key)
                except SourceError:
                    yield Item(above, files, split=names.get(name), part=name)
                    continue
                for position in range(count):
                    yield Item(f"{above}/{position:07d}", files, split=names.get(name), position=position, part=name)

    def _place(self, part: str | None, file: str) -> str | None:
        """Return the second file that a setting names, or None where it names an array of the first."""
        if part is None:
            return None
        place, colon, _ = part.rpartition(":")
        place = place if colon else part
        if not file.lower().endswith(".npy") and not place.lower().endswith(ARRAY_ENDINGS):
            return None
        path = PurePosixPath(file.replace(*self.cut) if self.cut[0] else file)
        return place.replace("{stem}", path.stem).replace("{parent}", path.parent.as_posix()).removeprefix("./")

    def _array(self, part: str, item: Item, root: Path) -> npt.NDArray[Any]:
        place = self._place(part, item.files[0])
        key = part.rpartition(":")[2] if place and ":" in part else part
        found = open_array(root, place or item.files[0], key.replace("{split}", item.part), scalar=self.single)
        return found[:][None] if self.single else found

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the one picture of the item.

        Raises:
            SourceError: The file is damaged, no image, a label is unknown, or a mask has another size or form.
        """
        file = item.files[0]
        images = open_array(root, file, self.images.replace("{split}", item.part), images=True)
        images = images[:][None] if self.single else images
        height, width = images.shape[1:3] if images.ndim > 2 else (0, 0)
        if height * width > MAX_PIXELS:
            raise SourceError("image too large", f"{width}×{height}; cut it into tiles first", file)
        raw, unclear = list(card.labels_of_every_image), list[str]()
        if self.labels is not None:
            labels = self._array(self.labels, item, root)
            if len(labels) != len(images):
                raise SourceError("images and labels differ", f"{len(images)} images, {len(labels)} labels", file)
            raw, unclear = _raw_labels(np.asarray(labels[item.position]), file)
        window = raster_window(card.windows, card.modality, card.values, file)
        pixels, shown = _pixels(np.asarray(images[item.position]), window, file)
        geometry: dict[str, Any] = {"position": item.position, **({"window": shown} if shown else {})}
        counter = BoxCounter(card, ledger, file, (pixels.shape[1], pixels.shape[0]))
        if self.masks is not None:
            counter.add(self._objects(self.masks, item, card, root, pixels.shape[:2], len(images)))
            geometry["box_origin"] = "mask"
        named = tuple(dict.fromkeys((*(full_name(card, each, file) for each in raw), *counter.labels)))
        uncertain = left_open(card, (*unclear, *counter.uncertain), named, file)
        name = PurePosixPath(item.key).name
        yield ItemImage(name, pixels, named, counter.boxes, counter.incomplete, geometry=geometry, uncertain=uncertain)

    def _objects(
        self, part: str, item: Item, card: Card, root: Path, shape: tuple[int, ...], count: int
    ) -> list[tuple[str, tuple[int, int, int, int], int]]:
        file = item.files[0]
        masks = self._array(part, item, root)
        if len(masks) != count:
            raise SourceError("images and masks differ", f"{count} images, {len(masks)} masks", file)
        mask = np.asarray(masks[item.position])
        if mask.ndim == 3 and mask.shape[:2] != shape and mask.shape[1:] == shape:
            mask = np.moveaxis(mask, 0, 2)
        if mask.shape[:2] != shape:
            detail = f"image {shape[1]}×{shape[0]}, mask {'×'.join(map(str, mask.shape))}; they must be equal"
            raise SourceError("image and mask sizes differ", detail, file)
        return objects_of(mask, self.mask_form, file, whole_labels=card.boxes.per == "class")

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where there are files of arrays, and no pictures or volumes that they may belong to."""
        return arrays_guess(folder)


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
