"""nnU-Net's and the Decathlon's folders."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from gmai_formats.errors import UserError
from gmai_formats.json_text import parse_json
from pydantic import Field

from gmai_data.imaging.source_files import below, matching, relative_to
from gmai_data.ledger import Ledger
from gmai_data.sources.card import Card
from gmai_data.sources.folder import Folder, Guess
from gmai_data.sources.items import Item, Picture
from gmai_data.sources.label_volumes import (
    Layer,
    whole_numbers,
)
from gmai_data.sources.layout import Layout
from gmai_data.sources.mask_values import values_of_masks
from gmai_data.sources.volume_files import VOLUME_ENDINGS, load_channel, load_masks, volume_stem
from gmai_data.sources.volume_slices import slices_of_volume


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
        for path in matching(root, f"{self.labels}/*", recipe=card.name, what="masks"):
            if path.name.startswith(".") or not path.name.lower().endswith(VOLUME_ENDINGS):
                continue  # the Decathlon's archives hold macOS resource forks `._name.nii.gz`
            case, ending = volume_stem(path.name), path.name[len(volume_stem(path.name)) :]
            channel_file = f"{self.images}/{case}_{self.channel:04d}{ending}"
            image = channel_file if (root / channel_file).is_file() else f"{self.images}/{path.name}"
            yield Item(case, (image, relative_to(root, path)))

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
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
        names: dict[str, str] = {}
        path = folder.root / "dataset.json"
        if path.is_file():
            names = _names_of(path)
        masks = [each for each in folder.volumes if each.parent.name == "labelsTr"]
        found = values_of_masks(folder.root, [folder.below(each) for each in masks])
        labels = list(names) or (found.raw_labels if found.files else [])
        notes = [f"labelsTr: {found.in_words()}"]
        if (folder.root / "labelsTs").is_dir():
            notes.append(
                "labelsTs has masks, too; the layout reads labelsTr, so that the publisher's test part is left out"
            )
        layout: dict[str, Any] = {"kind": "nnunet"}
        return Guess("nnU-Net or Decathlon folders", "3d_segmentation", layout, labels, names, tuple(notes))


def _names_of(path: Path) -> dict[str, str]:
    """Return raw label ▶ name of a dataset.json, of either kind, without the background."""
    try:
        said: Any = parse_json(path.read_bytes())["labels"]
        pairs = [(str(key), value) for key, value in said.items()]
    except (ValueError, KeyError, AttributeError, TypeError):
        return {}
    found = {key: str(value) for key, value in pairs if key.isdigit()}
    found |= {str(value): key for key, value in pairs if not key.isdigit() and isinstance(value, int)}
    return {raw: name for raw, name in found.items() if raw != "0"}


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
    missing = sorted({str(label) for label in ids} - {"0", *card.labels, *card.background})
    if missing:
        raise UserError(
            f"{path}: has the label(s) {', '.join(missing)}, which recipe {card.name} does not name. "
            "Add them to `labels` or to `background` of a copy of the card."
        )
