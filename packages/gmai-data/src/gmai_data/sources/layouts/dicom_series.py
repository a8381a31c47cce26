"""DICOM series with a NIfTI mask or a DICOM SEG per case."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from gmai_data.imaging.dicom_folder import series_of_folder
from gmai_data.imaging.dicom_seg import load_segmentation
from gmai_data.imaging.dicom_series import load_series
from gmai_data.imaging.source_files import matching, relative_to, require_data
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.folder import Folder, Guess, dicom_files
from gmai_data.sources.items import Item, Picture
from gmai_data.sources.label_volumes import (
    Layer,
    layers_of_structures,
    whole_numbers,
)
from gmai_data.sources.layout import Layout
from gmai_data.sources.volume_files import load_masks
from gmai_data.sources.volume_slices import slices_of_volume


class DicomSeries(Layout):
    """Folders of DICOM slices, as a PACS exports them, or of one series each with a mask (NIfTI in any orientation, or
    DICOM SEG). Without a mask a folder is sorted by its headers into series, and a series into volumes.
    """

    is_of_volumes: ClassVar[bool] = True
    kind: Literal["dicom_series"]
    series: str
    """Pattern of the folders that hold the files, such as `*/dicom`."""
    mask: str | None = None
    """Path of the mask; `{name}` is the folder's name, `{parent}` the folder above it; a file that ends in `.dcm` is a
    DICOM SEG, whose raw labels are its segment labels. May be a pattern with one match. None: labels of the card."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per series; its group is a digest of the patient in the headers, whichever file is first."""
        for path in matching(root, self.series, recipe=card.name, what="series folders", folders=True):
            folder = relative_to(root, path)
            found = series_of_folder(root, path, card.deidentification)
            for series in found if self.mask is None else ():
                key = f"{folder}/{series.name}" if series.name else folder
                yield Item(key, series.files, series.group)
            if self.mask is not None:
                mask = self.mask.replace("{name}", path.name).replace("{parent}", relative_to(root, path.parent))
                masks = sorted(root.glob(mask)) if re.search(r"[*?\[]", mask) else []
                mask = relative_to(root, masks[0]) if len(masks) == 1 else mask
                yield Item(folder, (folder, mask), found[0].group)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        if self.mask is None:
            volumes = load_series(root, item.files, card.deidentification, card.slices.gaps)
            numbered = list(enumerate(volumes)) if len(volumes) > 1 else [(None, volumes[0])]
            for number, volume in numbered:
                yield from slices_of_volume(volume, [], item, card, ledger, frame=number)
            return
        folder, file = item.files
        volumes = load_series(root, (folder,), card.deidentification)
        if len(volumes) > 1:
            detail = f"{len(volumes)} volumes, and one mask; put each volume into a folder of its own"
            raise SourceError("several volumes in one series", detail, folder)
        (image,) = volumes
        if file.lower().endswith((".dcm", ".dicom")):
            found = load_segmentation(root, file, image)
            layers = layers_of_structures([(raw, volume, file) for raw, volume in found], image)
        else:
            require_data(root, file)
            ((_, mask),) = load_masks(root, file, key="gts", frames="none")
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
