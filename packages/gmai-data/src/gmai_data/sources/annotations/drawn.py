"""What marks DICOM images by reference: SEG, RTSTRUCT and LIDC XML; which images a file names, and what it marks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gmai_formats.pictures.dicom import header_errors, parse_dicom
from gmai_formats.pictures.problems import PictureError
from pydantic import BaseModel, ConfigDict, Field

from gmai_data.imaging.dicom_seg import OTHER_GRID, Mask, load_segments
from gmai_data.imaging.dicom_stacks import Slice
from gmai_data.imaging.source_files import group_of_header, matching, on_disk, relative_to
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.contours import STRUCTURE_SET, load_structures
from gmai_data.sources.annotations.lidc import NODULE, is_lidc, load_readings, names_of_series
from gmai_data.sources.card import Card
from gmai_data.sources.items import Item

Kind = Literal["SEG", "RTSTRUCT", "LIDC"]
_KINDS: dict[str, Kind] = {
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.7": "SEG",
    STRUCTURE_SET: "RTSTRUCT",
}
_SERIES, _IMAGE = "SeriesInstanceUID", "ReferencedSOPInstanceUID"
_READ = (
    "SOPClassUID", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "ReferencedSeriesSequence",
    "ReferencedFrameOfReferenceSequence", "ROIContourSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
"""Enough to know what such an object was drawn on (PS3.3 C.12.4, C.8.8.5, C.7.6.16)."""


_OF_IMAGE = (_SERIES, "SOPInstanceUID", "FrameOfReferenceUID")


class DrawnRule(BaseModel):
    """How objects that mark images are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: str
    """Pattern of the files; of those that match, SEG, RTSTRUCT and LIDC XML are taken and all others passed over."""
    fraction: float | None = Field(default=None, gt=0, le=1)
    """Fraction from which a pixel of a fractional SEG is marked; without it such a SEG is refused."""
    readers: int = Field(default=2, ge=1, le=4)
    """LIDC XML: how many of the readers must have marked a voxel; its raw label is `nodule`."""
    missing: Literal["uncertain", "absent"] = "uncertain"
    """What a label is that none of an image's files names: nobody may have drawn it, or it is known not to be there."""


@dataclass(frozen=True)
class Marks:
    """A file that marks images, and what it says that it was drawn on."""

    file: str
    kind: Kind
    series: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    spaces: frozenset[str] = frozenset()
    group: str = ""
    problem: tuple[str, str] | None = None


@dataclass
class Notes:
    """What is to be said of masks beside the masks."""

    uncertain: dict[str, None] = field(default_factory=dict[str, None])
    """Raw labels that are there, but not everywhere where they are: what has no region, or too few readers."""
    left_out: Counter[str] = field(default_factory=Counter[str])
    """Reason ▶ count of frames and contours that could not be used."""


def list_marks(root: Path, pattern: str, *, recipe: str) -> list[Marks]:
    """Return the files that mark images, of those that match.

    Raises:
        UserError: None do; a card that asks for them is not of this folder.
    """
    paths = matching(root, pattern, recipe=recipe, what="annotations")
    return [marks for name in paths if (marks := marks_of(root, root / name)) is not None]


