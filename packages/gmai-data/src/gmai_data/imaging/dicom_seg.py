"""A DICOM SEG object ▶ label volumes on the grid of the series it belongs to (highdicom)."""

from pathlib import Path
from typing import Any

import numpy as np
from gmai_formats.pictures.dicom import quiet_pydicom

from gmai_data.imaging.grids import Volume, to_display
from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError


def load_segmentation(root: Path, relative: str, image: Volume) -> list[tuple[str, Volume]]:
    """Return (segment label, binary volume on the image's grid) for each segment.

    A SEG leaves out the slices that hold nothing, so its own volume may be smaller than the series.

    Raises:
        SourceError: No readable SEG, a fractional one, or one that lies on another grid than the series.
    """
    path = require_data(root, relative)
    try:
        import highdicom

        reader: Any = highdicom.seg
        with quiet_pydicom():
            segmentation: Any = reader.segread(path)
            if segmentation.segmentation_type.value == "FRACTIONAL":
                raise SourceError("mask is not a label mask", "the SEG holds fractions; store it as BINARY", relative)
            described: Any = [segmentation.get_segment_description(n) for n in segmentation.segment_numbers]
            volume: Any = segmentation.get_volume(combine_segments=False, allow_missing_positions=True, dtype=np.uint8)
    except SourceError:
        raise
    except Exception as error:  # highdicom and pydicom raise many kinds on damaged objects
        detail = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise SourceError("DICOM SEG unreadable", detail, relative) from error
    # highdicom indexes (slice, row, column) and its affine gives LPS; NIfTI's world is RAS.
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(volume.affine, dtype=np.float64)
    found: list[tuple[str, Volume]] = []
    for position, description in enumerate(described):
        part = to_display(np.asarray(volume.array[..., position]), affine, file=relative)
        found.append((str(description.segment_label), _on_grid(part, image, relative)))
    return found


def _on_grid(part: Volume, image: Volume, file: str) -> Volume:
    corner = np.linalg.inv(image.affine) @ part.affine[:, 3]
    start = np.rint(corner[:3]).astype(int)
    drift = np.abs(image.affine[:3, :3] - part.affine[:3, :3]) @ np.array(part.array.shape[::-1])
    off_mm = float(np.abs((image.affine @ np.array([*start, 1.0]) - part.affine[:, 3])[:3]).max() + drift.max())
    x, y, z = (int(value) for value in start)
    depth, height, width = part.array.shape
    inside = min(x, y, z) >= 0 and all(
        low + size <= whole
        for low, size, whole in zip((z, y, x), (depth, height, width), image.array.shape, strict=True)
    )
    if not inside or off_mm > 0.1 * min(image.spacing_mm):
        detail = f"the SEG's voxels are not the series' voxels ({off_mm:.2f} mm off); use the series it was drawn on"
        raise SourceError("image and mask grids differ", detail, file)
    array = np.zeros(image.array.shape, np.uint8)
    array[z : z + depth, y : y + height, x : x + width] = part.array
    return Volume(array, image.affine, image.spacing_mm)
