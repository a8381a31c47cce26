"""An RTSTRUCT ▶ masks on the images it was drawn on (PS3.3 A.19, C.8.8.5, C.8.8.6).

A pixel is marked when its centre lies inside a contour; a centre on the left or upper edge counts, one on the right or
lower edge does not. Of several contours of one structure in a plane, one that lies wholly inside another is a hole of
it, and one inside the hole is marked again (exclusive or, C.8.8.6.3); contours that only overlap are one region. A
contour that is joined to its hole by a narrow channel (keyhole) is filled as it is drawn. Contours of the type
CLOSEDPLANAR_XOR are always combined by exclusive or.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from gmai_data.imaging.dicom_pixels import explained, read_header
from gmai_data.imaging.dicom_seg import OTHER_GRID, Mask, require_every_image
from gmai_data.imaging.dicom_stacks import Slice, distances_mm
from gmai_data.imaging.large import allocate
from gmai_data.imaging.placing import OtherGridError, in_pixels, nearest, require_same_space
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.polygons import polygon_mask

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_CLOSED, _XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"


def load_structures(
    root: Path,
    relative: str,
    images: Sequence[Slice],
    *,
    ignored: frozenset[str] = frozenset(),
    partial: bool = False,
    left_out: Counter[str] | None = None,
) -> Iterator[tuple[str, Mask | None]]:
    """Yield (name of the structure, mask `[image, row, column]` of 0 and 1), one structure at a time.

    The mask is None where a structure has no region that could be filled: nothing, points or open lines only.

    Args:
        root: The source's folder.
        relative: Path of the RTSTRUCT.
        images: The images it was drawn on, of one size and orientation, in order along their normal.
        ignored: Names of structures that are passed over.
        partial: The images are some of those that it was drawn on: contours on others are left out.
        left_out: Takes the count of contours that are left out, by their reason.

    Raises:
        SourceError: No RTSTRUCT, or a contour that lies in the plane of no image.
    """
    dataset = read_header(root, relative)
    counts = Counter[str]() if left_out is None else left_out
    with explained(relative):
        if "StructureSetROISequence" not in dataset:
            raise SourceError("not an RTSTRUCT", f"SOP class {dataset.get('SOPClassUID', 'unknown')}", relative)
        drawn: Any = {int(each.ReferencedROINumber): each for each in dataset.get("ROIContourSequence") or ()}
        described: list[tuple[str, int, str]] = [
            (str(each.get("ROIName") or each.ROINumber).strip(), int(each.ROINumber),
             str(each.get("ReferencedFrameOfReferenceUID") or ""))
            for each in dataset.StructureSetROISequence
        ]  # fmt: skip
    for name, number, space in described:
        if name in ignored:
            continue
        contours: Any = drawn[number].get("ContourSequence") or () if number in drawn else ()
        with explained(relative):
            try:
                mask = _filled(contours, images, space, name, counts, partial=partial)
            except OtherGridError as problem:
                raise SourceError(OTHER_GRID, f'"{name}": {problem}', relative) from problem
        if mask is not None and not partial:
            require_every_image(mask, name, relative)
        yield name, mask


def _filled(
    contours: Sequence[pydicom.Dataset],
    images: Sequence[Slice],
    space: str,
    name: str,
    left_out: Counter[str],
    *,
    partial: bool,
) -> Mask | None:
    by_image: dict[int, list[tuple[str, npt.NDArray[np.float64]]]] = {}
    limit_mm = _limit_mm(images)
    for contour in contours:
        kind = str(contour.get("ContourGeometricType") or "")
        points_mm = np.asarray([float(value) for value in contour.get("ContourData") or ()])
        if kind not in (_CLOSED, _XOR) or points_mm.size < 9 or points_mm.size % 3:
            left_out[f"contour that is no closed region ({kind or 'no type'}, {points_mm.size // 3} points)"] += 1
            continue
        require_same_space(space, images)
        points_mm = points_mm.reshape(-1, 3)
        index = nearest(points_mm, images, limit_mm)
        if index is None:
            normal = np.cross(images[0].orientation[:3], images[0].orientation[3:])
            heights = points_mm @ normal
            is_flat = float(np.ptp(heights)) <= 2 * limit_mm
            if partial and is_flat:
                left_out["contour on no slice"] += 1
                continue
            where = f"at {heights.mean():.2f} mm" if is_flat else f"from {heights.min():.2f} to {heights.max():.2f} mm"
            raise OtherGridError(f"a contour {where} along the slices' normal lies in the plane of no image")
        by_image.setdefault(index, []).append((kind, in_pixels(points_mm, images[index])[:, :2]))
    if not by_image:
        return None
    array: Mask = allocate((len(images), *images[0].rows_columns), np.uint8)
    array[...] = 0
    for index, outlines in by_image.items():
        array[index] = combined(outlines, images[index].rows_columns)
        if not array[index].any():
            left_out["contour between the centres of pixels"] += len(outlines)
    return array


def _limit_mm(images: Sequence[Slice]) -> float:
    """Return how far a contour may lie from its image: planning systems round to a tenth of a millimetre."""
    steps = [float(step) for step in distances_mm(images) if step > 0]
    return min(max(0.1, 0.1 * min(steps)), 0.4 * min(steps)) if steps else 0.1


def combined(outlines: Sequence[tuple[str, npt.NDArray[np.float64]]], shape: tuple[int, int]) -> Mask:
    """Return the region of all contours of a structure in one image; see the rules above.

    Args:
        outlines: (geometric type, `[n, 2]` of column and row, where whole numbers are centres of pixels).
        shape: Rows and columns of the image.
    """
    closed = [filled(points, shape) for kind, points in outlines if kind == _CLOSED]
    region = np.zeros(shape, np.uint8)
    done: list[Mask] = []
    # Larger first: what lies inside another comes after it.
    for mask in sorted(closed, key=lambda each: -int(each.sum())):
        if not mask.any() or any(np.array_equal(mask, other) for other in done):  # the same contour twice is one
            continue
        around = sum(bool((other[mask != 0] != 0).all()) for other in done)
        region[mask != 0] = 1 - around % 2
        done.append(mask)
    for kind, points in outlines:
        if kind == _XOR:
            region ^= filled(points, shape)
    return region


def filled(points: npt.NDArray[np.float64], shape: tuple[int, int]) -> Mask:
    """Return the pixels whose centres lie inside an outline `[n, 2]` of column and row."""
    rows, columns = shape
    mask = np.zeros(shape, np.uint8)
    low = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 1, (columns, rows))
    if (high <= low).any():
        return mask
    # The outlines of `polygon_mask` count from the edge of the first pixel, those of DICOM from its centre.
    part = polygon_mask(points - low + 0.5, (int(high[1] - low[1]), int(high[0] - low[0])))
    mask[low[1] : high[1], low[0] : high[0]] = part
    return mask
