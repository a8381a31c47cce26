"""One picture file of any format ▶ pixels: rasters as they are, DICOM in the window of the card."""

from pathlib import Path, PurePosixPath
from typing import Any

from gmai_formats.pictures.dicom import frame_count, frame_header, spacing_mm
from gmai_formats.pictures.display import frame_picture, made_square
from gmai_formats.pictures.windows import HEADER
from pydicom import Dataset

from gmai_data.imaging.deidentify import set_aside
from gmai_data.imaging.dicom_pixels import decode_pixels, explained, read_dicom
from gmai_data.imaging.hanging import flags_of
from gmai_data.imaging.raster import Raster, raster_of
from gmai_data.imaging.source_files import group_of_header, is_dicom_under_its_name, on_disk, raster_data
from gmai_data.imaging.units import calibrate_header, raster_window, require_hounsfield_frame
from gmai_data.ledger import SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import IMAGES
from gmai_data.sources.items import Item, ItemImage, full_name, left_open


def load_picture(root: Path, relative: str, card: Card) -> Raster:
    """Decode a picture file that a table or a folder of classes names; the pixels of a DICOM file are made square.

    Raises:
        SourceError: As `load_raster` or `read_dicom`.
        SetAside: A DICOM file that must be held back.
    """
    data = raster_data(root, relative)
    if data is not None:
        return raster_of(data, relative, raster_window(card.windows, card.modality, card.values, relative))
    dataset = read_dicom(root, relative)
    _require_asked(dataset, root, relative, card)
    with explained(relative):
        set_aside(dataset, card.deidentification, relative)
        middle = frame_count(dataset) // 2
        header = frame_header(dataset, middle)
        calibrate_header(header, card.values, relative)
    if len(card.windows) > 1:
        raise SourceError("several windows", "this layout shows one picture a file; name one in the card", relative)
    window = card.windows[0] if card.windows else HEADER
    stored = decode_pixels(dataset, relative, middle)
    with explained(relative):
        require_hounsfield_frame(header, stored, window, card.values, relative)
        pixels, shown = frame_picture(header, stored, window)
        squared, changes = made_square(pixels, header)
        geometry: dict[str, Any] = {"window": shown, **({"changes": list(changes)} if changes else {})}
        if flags := flags_of(dataset):
            geometry["flags"] = flags
        return Raster(squared, None, geometry, spacing_mm(header), (pixels.shape[1], pixels.shape[0]))


def _require_asked(dataset: Dataset, root: Path, relative: str, card: Card) -> None:
    """Refuse a DICOM file among pictures whose ending it has: the listing did not ask it for its patient."""
    rule = card.split
    is_grouped = rule.group_pattern is not None or rule.no_group or rule.group_table is not None
    if is_grouped or not relative.lower().endswith(IMAGES) or not group_of_header(dataset):
        return
    if not is_dicom_under_its_name(on_disk(root, relative)):
        ending = PurePosixPath(relative).suffix
        detail = f"a DICOM file among pictures that are called {ending}; call it .dcm, so that its patient is asked for"
        raise SourceError("DICOM file under another name", detail, relative)


def whole_image(item: Item, card: Card, root: Path) -> ItemImage:
    """Return the picture of an item whose labels hold for the whole of it.

    Raises:
        SourceError: As `load_picture`, or an unknown label.
    """
    file = item.files[0]
    labels = tuple(dict.fromkeys(full_name(card, raw, file) for raw in item.raw_labels))
    uncertain = left_open(card, item.uncertain, labels, file)
    raster = load_picture(root, file, card)
    name = PurePosixPath(file).name
    return ItemImage(name, raster.pixels, labels, encoded=raster.encoded, geometry=raster.geometry, uncertain=uncertain)
