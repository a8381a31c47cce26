"""Single DICOM files whose labels come from the card: whole-image labels for every file."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pydicom

from gmai_data.imaging.dicom_pixels import decode_pixels, explained, frame_picture, quiet_pydicom, read_dicom
from gmai_data.imaging.grids import to_square_pixels
from gmai_data.imaging.raster import digest
from gmai_data.imaging.windows import HEADER
from gmai_data.sources.files import matching, relative_to
from gmai_data.sources.items import Item, Picture, full_name
from gmai_data.sources.layouts import DicomFiles
from gmai_data.sources.problems import Ledger
from gmai_data.sources.recipe import Recipe
from gmai_data.untyped import dicom


class DicomFilesReader:
    """A file, or a folder of single files."""

    settings = DicomFiles

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield one item per file; its group is a digest of the header's patient, or the file itself."""
        layout = cast(DicomFiles, recipe.layout)
        for path in matching(root, layout.files, recipe=recipe.name, what="files"):
            file = relative_to(root, path)
            yield Item(file, (file,), _patient(path))

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the file's picture, or those of its frames, in every window of the recipe.

        Raises:
            SourceError: Not decodable, or nothing to see.
        """
        del ledger  # labels from the card have no boxes
        layout = cast(DicomFiles, recipe.layout)
        file = item.files[0]
        labels = tuple(full_name(recipe, raw, file) for raw in recipe.labels_of_every_image)
        dataset = read_dicom(root, file)
        stored = decode_pixels(dataset, file)
        with explained(file):
            frames, spacing_mm = _frames(dataset, stored), _spacing_mm(dataset)
        chosen = range(len(frames)) if layout.frames == "all" else [len(frames) // 2]
        windows = recipe.windows or (HEADER,)
        for index in chosen:
            for window in windows:
                with explained(file):
                    pixels, words = frame_picture(dataset, frames[index], window)
                name = PurePosixPath(file).name
                name += f"_frame{index:04d}" if len(frames) > 1 else ""
                name += f"_{window}" if len(windows) > 1 else ""
                geometry = {"frame": index, "window": words}
                yield Picture(name, to_square_pixels(pixels, spacing_mm), labels, geometry=geometry)


def _patient(path: Path) -> str:
    """Return a digest that stands for the patient (the identifier itself never leaves the header), or nothing."""
    try:
        with quiet_pydicom():
            header = dicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID", "StudyInstanceUID"])
    except Exception:  # the file is judged when it is read, where the reason is recorded
        return ""
    identity = str(header.get("PatientID", "") or header.get("StudyInstanceUID", "") or "")
    return digest(identity.encode())[:16] if identity else ""


def _frames(dataset: pydicom.Dataset, stored: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    single = 3 if int(dataset.get("SamplesPerPixel", 1)) > 1 else 2
    return [np.asarray(stored)] if stored.ndim == single else list(stored)


def _spacing_mm(dataset: pydicom.Dataset) -> tuple[float, float]:
    """Return (row, column) distance; the aspect ratio stands in where no spacing is given (PS3.3 C.7.6.3.1.7)."""
    value: Any = dataset.get("PixelSpacing") or dataset.get("PixelAspectRatio") or (1, 1)
    try:
        row, column = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError):
        return 1.0, 1.0
    return (row, column) if row > 0 and column > 0 else (1.0, 1.0)