def marks_of(root: Path, path: Path) -> Marks | None:
    """Return what a file was drawn on, or None where it is none that marks images."""
    file = relative_to(root, path)
    if path.suffix.lower() == ".xml":
        return _lidc(root, path, file)
    try:
        with header_errors():
            first = parse_dicom(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            kind = _KINDS.get(str(first.get("SOPClassUID") or ""))
            if kind is None:
                return None
            header = parse_dicom(path, stop_before_pixels=True, specific_tags=list(_READ))
            series, images, spaces = set[str](), set[str](), set[str]()
            _collect(header, series, images, spaces)
            group = group_of_header(header)
    except PictureError:
        return None  # no DICOM file, or one so damaged that nothing says it is a mask: it is judged as an image
    return Marks(file, kind, frozenset(series), frozenset(images), frozenset(spaces), group)


def names_marked(path: Path) -> tuple[str, ...] | None:
    """Return the raw labels that a SEG or RTSTRUCT states, or None where a file is neither."""
    tags = ["SOPClassUID", "SegmentSequence", "StructureSetROISequence"]
    try:
        with header_errors():
            header = parse_dicom(path, stop_before_pixels=True, specific_tags=tags)
            if str(header.get("SOPClassUID") or "") not in _KINDS:
                return None
            segments = [each.get("SegmentLabel") or each.SegmentNumber for each in header.get("SegmentSequence") or ()]
            structures = [each.get("ROIName") or each.ROINumber for each in header.get("StructureSetROISequence") or ()]
    except PictureError:
        return None
    return tuple(str(name).strip() for name in (*segments, *structures))


def _lidc(root: Path, path: Path, file: str) -> Marks | None:
    if not path.is_file() or not is_lidc(path):
        return None
    try:
        series, images = names_of_series(root, file)
    except SourceError as problem:
        return Marks(file, "LIDC", problem=(problem.rule, problem.detail))
    return Marks(file, "LIDC", frozenset({series} - {""}), images)


def _collect(dataset: Any, series: set[str], images: set[str], spaces: set[str]) -> None:
    """Collect the UIDs that are named at any depth."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _collect(item, series, images, spaces)
        elif element.keyword == _SERIES:
            series.add(str(element.value))
        elif element.keyword == _IMAGE:
            images.add(str(element.value))
        elif element.keyword == "FrameOfReferenceUID":
            spaces.add(str(element.value))


@dataclass(frozen=True)
class Images:
    """What a listing knows of a series, or of one image."""

    series: str
    images: frozenset[str]
    space: str = ""


def image_of_file(path: Path) -> Images:
    """Return what a listing knows of a DICOM file; nothing where it is none, which is judged when it is read."""
    try:
        with header_errors():
            read = parse_dicom(path, stop_before_pixels=True, specific_tags=list(_OF_IMAGE))
            series, image, space = (str(read.get(name) or "") for name in _OF_IMAGE)
    except PictureError:
        return Images("", frozenset())
    return Images(series, frozenset({image}) - {""}, space)


def given_to(marks: Sequence[Marks], known: Sequence[Images]) -> tuple[list[list[Marks]], list[Marks]]:
    """Return the marks of each of the known images, and those that belong to none.

    An object belongs to the series that it names; where there is none of these, to those with images that it names;
    and where it names nothing, to the only one in its frame of reference.
    """
    by_series: dict[str, list[int]] = {}
    by_image: dict[str, list[int]] = {}
    by_space: dict[str, list[int]] = {}
    for index, each in enumerate(known):
        by_series.setdefault(each.series, []).append(index)
        by_space.setdefault(each.space, []).append(index)
        for uid in each.images:
            by_image.setdefault(uid, []).append(index)
    given: list[list[Marks]] = [[] for _ in known]
    lost: list[Marks] = []
    for each in marks:
        owners = {index for uid in each.series for index in by_series.get(uid, ())}
        owners = owners or {index for uid in each.images for index in by_image.get(uid, ())}
        if not owners and not each.series and not each.images:
            owners = {index for space in each.spaces - {""} for index in by_space.get(space, ())}
            owners = owners if len(owners) == 1 else set()
        for index in sorted(owners):
            given[index].append(each)
        if not owners:
            lost.append(each)
    return given, lost


def lost_items(lost: Sequence[Marks]) -> Iterator[Item]:
    """Yield the masks that belong to no image as items for the quarantine."""
    for each in lost:
        detail = (
            f"the {each.kind} names no series, image or frame of reference that is here just once; put the images that "
            "it was drawn on beside it, or narrow the pattern of the annotations"
        )
        yield Item(each.file, (each.file,), each.group, problem=each.problem or ("mask without its images", detail))


def drawn_on(
    root: Path,
    files: Sequence[str],
    images: Sequence[Slice],
    rule: DrawnRule,
    card: Card,
    notes: Notes,
    *,
    partial: bool,
) -> Iterator[tuple[str, Mask, str]]:
    """Yield (raw label, mask `[image, row, column]`, file) of what files mark on the images of one volume.

    Args:
        root: The source's folder.
        files: SEG, RTSTRUCT, LIDC XML.
        images: Of one size and orientation, in order along their normal.
        rule: How they are read.
        card: Its background is passed over; its labels that no file names are noted, by the rule.
        notes: Takes what could not be used.
        partial: There are other images that they were drawn on, too.

    Raises:
        SourceError: A file cannot be read or does not fit, or two of them mark the same label.
    """
    owners: dict[str, str] = {}
    for file in files:
        for raw, mask in _structures(root, file, images, rule, card.background, notes, partial=partial):
            if raw in card.background:
                continue
            if owners.setdefault(raw, file) != file:
                detail = f'"{raw}" is marked by {owners[raw]}, too; narrow the pattern to one file for each label'
                raise SourceError("several masks of one label", detail, file)
            if mask is None:
                notes.uncertain[raw] = None
            else:
                yield raw, mask, file
    if rule.missing == "uncertain":
        notes.uncertain.update(dict.fromkeys(card.labels_beside(owners)))


def _structures(
    root: Path,
    file: str,
    images: Sequence[Slice],
    rule: DrawnRule,
    ignored: frozenset[str],
    notes: Notes,
    *,
    partial: bool,
) -> Iterator[tuple[str, Mask | None]]:
    marks = marks_of(root, on_disk(root, file))
    kind = None if marks is None else marks.kind
    if kind == "LIDC":
        readings = load_readings(root, file, images, rule.readers)
        if readings.is_open:
            notes.uncertain[NODULE] = None
        yield NODULE, readings.mask
    elif kind == "RTSTRUCT":
        if not images[0].has_place:
            raise SourceError(OTHER_GRID, "contours are in millimetres, and the image has no place in space", file)
        yield from load_structures(root, file, images, ignored=ignored, partial=partial, left_out=notes.left_out)
    else:
        yield from load_segments(root, file, images, fraction=rule.fraction, partial=partial, left_out=notes.left_out)
