"""The files of a DICOM series, or one enhanced multi-frame file ▶ volumes in the display convention.

Headers are read first and pixels one slice at a time, so memory holds the volume and one slice.
"""

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from gmai_formats.files import is_folder
from gmai_formats.pictures.dicom import NO_DICOM, frame_count, frame_header
from gmai_formats.pictures.display import (
    HeaderDisplay,
    header_display,
    modality_values,
    output_range,
    states_hounsfield,
)

from gmai_data.imaging.deidentify import header_facts, set_aside
from gmai_data.imaging.dicom_folder import files_of
from gmai_data.imaging.dicom_pixels import decode_pixels, explained, read_dicom, read_header
from gmai_data.imaging.dicom_stacks import (
    EVEN_SHARE,
    GAP_SHARE,
    Gaps,
    Planes,
    Slice,
    Stack,
    distances_mm,
    separating_values,
    stacks_of,
)
from gmai_data.imaging.grids import Volume, on_planes
from gmai_data.imaging.large import allocate, release
from gmai_data.imaging.rules import Deidentification
from gmai_data.imaging.source_files import on_disk
from gmai_data.imaging.suv import suv_factor
from gmai_data.ledger import SetAside, SourceError

NO_PLACE = "DICOM geometry missing"
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
TILT_DEGREES = 0.5
"""Slices whose stack leans more than this from their normal are flagged: the volume is sheared, not a box."""


def load_series(
    root: Path,
    files: Sequence[str],
    rule: Deidentification | None = None,
    gaps: Gaps = "refuse",
    masks: Collection[str] = (),
) -> list[Volume]:
    """Read the volumes of one series: slices sorted along their normal, values after the modality LUT (HU for CT).

    Localizers, dose pages and held-back images are left out; the flags of the first volume count them.

    Args:
        root: The source's folder.
        files: Files of the series, or its folder.
        rule: What is held back.
        gaps: What a missing slice does, see `stacks_of`.
        masks: Files that lie among the slices and are read as masks.

    Raises:
        SourceError: No slices, several series or patients, missing positions, or gaps: a volume with a missing slice
            would shift every label behind it.
        SetAside: There are no images but such as are left out; or, of a folder that was sorted into series, this one is
            no volume.
    """
    place = files[0] if len(files) == 1 else str(PurePosixPath(files[0]).parent)
    kept, aside = _headers(root, files, rule or Deidentification(), masks)
    for name, rule_ in (
        ("SeriesInstanceUID", "several series in one folder"),
        ("PatientID", "several patients"),
        ("PhotometricInterpretation", "several kinds of grey in one series"),
    ):  # colours are refused where the slice is read, by the slice
        found = {str(header.get(name) or "").strip() for _, header in kept} - {"", *_COLOURS}
        if len(found) > 1:
            raise SourceError(rule_, f"{len(found)} of them among the slices; a volume has one", place)
    if not kept and aside:
        raise SetAside(", ".join(sorted(aside)), place)
    is_sorted = not is_folder(on_disk(root, files[0]))
    try:
        slices = [each for file, header in kept for each in slices_of_file(file, header)]
    except SourceError as problem:
        if is_sorted and problem.rule == NO_PLACE:
            raise SetAside("images without a place in space", place) from problem
        raise
    if is_sorted and len(slices) == 1:
        raise SetAside("single image, no volume", place)
    if len(slices) < 2:
        left_out = "".join(f"; {count} set aside: {reason}" for reason, count in sorted(aside.items()))
        raise SourceError("not a DICOM series", f"{len(slices)} slice(s); a volume needs at least 2{left_out}", place)
    headers = dict(kept)
    stacks = stacks_of(slices, gaps, place)
    for stack in stacks:
        if headers[stack.slices[0].file].get("Modality") == "CT":
            _require_one_unit(stack)
    return [
        _volume(root, stack, headers[stack.slices[0].file], place, aside if number == 0 else {}, of=len(stacks))
        for number, stack in enumerate(stacks)
    ]


