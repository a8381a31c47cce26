"""A DICOM SEG object ▶ masks on the images it was drawn on (PS3.3 A.51, C.8.20), one image after the other.

Each frame is placed by its own position, so that it does not matter which slices the SEG leaves out, in which order it
has them, or whether the images lie evenly. Where frames have no position (X-ray, ultrasound, visible light), the image
that they name is theirs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from gmai_formats.pictures.dicom import frame_count, frame_header

from gmai_data.imaging.dicom_pixels import decode_pixels, explained, read_dicom
from gmai_data.imaging.dicom_stacks import Slice
from gmai_data.imaging.large import allocate
from gmai_data.imaging.placing import OtherGridError, Place, place_of
from gmai_data.ledger import SourceError

Mask = npt.NDArray[np.uint8]
OTHER_GRID = "image and mask grids differ"


@dataclass(frozen=True)
class _Frame:
    number: int
    place: Place


def load_segments(
    root: Path,
    relative: str,
    images: Sequence[Slice],
    *,
    fraction: float | None = None,
    partial: bool = False,
    left_out: Counter[str] | None = None,
) -> Iterator[tuple[str, Mask]]:
    """Yield (segment label, mask `[image, row, column]` of 0 and 1) for each segment, one at a time.

    Segments may overlap. Those of one label are yielded one by one.

    Args:
        root: The source's folder.
        relative: Path of the SEG.
        images: The images it was drawn on, of one size and orientation.
        fraction: From which fraction on a pixel of a FRACTIONAL SEG is marked; None refuses such a SEG.
        partial: The images are some of those that the SEG was drawn on: frames on others are left out.
        left_out: Takes the count of those.

    Raises:
        SourceError: No SEG, a fractional one without a threshold, or frames that lie on none of the images.
    """
    dataset = read_dicom(root, relative)
    with explained(relative):
        labels = _labels(dataset, relative)
        kind = str(dataset.get("SegmentationType") or "")
        threshold = _threshold(dataset, kind, fraction, relative)
        frames, beside = _frames(dataset, images, relative, partial=partial)
    if beside and left_out is not None:
        left_out["frame of a mask on no slice"] += beside
    if kind == "LABELMAP":
        yield from _label_map(dataset, labels, [each for found in frames.values() for each in found], images, relative)
        return
    for number, label in labels.items():
        mask = _empty(images, np.uint8)
        marked = False
        for frame in frames.get(number, ()):
            marked |= frame.place.paint(mask, _pixels(dataset, frame.number, relative) >= threshold)
        if marked and not partial:
            require_every_image(mask, label, relative)
        yield label, mask


def require_every_image(mask: Mask, label: str, file: str) -> None:
    """Refuse what was drawn on every second image only: whether the label shows between them is not known.

    Raises:
        SourceError: The images with a mark follow one another in equal steps of two or more, but for a third of them.
    """
    steps = np.diff(np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1)))
    if len(steps) > 1 and (step := int(steps.min())) > 1 and 3 * np.count_nonzero(steps == step) >= 2 * len(steps):
        detail = f'"{label}" is drawn on one of {step} images; draw it on all of them, or use the series it is of'
        raise SourceError("mask leaves images out", detail, file)


def _labels(dataset: pydicom.Dataset, file: str) -> dict[int, str]:
    described: Any = dataset.get("SegmentSequence")
    if not described:
        raise SourceError("not a DICOM SEG", f"SOP class {dataset.get('SOPClassUID', 'unknown')}, no segments", file)
    # Number 0 of a label map is its background (PS3.3 C.8.20.2.3.3).
    found = {int(each.SegmentNumber): str(each.get("SegmentLabel") or each.SegmentNumber) for each in described}
    return {number: label.strip() for number, label in found.items() if number > 0}


def _threshold(dataset: pydicom.Dataset, kind: str, fraction: float | None, file: str) -> float:
    """Return the stored value from which on a pixel is marked."""
    if kind in ("BINARY", "LABELMAP"):
        return 1
    if kind != "FRACTIONAL":
        raise SourceError("not a DICOM SEG", f'segmentation type "{kind}", which is none of DICOM\'s', file)
    if fraction is None:
        detail = "the SEG holds fractions; say in the layout from which on a pixel is marked (`fraction: 0.5`)"
        raise SourceError("mask is not a label mask", detail, file)
    return max(fraction * float(dataset.get("MaximumFractionalValue") or 255), 1)


def _frames(
    dataset: pydicom.Dataset, images: Sequence[Slice], file: str, *, partial: bool
) -> tuple[dict[int, list[_Frame]], int]:
    shared: Any = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    own: Any = dataset.get("PerFrameFunctionalGroupsSequence") or []
    found: dict[int, list[_Frame]] = {}
    missed: list[OtherGridError] = []
    count = frame_count(dataset)
    if len(own) not in (0, count):
        raise SourceError("DICOM header unusable", f"{count} frames, but {len(own)} functional groups", file)
    for number in range(count):
        groups = own[number] if own else pydicom.Dataset()
        named: Any = groups.get("SegmentIdentificationSequence") or shared.get("SegmentIdentificationSequence")
        segment = int(named[0].ReferencedSegmentNumber) if named else 0
        try:
            place = _place(dataset, number, (groups, shared), images)
        except OtherGridError as problem:
            missed.append(problem)
            if partial and problem.is_beside:
                continue
            raise SourceError(OTHER_GRID, str(problem), file) from problem
        found.setdefault(segment, []).append(_Frame(number, place))
    if not found and missed:
        raise SourceError(OTHER_GRID, str(missed[0]), file)
    return found, len(missed)


def _place(dataset: pydicom.Dataset, number: int, groups: Sequence[Any], images: Sequence[Slice]) -> Place:
    size = (int(dataset.Rows), int(dataset.Columns))
    header = frame_header(dataset, number)
    if header.get("ImagePositionPatient") and header.get("ImageOrientationPatient") and images[0].has_place:
        spacing: Any = header.get("PixelSpacing") or (0, 0)
        return place_of(
            size,
            np.asarray([float(value) for value in header.ImageOrientationPatient]),
            np.asarray([float(value) for value in header.ImagePositionPatient]),
            (float(spacing[0]), float(spacing[1])),
            str(dataset.get("FrameOfReferenceUID") or ""),
            images,
        )
    named = {
        (str(source.ReferencedSOPInstanceUID), int(frame))
        for group in groups
        for derived in group.get("DerivationImageSequence") or ()
        for source in derived.get("SourceImageSequence") or ()
        for frame in _numbers(source.get("ReferencedFrameNumber"))
    }
    hits = [index for index, each in enumerate(images) if {(each.uid, (each.frame or 0) + 1), (each.uid, 0)} & named]
    if not named and len(images) == 1:
        hits = [0]
    if len(hits) != 1:
        what = f"{len(hits)} of the images" if named else "no image, and has no position"
        raise OtherGridError(f"frame {number + 1} of the SEG names {what}", is_beside=bool(named) and not hits)
    if images[hits[0]].rows_columns != size:
        raise OtherGridError(
            f"{size[1]}×{size[0]} pixels on an image of {'×'.join(map(str, images[hits[0]].rows_columns[::-1]))}"
        )
    return Place(hits[0])


def _numbers(value: Any) -> list[int]:
    """Return the frame numbers of a reference, from 1; 0 stands for all frames."""
    if value is None or value == "":
        return [0]
    return [int(each) for each in (value if isinstance(value, Sequence) and not isinstance(value, str) else [value])]


def _pixels(dataset: pydicom.Dataset, frame: int, file: str) -> npt.NDArray[Any]:
    """Return one frame. Frames of single bits follow one another without a gap (PS3.5 8.1.1), inside bytes too."""
    if int(dataset.get("BitsAllocated") or 0) != 1 or dataset.file_meta.TransferSyntaxUID.is_compressed:
        return decode_pixels(dataset, file, frame)
    shape = (int(dataset.Rows), int(dataset.Columns))
    size = shape[0] * shape[1]
    first, last = frame * size, (frame + 1) * size
    packed = np.frombuffer(dataset.PixelData, np.uint8)[first // 8 : (last + 7) // 8]
    bits = np.unpackbits(packed, bitorder="little")[first % 8 :][:size]
    if bits.size < size:
        raise SourceError("DICOM pixels unreadable", f"the pixels end before frame {frame + 1}", file)
    return bits.reshape(shape)


def _empty(images: Sequence[Slice], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    array = allocate((len(images), *images[0].rows_columns), dtype)
    array[...] = 0
    return array


def _label_map(
    dataset: pydicom.Dataset, labels: dict[int, str], frames: Sequence[_Frame], images: Sequence[Slice], file: str
) -> Iterator[tuple[str, Mask]]:
    numbers = _empty(images, np.uint16)
    for frame in frames:
        frame.place.paint(numbers, _pixels(dataset, frame.number, file))
    unknown = sorted(set(np.unique(numbers).tolist()) - {0, *labels})
    if unknown:
        raise SourceError("label not in the map", f"segment {unknown[0]} has marks, but is not described", file)
    for number, label in labels.items():
        yield label, (numbers == number).astype(np.uint8)
