"""DICOM series with a NIfTI mask or a DICOM SEG per case."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from gmai_data.imaging.dicom_seg import load_segmentation
from gmai_data.imaging.dicom_series import load_series
from gmai_data.imaging.source_files import matching, patient_digest, relative_to, require_data
from gmai_data.ledger import Ledger
from gmai_data.sources.card import Card
from gmai_data.sources.folder import Folder, Guess, dicom_files
from gmai_data.sources.items import Item, Picture
from gmai_data.sources.label_volumes import (
    Layer,
    layers_of_structures,
    whole_numbers,
)
from gmai_data.sources.layout import Layout
from gmai_data.sources.volume_files import load_volumes
from gmai_data.sources.volume_slices import slices_of_volume


class DicomSeries(Layout):
    """Folders of DICOM slices of one series each, with a mask (NIfTI in any orientation, or DICOM SEG)."""

    is_of_volumes: ClassVar[bool] = True
    kind: Literal["dicom_series"]
    series: str
    """Pattern of the folders that hold one series each, such as `*/dicom`."""
    mask: str | None = None
    """Path of the mask; `{name}` is the folder's name, `{parent}` the folder above it; a file that ends in `.dcm` is a
    DICOM SEG, whose raw labels are its segment labels. May be a pattern with one match. None: labels of the card."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per series folder; its group is a digest of the header's patient."""
        for path in matching(root, self.series, recipe=card.name, what="series folders", folders=True):
            folder = relative_to(root, path)
            group = patient_digest(next((file for file in sorted(path.iterdir()) if file.is_file()), path))
            if self.mask is None:
                yield Item(folder, (folder,), group)
                continue
            mask = self.mask.replace("{name}", path.name).replace("{parent}", relative_to(root, path.parent))
            found = sorted(root.glob(mask)) if re.search(r"[*?\[]", mask) else []
            yield Item(folder, (folder, relative_to(root, found[0]) if len(found) == 1 else mask), group)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        image = load_series(root, item.files[0], card.deidentification)
        layers: list[Layer] = []
        for file in item.files[1:]:
            if file.lower().endswith((".dcm", ".dicom")):
                found = load_segmentation(root, file, image)
                layers = layers_of_structures([(raw, volume, file) for raw, volume in found], image)
            else:
                require_data(root, file)
                ((_, mask),) = load_volumes(root, file, key="gts", frames="none")
                layers = [Layer(whole_numbers(mask, file))]
        yield from slices_of_volume(image, layers, item, card, ledger)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where several DICOM files share a folder below the root."""
        files = dicom_files(folder)
        folders = Counter(path.parent for path in files)
        if not files or max(folders.values()) == 1 or folder.root in folders:
            return None
        parts = files[0].parent.relative_to(folder.root).parts
        layout = {"kind": "dicom_series", "series": "/".join("*" * len(parts))}
        if not folder.volumes:
            return Guess("DICOM series", "3d_classification", layout)
        mask = folder.volumes[0]
        layout["series"] = "/".join([*"*" * (len(parts) - 1), parts[-1]])
        layout["mask"] = f"{{parent}}/{mask.name}" if mask.parent == files[0].parent.parent else "TODO"
        return Guess("DICOM series with masks", "3d_segmentation", layout, ["1"])
