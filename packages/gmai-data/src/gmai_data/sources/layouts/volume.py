"""Volume files with a mask each, which may be one file per structure."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from gmai_data.imaging.source_files import matching, relative_to
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.folder import Folder, Guess, is_mask_name, paired
from gmai_data.sources.items import Item, Picture
from gmai_data.sources.label_volumes import Layer, layers_of_structures, whole_numbers
from gmai_data.sources.layout import Layout
from gmai_data.sources.mask_files import items_with_masks, structure_files
from gmai_data.sources.volume_files import load_masks, load_volumes
from gmai_data.sources.volume_slices import slices_of_volume


class VolumeMask(Layout):
    """Volumes (NIfTI, NRRD, MHA, MHD, npz, npy), with a label mask each; one case or many."""

    is_of_volumes: ClassVar[bool] = True
    kind: Literal["volume"]
    image: str
    """Pattern of the image volumes, such as `*/ct.nii.gz`."""
    mask: str | None = None
    """Path of the mask, or a pattern; with `{label}` one file per structure. `{stem}`, `{parent}`, `{folder}`, `{tree}`
    and `{match}` as in `image_mask`: `img/img*.nii.gz` with `label/label{match}.nii.gz`. None: the labels are those of
    the card, `labels_of_every_image`. A mask with a fourth axis is read where it is one-hot."""
    missing: Literal["uncertain", "absent"] = "uncertain"
    """What a structure is whose file is missing: nobody may have drawn it, or it is known not to be there."""
    without_mask: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of a volume without any mask: the quarantine, or counted as left out, where the publisher gives
    masks for a part of the volumes only."""
    frames: Literal["none", "first", "centre", "all"] = "none"
    """What to do with a fourth axis (cine, channels): refuse it, or export the volumes of these frames."""
    image_key: str = "imgs"
    """Array of an `.npz` that holds the image, `[z, y, x]`."""
    mask_key: str = "gts"
    """Array of an `.npz` that holds the mask."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per image volume."""
        paths = matching(root, self.image, recipe=card.name, what="volumes")
        if self.mask is None:
            yield from (Item(relative_to(root, path), (relative_to(root, path),)) for path in paths)
            return
        yield from items_with_masks(card, root, paths, self.image, self.mask, self.missing, self.without_mask)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        images = load_volumes(root, item.files[0], key=self.image_key, frames=self.frames)
        masks: dict[int | None, list[Layer]] = {}
        if item.pattern:
            structures = [
                (raw, load_masks(root, file, key=self.mask_key, frames="none")[0][1], file)
                for raw, file in structure_files(root, item.pattern, list(card.labels))
            ]
            if not structures:
                raise SourceError("file missing", f"no file matches {item.pattern} for any label", item.files[0])
            masks[None] = layers_of_structures(structures, images[0][1])
        for file in () if item.pattern else item.files[1:]:
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
        masks = [path for path in folder.volumes if is_mask_name(folder.below(path))]
        images = [path for path in folder.volumes if path not in set(masks)] or folder.volumes
        if not masks and len({path.parent for path in images}) > 1 and _is_of_classes(images):
            return None
        image = images[0]
        pair = paired(images, masks)
        if pair is not None:
            mask = folder.below(masks[0].parent / pair[1])
            paths = {"kind": "volume", "image": folder.below(image.parent / pair[0]), "mask": mask}
            return Guess("volumes", "3d_segmentation", paths, ["1"])
        per_case = image.parent != folder.root
        layout: dict[str, Any] = {"kind": "volume", "image": f"*/{image.name}" if per_case else image.name}
        if masks and masks[0].parent == image.parent:
            layout["mask"] = f"{{parent}}/{masks[0].name}" if per_case else masks[0].name
        elif masks or len(folder.volumes) > 1:
            layout["mask"] = "TODO"
        return Guess("volumes", "3d_segmentation", layout, ["1"])


def _is_of_classes(images: list[Path]) -> bool:
    """Return whether folders hold several files, or files of their own names, as folders of classes do."""
    return len({path.name for path in images}) > 1