def _volume(root: Path, stack: Stack, header: pydicom.Dataset, place: str, aside: dict[str, int], *, of: int) -> Volume:
    volume, first = _stack(root, stack, place), stack.slices[0]
    divided = (f"one of {of} volumes of its series: {', '.join(stack.told_by)}",) if of > 1 else ()
    counted = (f"{count} set aside: {reason}" for reason, count in sorted(aside.items()))
    with explained(first.file):
        own = frame_header(header, first.frame or 0)
        return dataclasses.replace(
            volume,
            facts=header_facts(header),
            flags=(*volume.flags, *divided, *counted),
            suv_per_unit=suv_factor(header),
            in_hounsfield=all(each.in_unit for each in stack.slices),
            mirror=sum(output_range(own)) if own.get("PhotometricInterpretation") == "MONOCHROME1" else None,
        )


def _require_one_unit(stack: Stack) -> None:
    """Refuse a CT of which some slices are in HU and others in whatever they were stored in.

    Raises:
        SourceError: It is one.
    """
    bare = [each for each in stack.slices if not each.in_unit]
    if 0 < len(bare) < len(stack.slices):
        detail = f"{len(bare)} of {len(stack.slices)} slices do not say how their values become HU, the others do"
        raise SourceError("slices in different units", f"{detail}; export the series again", bare[0].file)


def _headers(
    root: Path, files: Sequence[str], rule: Deidentification, masks: Collection[str]
) -> tuple[list[tuple[str, pydicom.Dataset]], dict[str, int]]:
    if len(files) == 1 and not on_disk(root, files[0]).exists():
        raise SourceError("folder missing", "the recipe lists it; download it or take it off the list", files[0])
    kept: list[tuple[str, pydicom.Dataset]] = []
    aside: dict[str, int] = {}
    for file in files_of(root, tuple(files)):
        if file in masks:
            continue
        try:
            header = _image_header(root, file)
            with explained(file):
                set_aside(header, rule, file)
        except SetAside as reason:
            aside[reason.rule] = aside.get(reason.rule, 0) + 1
        else:
            kept.append((file, header))
    return kept, aside


def _image_header(root: Path, file: str) -> pydicom.Dataset:
    """Return a header, or set aside what stands among slices without being one: read-me files, DICOMDIR, reports."""
    try:
        header = read_header(root, file)
    except SourceError as problem:
        if problem.rule == NO_DICOM:
            raise SetAside("no DICOM file", file) from problem
        raise
    if "Rows" not in header:
        raise SetAside("DICOM file without an image", file)
    return header


def slices_of_file(file: str, header: pydicom.Dataset) -> Iterator[Slice]:
    """Yield the places of a file's frames, or of its only image.

    Raises:
        SourceError: The header does not give them.
    """
    with explained(file):
        frames: Any = header.get("PerFrameFunctionalGroupsSequence")
        if frames and len(frames) != frame_count(header):
            detail = f"NumberOfFrames says {frame_count(header)}, and {len(frames)} frames are described"
            raise SourceError("frames and their description differ", f"{detail}; export the object again", file)
        rows_columns = (int(header.Rows), int(header.Columns))
        uid, space = (str(header.get(name) or "") for name in ("SOPInstanceUID", "FrameOfReferenceUID"))
    for number in range(len(frames)) if frames else (None,):
        with explained(file):
            own = frame_header(header, number or 0)
            in_unit = states_hounsfield(own)
        yield Slice(
            file, number, rows_columns, _numbers(own, "ImageOrientationPatient", 6, file),
            _numbers(own, "ImagePositionPatient", 3, file), _spacing(own, file), separating_values(own),
            uid, _display(own, file), in_unit, space,
        )  # fmt: skip


def slice_of_image(file: str, header: pydicom.Dataset, frame: int) -> Slice:
    """Return the place of one frame; where its header gives none, as in an X-ray, what is left says which image it is.

    Raises:
        SourceError: The header is damaged.
    """
    try:
        return list(slices_of_file(file, header))[frame if header.get("PerFrameFunctionalGroupsSequence") else 0]
    except SourceError as problem:
        if problem.rule != NO_PLACE:
            raise
    with explained(file):
        nowhere = np.empty(0)
        return Slice(
            file, frame, (int(header.Rows), int(header.Columns)), nowhere, nowhere, (1.0, 1.0),
            uid=str(header.get("SOPInstanceUID") or ""),
        )  # fmt: skip


