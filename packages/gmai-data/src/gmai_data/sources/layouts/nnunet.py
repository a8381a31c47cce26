"""nnU-Net's and the Decathlon's folders."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from gmai_formats.errors import UserError
from gmai_formats.files import is_file
from gmai_formats.json_text import parse_json
from pydantic import Field

from gmai_data.imaging.source_files import below, matching, on_disk
from gmai_data.ledger import Ledger, printable
from gmai_data.sources.annotations.label_volumes import (
    Layer,
    whole_numbers,
)
from gmai_data.sources.annotations.volume_slices import slices_of_volume
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.label_names import names_of_dataset
from gmai_data.sources.drafting.mask_values import values_of_masks
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.volume_files import VOLUME_ENDINGS, load_channel, load_masks, volume_stem
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import Layout


class NnUnet(Layout):
    """nnU-Net and Medical Segmentation Decathlon: `imagesTr`, `labelsTr`, `dataset.json`."""

    is_of_volumes: ClassVar[bool] = True
    kind: Literal["nnunet"]
    channel: int = Field(default=0, ge=0)
    """Which channel is shown: the `_000N` of nnU-Net's file names, or the fourth axis of the Decathlon's volumes."""
    images: str = "imagesTr"
    labels: str = "labelsTr"

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per mask.

        Raises:
            UserError: `dataset.json` names labels that the card does not.
        """
        _require_known_labels(card, root / "dataset.json")
        other = ""
        has_volumes = False
        for file in map(printable, matching(root, f"{self.labels}/*", recipe=card.name, what="masks")):
            name = PurePosixPath(file).name
            if not name.lower().endswith(VOLUME_ENDINGS):
                other = other or name
                continue
            has_volumes = True
            case, ending = volume_stem(name), name[len(volume_stem(name)) :]
            channel_file = f"{self.images}/{case}_{self.channel:04d}{ending}"
            image = channel_file if is_file(on_disk(root, channel_file)) else f"{self.images}/{name}"
            yield Item(case, (image, file))
        if not has_volumes:
            raise UserError(
                f"{root / self.labels}: none of its files is a volume, such as {other}. Read pictures by the layout "
                "`image_mask`."
            )

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        image_file, mask_file = item.files
        own_file = image_file.endswith(tuple(f"_{self.channel:04d}{ending}" for ending in VOLUME_ENDINGS))
        image = load_channel(root, image_file, 0 if own_file else self.channel)
        ((_, mask),) = load_masks(root, mask_file, key="gts", frames="none")
        yield from slices_of_volume(image, [Layer(whole_numbers(mask, mask_file))], item, card, ledger)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where both folders have their names."""
        if not ((folder.root / "imagesTr").is_dir() and (folder.root / "labelsTr").is_dir()):
            return None
        masks = [each for each in folder.volumes if each.parent.name == "labelsTr"]
        if not masks:
            return None  # pictures (PNG, TIFF): `image_mask` reads them
        names: dict[str, str] = {}
        path = folder.root / "dataset.json"
        if path.is_file():
            names = names_of_dataset(path)
        images = {volume_stem(each.name) for each in folder.volumes if each.parent.name == "imagesTr"}
        if not any({stem, f"{stem}_0000"} & images for stem in (volume_stem(each.name) for each in masks)):
            return None  # folders of these names whose files pair otherwise, as CHUM-001__CT with CHUM-001
        ignored = [raw for raw, name in names.items() if name == _IGNORE]
        found = values_of_masks(folder.root, [folder.below(each) for each in masks])
        labels = [
            raw for raw in {**names, **dict.fromkeys(found.raw_labels if found.files else ())} if raw not in ignored
        ]
        notes = [f"labelsTr: {found.in_words()}"]
        if (folder.root / "labelsTs").is_dir():
            notes.append(
                "labelsTs has masks, too; the layout reads labelsTr, so that the publisher's test part is left out"
            )
        layout: dict[str, Any] = {"kind": "nnunet"}
        unnamed = [raw for raw in labels if raw not in names]
        if names and unnamed:
            notes.append(f"dataset.json has no name for {', '.join(unnamed)} alone: they are parts of its regions")
        card = {"ignore": ignored} if ignored else {}
        return Guess("nnU-Net or Decathlon folders", "3d_segmentation", layout, labels, names, tuple(notes), card=card)


_IGNORE = "ignore"
"""The label of nnU-Net's second version for voxels that nobody looked at
(https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/ignore_label.md)."""


def _require_known_labels(card: Card, path: Path) -> None:
    below(path.parent, path.name, recipe=card.name)
    if not path.is_file():
        return  # masks and card are enough to go on; the file only describes them
    try:
        document: Any = parse_json(path.read_bytes())
        labels: dict[str, Any] = document["labels"]
        # The Decathlon writes {"1": "liver"}; nnU-Net v2 writes {"liver": 1}, or [1, 2] for regions.
        ids = {str(key) if str(key).isdigit() else value for key, value in labels.items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        if "unhashable" not in str(error):
            raise UserError(f"{path}: not a dataset.json of nnU-Net or the Decathlon: {error!r}. Fix it.") from error
        return  # regions of several ids each; the masks themselves are checked label by label
    missing = sorted({str(label) for label in ids} - {"0", *card.labels, *card.background, *card.ignore})
    if missing:
        raise UserError(
            f"{path}: has the label(s) {', '.join(missing)}, which recipe {card.name} does not name. "
            "Add them to `labels`, `background` or `ignore` of a copy of the card."
        )
