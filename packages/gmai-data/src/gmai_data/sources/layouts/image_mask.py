"""Raster images with masks: index, binary or colour, or one binary file per structure."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from gmai_formats.pictures.squares import to_square_labels
from pydantic import model_validator

from gmai_data.imaging.binary_masks import marked_pixels
from gmai_data.imaging.fringes import fringe_values, nearest_labels
from gmai_data.imaging.raster import load_index_mask, load_mask_channels, load_numbered_mask
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.fits import facts_of_masks, fitted_mask
from gmai_data.sources.annotations.mask_files import items_with_masks, masks_known
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.paired_folder import paired_guess
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.pictures import load_picture
from gmai_data.sources.items import NOT_IN_THE_MAP, BoxCounter, Item, ItemImage, boxes_of_mask, full_name, left_open
from gmai_data.sources.layout import Layout
from gmai_data.sources.names import patterns_of


class ImageMask(Layout):
    """Raster images with masks."""

    kind: Literal["image_mask"]
    images: str | tuple[str, ...]
    """Pattern of the images, or several, such as `images/*.png`. `{name}` captures a part of a path,
    `{name:REGEX}` what an expression allows: `img{id}.png` goes with `label{id}.png`. `{patient}` is the group,
    `{class}` a raw label of the picture, `{split}` the publisher's split."""
    masks: str | tuple[str, ...] | dict[str, str]
    """Path of the mask, or a pattern of all masks of an image, such as `masks/{stem}_*.png`; several paths, each of
    which may have masks; or raw label ▶ path, as `{label}` in a path also says: files per structure. Beside what
    `images` captures, `{stem}` is the name without ending, `{parent}` the path of its folder, `{folder}` the folder's
    name, `{tree}` the path of the folder below the fixed part of `images` (for masks in a tree beside it), `{match}`
    what the last `*` in the name of `images` stands for."""
    missing: Literal["uncertain", "absent"] = "uncertain"
    """What a structure is whose file is missing: nobody may have drawn it, or it is known not to be there."""
    without_mask: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of an image without any mask: the quarantine, or counted as left out, where the publisher gives
    masks for a part of the images only."""
    encoding: Literal["index", "binary", "colour", "instances"] = "index"
    """index: values (or palette entries) are raw labels; binary: the higher of two values, whatever they are, is raw
    label `1`; colour: colours are raw labels, written `#rrggbb`; instances: every value, or colour, but 0 is an object
    of raw label `1`. Structure files are binary. Alpha never marks."""
    inverted: bool = False
    """Binary masks in which the structure is dark."""

    fringes: Literal["refuse", "nearest"] = "refuse"
    """What becomes of index and colour masks that smoothing or JPEG gave values on the edges of what was drawn: they
    are refused, or each such pixel takes the label of the nearest that the card names; what is thinner than three
    pixels is then left open."""

    @model_validator(mode="after")
    def _fringes_of_labels(self) -> Self:
        if self.fringes == "nearest" and self.encoding not in ("index", "colour"):
            raise ValueError(
                f"fringes: nearest is for masks of `index` or `colour`; {self.encoding} has no named values"
            )
        return self

    @model_validator(mode="after")
    def _masks_known(self) -> Self:
        masks_known(self.masks, patterns_of(self.images))
        return self

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per image; a mask that is missing is judged when the item is read."""
        rules = (self.masks, self.missing, self.without_mask)
        yield from items_with_masks(card, root, patterns_of(self.images), *rules, what="images")

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the picture with one box per connected region of each of its masks.

        Raises:
            SourceError: A file is missing or unreadable, the sizes differ, or a label is unknown.
        """
        image_file, *mask_files = item.files
        raster = load_picture(root, image_file, card)
        structures = [""] * len(mask_files) if item.structures is None else item.structures
        named = list(zip(structures, mask_files, strict=True))
        counters: list[BoxCounter] = []
        unsure: list[str] = []
        facts: dict[str, Mapping[str, Any]] = {}
        for raw, file in named:
            decoded, named_ids, doubted = self._decoded(root, file, raw, card)
            mask, names = _with_zero(decoded, named_ids, card)
            unsure += doubted
            shown, facts[file] = fitted_mask(mask, raster, card, root, image_file, file)
            squared = to_square_labels(shown, raster.spacing)
            try:
                counters.append(boxes_of_mask(squared, card, ledger, file, names))
            except SourceError as problem:
                if problem.rule != NOT_IN_THE_MAP or not (fringes := fringe_values(decoded)).size:
                    raise
                found = [str(value) if names is None else names[value] for value in fringes[:4].tolist()]
                raise SourceError(
                    _FRINGES, f"{len(fringes)} values ({', '.join(found)} …) {_ON_EDGES}", file
                ) from problem
        place = item.pattern or (mask_files[0] if len(mask_files) == 1 else mask_files)
        of_class = [full_name(card, raw, image_file) for raw in item.raw_labels]
        labels = tuple(dict.fromkeys((*of_class, *(label for counter in counters for label in counter.labels))))
        unseen = unsure + [raw for counter in counters for raw in counter.uncertain]
        yield ItemImage(
            PurePosixPath(image_file).name,
            raster.pixels,
            labels,
            tuple(box for counter in counters for box in counter.boxes),
            tuple(sorted({label for counter in counters for label in counter.incomplete})),
            raster.encoded,
            {"box_origin": "mask", "mask": place, **raster.geometry, **facts_of_masks(facts)},
            uncertain=left_open(card, (*item.uncertain, *unseen), labels, image_file),
            masks=tuple(mask for counter in counters for mask in counter.masks),
        )

    def _decoded(
        self, root: Path, file: str, structure: str, card: Card
    ) -> tuple[npt.NDArray[Any], dict[int, str] | None, list[str]]:
        """Return (label map, id ▶ raw label where the ids are not the raw labels, raw labels that are left open)."""
        if structure or self.encoding == "binary":
            mask = load_mask_channels(root, file)
            return marked_pixels(mask, file, inverted=self.inverted), {1: structure or "1"}, []
        if self.fringes == "nearest" and not structure:
            return self._nearest(root, file, card)
        if self.encoding == "index":
            return load_index_mask(root, file), None, []
        if self.encoding == "instances":
            numbered = load_numbered_mask(root, file)
            return numbered, {int(number): "1" for number in np.unique(numbered) if number}, []
        return *_of_colours(load_mask_channels(root, file), file), []

    def _nearest(self, root: Path, file: str, card: Card) -> tuple[npt.NDArray[Any], dict[int, str], list[str]]:
        """Return what `_decoded` does, of a mask whose values are near those that the card names."""
        if self.encoding == "index":
            zero, mask = "0", load_index_mask(root, file)[..., None]
        else:
            zero, mask = "#000000", _rgb(load_mask_channels(root, file), file)
        raws = list(
            dict.fromkeys((zero, *(raw for raw in (*card.labels, *card.background, *card.ignore) if raw != "0")))
        )
        known = [_channels_of(raw) for raw in raws]
        if None in known:
            raise SourceError("mask has unknown values", f'"{raws[known.index(None)]}" of the card is no value', file)
        numbers, doubted = nearest_labels(mask, [value for value in known if value is not None], file)
        return numbers, dict(enumerate(raws)), [raws[number] for number in doubted if raws[number] in card.labels]

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where an image and a mask share their name."""
        return paired_guess(folder, folder.images, volumes=False) if folder.images else None