def _display(header: pydicom.Dataset, file: str) -> HeaderDisplay:
    """Return what a header offers; a damaged table is none, and refused where a card asks for it."""
    try:
        with explained(file):
            return header_display(header)
    except SourceError:
        return HeaderDisplay()


def _spacing(header: pydicom.Dataset, file: str) -> tuple[float, float]:
    row_mm, column_mm = _numbers(header, "PixelSpacing", 2, file)
    return float(row_mm), float(column_mm)


def _stack(root: Path, stack: Stack, folder: str) -> Volume:
    placed = stack.slices
    first = placed[0]
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    gaps_mm = distances_mm(placed)
    mean_mm, spread_mm = float(gaps_mm.mean()), float(gaps_mm.max() - gaps_mm.min())
    step = (placed[-1].position - placed[0].position) / (len(placed) - 1)
    tilt = float(np.degrees(np.arccos(np.clip(step @ normal / np.linalg.norm(step), -1, 1))))
    flags = [f"gantry tilt {tilt:.1f} degrees"] if tilt > TILT_DEGREES else []
    if EVEN_SHARE * mean_mm < spread_mm <= GAP_SHARE * mean_mm:
        flags.append(f"uneven slice spacing {gaps_mm.min():.2f}-{gaps_mm.max():.2f} mm")
    row_mm, column_mm = first.spacing_mm
    # PS3.3 C.7.6.2.1.1 gives the affine of (column, row, slice) in LPS, NIfTI's is RAS.
    affine = np.eye(4)
    affine[:3, 0] = first.orientation[:3] * column_mm
    affine[:3, 1] = first.orientation[3:] * row_mm
    affine[:3, 2], affine[:3, 3] = step, placed[0].position
    planes = Planes(placed, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    volume = on_planes(_pixels(root, placed), planes, file=folder)
    return dataclasses.replace(volume, flags=(*flags, *stack.flags), planes=planes)


def _pixels(root: Path, placed: Sequence[Slice]) -> npt.NDArray[Any]:
    """Return `[slice, row, column]` in HU: as 16-bit numbers where that loses nothing, else as 32-bit floats."""
    array: npt.NDArray[Any] | None = None
    opened: tuple[str, pydicom.Dataset] | None = None
    for index, each in enumerate(placed):
        if opened is None or opened[0] != each.file:
            opened = (each.file, read_dicom(root, each.file))
        values = _values(opened[1], each)
        if array is None:
            array = allocate((len(placed), *each.rows_columns), np.int16 if _fits(values) else np.float32)
        elif array.dtype == np.int16 and not _fits(values):
            wider = allocate(array.shape, np.float32)
            for done in range(index):
                wider[done] = array[done]
            array = wider
        array[index] = values
        release(array)
    if array is None:
        raise RuntimeError("a series without slices was to be stacked")
    return array


def _values(dataset: pydicom.Dataset, each: Slice) -> npt.NDArray[Any]:
    frame = decode_pixels(dataset, each.file, each.frame)
    if frame.ndim != 2 or dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        found = f"shape {frame.shape}, {dataset.get('PhotometricInterpretation')}"
        raise SourceError("slice is not one grey frame", found, each.file)
    with explained(each.file):
        return modality_values(frame_header(dataset, each.frame or 0), frame)


def _fits(values: npt.NDArray[Any]) -> bool:
    low, high = float(values.min()), float(values.max())
    in_range = low >= -32768 and high <= 32767
    return in_range and (values.dtype.kind in "iu" or bool(np.array_equal(values, np.rint(values))))


def _numbers(dataset: pydicom.Dataset, name: str, count: int, file: str) -> npt.NDArray[np.float64]:
    value: Any = dataset.get(name)
    try:
        numbers = np.asarray([float(number) for number in value], dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise SourceError(NO_PLACE, f"no {name} with {count} numbers in the header", file)
    return numbers
