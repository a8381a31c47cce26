"""One picture file of any format ▶ pixels: rasters as they are, DICOM in the window of the card."""

from pathlib import Path

from gmai_data.imaging.deidentify import set_aside
from gmai_data.imaging.dicom_pixels import decode_pixels, explained, frame_picture, read_dicom
from gmai_data.imaging.raster import Raster, load_raster
from gmai_data.imaging.windows import HEADER
from gmai_data.sources.recipe import Recipe

DICOM_ENDINGS = (".dcm", ".dicom", ".ima")


def load_picture(root: Path, relative: str, recipe: Recipe) -> Raster:
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
        set_aside(dataset, recipe.deidentification, relative)
    stored = decode_pixels(dataset, relative, 0)
    with explained(relative):
        pixels, window = frame_picture(dataset, stored, recipe.windows[0] if recipe.windows else HEADER)
    return Raster(pixels, None, {"window": window})