def _with_zero(
    mask: npt.NDArray[Any], names: dict[int, str] | None, card: Card
) -> tuple[npt.NDArray[Any], dict[int, str] | None]:
    """Return a label map with each id raised by one where the card gives 0 (or black) a label and no background."""
    zero = "0" if names is None else names.get(0)
    if zero not in card.labels or zero in card.background:
        return mask, names
    known = {int(number): str(number) for number in np.unique(mask)} if names is None else names
    return mask.astype(np.int32) + 1, {number + 1: raw for number, raw in known.items()}


_FRINGES = "mask with fringes"
_ON_EDGES = (
    "lie on edges only, as smoothing or JPEG leaves them; get the masks as they were drawn, or set `fringes: nearest`"
)


def _channels_of(raw: str) -> tuple[int, ...] | None:
    """Return the channels of a raw label, or None where it is no value of a mask."""
    if re.fullmatch(r"#[0-9a-f]{6}", raw):
        return tuple(bytes.fromhex(raw[1:]))
    return (int(raw),) if re.fullmatch(r"\d+", raw) else None


def _rgb(channels: npt.NDArray[Any], file: str) -> npt.NDArray[np.uint8]:
    if channels.dtype != np.uint8:
        raise SourceError("mask is not a label mask", f"{channels.dtype}; colours have 8 bits a channel", file)
    if channels.ndim == 2 or channels.shape[2] < 3:
        grey = channels if channels.ndim == 2 else channels[..., 0]
        channels = np.repeat(grey[..., None], 3, axis=2)
    return channels[..., :3]


def _of_colours(channels: npt.NDArray[Any], file: str) -> tuple[npt.NDArray[Any], dict[int, str]]:
    codes = (_rgb(channels, file).astype(np.int32) << np.array([16, 8, 0])).sum(axis=2)
    colours = np.unique(codes)
    if len(colours) > 256:
        detail = (
            f"{len(colours)} colours; a colour mask has a few (JPEG blurs them: get the masks as PNG, or set "
            "`fringes: nearest`)"
        )
        raise SourceError("mask is not a label mask", detail, file)
    black_is_nothing = np.concatenate([[0], colours[colours != 0]])
    ids = np.searchsorted(black_is_nothing, codes).astype(np.int32)
    return ids, {number: f"#{int(code):06x}" for number, code in enumerate(black_is_nothing)}
