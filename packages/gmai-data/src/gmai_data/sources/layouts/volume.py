"""Volume files with a mask each, which may be one file per structure."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.label_volumes import (
    Layer,
    layers_of_segments,
    layers_of_structures,
    whole_numbers,
)
from gmai_data.sources.annotations.mask_files import items_with_masks, masks_known, named_items
from gmai_data.sources.annotations.spheres import SphereTable
from gmai_data.sources.annotations.volume_slices import slices_of_volume
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.paired_folder import paired_guess
from gmai_data.sources.drafting.table_guess import table_guess
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.volume_files import load_masks, load_volumes, volume_stem
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import Layout
from gmai_data.sources.names import patterns_of


class VolumeMask(Layout):
    """Volumes (NIfTI, MGH, NRRD, MHA, MHD, npz, npy, HDF5, MATLAB), with a label mask each; one case or many."""

    is_of_volumes: ClassVar[bool] = True
    kind: Literal["volume"]
    image: str | tuple[str, ...]
    """Pattern of the image volumes, or several, such as `*/ct.nii.gz`, with captured parts as in `image_mask`:
    `volume-{id}.nii` goes with the mask `segmentation-{id}.nii`."""
    mask: str | tuple[str, ...] | dict[str, str] | None = None
    """Path of the mask, or a pattern, as `masks` in `image_mask`; with `{label}`, or raw label ▶ path, one file per
    structure. None: the labels are those of the card, `labels_of_every_image`, or of the names, `{class}`. A mask with
    a fourth axis is read where it is one-hot. Segments of a 3D Slicer segmentation (`.seg.nrrd`) are known by their
    names where the card has one of them, else by their numbers."""
    spheres: SphereTable | None = None
    """In the place of a mask: a table of objects in space, such as
    `{table: annotations.csv, key: seriesuid, centre: [coordX, coordY, coordZ], diameter: diameter_mm, label: nodule}`.
    A volume without a row has no such object."""
    missing: Literal["uncertain", "absent"] = "uncertain"
    """What a structure is whose file (or segment, in a 3D Slicer segmentation) is missing: nobody may have drawn it, or
    it is known not to be there."""
    without_mask: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of a volume without any mask: the quarantine, or counted as left out, where the publisher gives
    masks for a part of the volumes only."""
    frames: Literal["none", "first", "centre", "all"] = "none"
    """What to do with a fourth axis (cine, channels): refuse it, or export the volumes of these frames."""
    image_key: str = "imgs"
    """Array of an `.npz`, HDF5 or MATLAB file that holds the image, `[z, y, x]` (MATLAB: `[y, x, z]`)."""
    mask_key: str = "gts"
    """Array of such a file that holds the mask."""

    @model_validator(mode="after")
    def _masks_known(self) -> Self:
        if self.mask is not None and self.spheres is not None:
            raise ValueError("`mask` and `spheres` both say what is marked; give one of them")
        if self.mask is not None:
            masks_known(self.mask, patterns_of(self.image))
        return self

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per image volume."""
        images = patterns_of(self.image)
        if self.mask is None:
            items = named_items(card, root, images, what="volumes")
            yield from items if self.spheres is None else self.spheres.given_to(items, root, card.name)
            return
        rules = (self.mask, self.missing, self.without_mask)
        yield from items_with_masks(card, root, images, *rules, what="volumes")

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        images = load_volumes(root, item.files[0], key=self.image_key, frames=self.frames)
        masks: dict[int | None, list[Layer]] = {}
        if self.spheres is not None:
            spheres = self.spheres.structures(item.part, images[0][1], item.files[0])
            masks[None] = layers_of_structures(spheres, images[0][1])
        if item.structures is not None:
            structures = [
                (raw, load_masks(root, file, key=self.mask_key, frames="none")[0][1], file)
                for raw, file in zip(item.structures, item.files[1:], strict=True)
            ]
            if not structures:
                place = item.pattern or ", ".join(self.mask.values() if isinstance(self.mask, dict) else ())
                raise SourceError("file missing", f"no file matches {place} for any label", item.files[0])
            masks[None] = layers_of_structures(structures, images[0][1])
        for file in () if item.structures is not None else item.files[1:]:
            if (segments := layers_of_segments(root, file, images[0][1], card)) is not None:
                masks.setdefault(None, []).extend(segments[0])
                left_open = segments[1] if self.missing == "uncertain" else ()
                item = item._replace(uncertain=(*item.uncertain, *left_open))
                continue
            for number, mask in load_masks(root, file, key=self.mask_key, frames=self.frames):
                masks.setdefault(number, []).append(Layer(whole_numbers(mask, file)))
        for number, image in images:
            layers = masks.get(number, masks.get(None, []))
            if masks and not layers:
                raise SourceError("frame without a mask", f"frame {number}; the mask has other frames", item.files[0])
            yield from slices_of_volume(image, layers, item, card, ledger, frame=number)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where there are volume files."""
        if not folder.volumes:
            return None
        guess = paired_guess(folder, folder.volumes, volumes=True)
        if guess is not None or (len({path.parent for path in folder.volumes}) > 1 and _is_of_classes(folder.volumes)):
            return guess
        labelled = table_guess(folder) if folder.tables else None
        if labelled is not None and labelled.layout.get("label_column") != "TODO":
            return labelled
        below = [PurePosixPath(folder.below(path)) for path in folder.volumes]
        name = below[0].name
        ending = name[len(volume_stem(name)) :]
        alike = len({path.name for path in below}) == 1 and len(below[0].parts) > 1
        place = "/".join(["*"] * (len(below[0].parts) - 1) + [name]) if alike else str(below[0].parent / f"*{ending}")
        layout: dict[str, Any] = {"kind": "volume", "image": place}
        note = (
            f"mask: none of {len(folder.volumes)} volumes is a mask by its name or its values; name it, or leave it out"
        )
        if len(folder.volumes) > 1:
            layout["mask"] = "TODO"
        return Guess("volumes", "3d_segmentation", layout, ["1"], notes=(note,) if "mask" in layout else ())


def _is_of_classes(images: list[Path]) -> bool:
    """Return whether folders hold several files, or files of their own names, as folders of classes do."""
    return len({path.name for path in images}) > 1
