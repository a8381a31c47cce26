"""What a label holds for as a whole: an image, a volume file, or a folder with a DICOM series."""

from collections.abc import Iterator
from pathlib import Path

from gmai_formats.files import is_folder

from gmai_data.imaging.dicom_series import load_series
from gmai_data.imaging.source_files import on_disk
from gmai_data.ledger import Ledger
from gmai_data.sources.annotations.volume_slices import slices_of_volume
from gmai_data.sources.card import Card
from gmai_data.sources.files.pictures import whole_image
from gmai_data.sources.files.volume_files import VOLUME_ENDINGS, load_volumes
from gmai_data.sources.items import Item, ItemImage


def labelled_pictures(item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
    """Yield the picture of an image, or the slices of a volume by the card's rule, with the item's labels.

    Raises:
        SourceError: The file cannot be read, or a label is unknown.
        SetAside: A DICOM file that must be held back.
    """
    file = item.files[0]
    if is_folder(on_disk(root, file)):
        volumes = load_series(root, (file,), card.deidentification, card.slices.gaps)
        for number, volume in enumerate(volumes):
            yield from slices_of_volume(volume, [], item, card, ledger, frame=number if len(volumes) > 1 else None)
    elif file.lower().endswith(VOLUME_ENDINGS):
        ((_, image),) = load_volumes(root, file, key="imgs", frames="none")
        yield from slices_of_volume(image, [], item, card, ledger)
    else:
        yield whole_image(item, card, root)
