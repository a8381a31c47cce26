"""One picture file of any format ▶ pixels: rasters as they are, DICOM in the window of the card."""

from pathlib import Path, PurePosixPath

from gmai_data.imaging.deidentify import set_aside
from gmai_data.imaging.dicom_pixels import decode_pixels, explained, frame_picture, read_dicom
from gmai_data.imaging.raster import Raster, load_raster
from gmai_data.imaging.windows import HEADER
from gmai_data.sources.card import Card
from gmai_data.sources.items import Item, Picture, full_name, left_open

DICOM_ENDINGS = (".dcm", ".dicom", ".ima")


def load_picture(root: Path, relative: str, card: Card) -> Raster:
    """Decode a picture file that a table or a folder of classes names.

    Its pixels keep their shape, so that boxes and masks of the source still fit.

    Raises:
        SourceError: As `load_raster` or `read_dicom`.
        SetAside: A DICOM file that must be held back.
    """
    if not relative.lower().endswith(DICOM_ENDINGS):
        return load_raster(root, relative)
    dataset = read_dicom(root, relative)
    with explained(relative):
        set_aside(dataset, card.deidentification, relative)
    stored = decode_pixels(dataset, relative, 0)
    with explained(relative):
        pixels, window = frame_picture(dataset, stored, card.windows[0] if card.windows else HEADER)
    return Raster(pixels, None, {"window": window})


def whole_image(item: Item, card: Card, root: Path) -> Picture:
    """Return the picture of an item whose labels hold for the whole of it.

    Raises:
        SourceError: As `load_picture`, or an unknown label.
    """
    file = item.files[0]
    labels = tuple(dict.fromkeys(full_name(card, raw, file) for raw in item.raw_labels))
    uncertain = left_open(card, item.uncertain, labels, file)
    raster = load_picture(root, file, card)
    name = PurePosixPath(file).name
    return Picture(name, raster.pixels, labels, encoded=raster.encoded, geometry=raster.geometry, uncertain=uncertain)
