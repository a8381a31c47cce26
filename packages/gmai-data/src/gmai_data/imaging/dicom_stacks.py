"""The slices of one DICOM series ▶ stacks that are one volume each: of one geometry, one phase, without a hole.

A series can hold several acquisitions, echoes, time points or reconstructions under one UID; they show as slices at the
same place (https://github.com/rordenlab/dcm2niix/issues/721).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pydicom
from gmai_formats.pictures.display import HeaderDisplay

from gmai_data.ledger import SourceError

EVEN_SHARE, GAP_SHARE = 0.01, 0.1
"""Distances that vary by more than the first share are flagged; by more than the second, a slice is missing."""
SAME_PLACE_MM = 1e-3
Gaps = Literal["refuse", "flag", "split"]

SEPARATING_FIELDS = (
    "AcquisitionNumber", "EchoNumbers", "EchoTime", "EffectiveEchoTime", "TemporalPositionIdentifier",
    "TemporalPositionIndex", "TriggerTime", "NominalCardiacTriggerDelayTime", "DiffusionBValue", "ImageType",
    "FrameType", "StackID", "FrameAcquisitionNumber", "ConvolutionKernel", "AcquisitionTime",
)  # fmt: skip
"""Header fields that tell the volumes of one series apart, the first that does it counts."""
NEVER_MIXED = ("ConvolutionKernel", "EchoNumbers", "DiffusionBValue")
"""Fields that have one value in one volume, however evenly the slices of two lie between one another."""
IN_TURN = ("InstanceNumber", "AcquisitionTime", "TriggerTime", "ContentTime")
"""Header fields that order the images at one place, where each place has as many: those of a dynamic series, the
directions of a diffusion series, or b-values that stand in private tags only."""


@dataclass(frozen=True)
class Slice:
    """One image of a series."""

    file: str
    frame: int | None
    rows_columns: tuple[int, int]
    orientation: npt.NDArray[np.float64]
    position: npt.NDArray[np.float64]
    spacing_mm: tuple[float, float]
    separating: tuple[tuple[str, str], ...] = ()
    """(field, value) of `SEPARATING_FIELDS` and `IN_TURN`, of those that the header has."""
    uid: str = ""
    """SOP Instance UID of the file."""
    display: HeaderDisplay = field(default_factory=HeaderDisplay)
    """How its header asks for it to be shown, which may differ from slice to slice."""
    in_unit: bool = False
    """Whether its header says how stored values become HU."""
    space: str = ""
    """Frame of Reference UID: positions of two objects can be compared only where it is the same."""

    def is_like(self, other: "Slice") -> bool:
        """Return whether two slices can be of one volume: of one size, orientation and pixel spacing."""
        return (
            self.rows_columns == other.rows_columns
            and np.allclose(self.orientation, other.orientation, atol=1e-3)
            and np.allclose(self.spacing_mm, other.spacing_mm, rtol=1e-3)
        )

    @property
    def has_place(self) -> bool:
        """Return whether the header says where the image lies in space."""
        return self.orientation.size == 6 and self.position.size == 3

    @property
    def place_mm(self) -> float:
        """Return the position along the normal."""
        return float(self.position @ np.cross(self.orientation[:3], self.orientation[3:]))


@dataclass(frozen=True)
class Stack:
    """Slices in order of their places, and how this stack was told from others of its series."""

    slices: tuple[Slice, ...]
    told_by: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planes:
    """Where the slices of a volume lie, so that what was drawn on them can be placed slice by slice.

    `affine` maps (column, row, slice, 1) as stored to RAS+ millimetres; where slices are missing, a slice is found by
    its own position, never by the affine.
    """

    slices: tuple[Slice, ...]
    affine: npt.NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the number of slices, rows and columns."""
        return (len(self.slices), *self.slices[0].rows_columns)

    @property
    def uids(self) -> frozenset[str]:
        """Return the SOP Instance UIDs of the slices."""
        return frozenset(each.uid for each in self.slices) - {""}


def separating_values(header: pydicom.Dataset) -> tuple[tuple[str, str], ...]:
    """Return the values by which the volumes of one series are told apart."""
    return tuple(
        (name, str(header.get(name))) for name in (*SEPARATING_FIELDS, *IN_TURN) if header.get(name) not in (None, "")
    )


def stacks_of(slices: Sequence[Slice], gaps: Gaps, folder: str) -> list[Stack]:
    """Return the volumes of a series, each with at least two slices.

    Args:
        slices: Of one series.
        gaps: What a missing slice does: refuse the series, flag the volume, or divide it there.
        folder: Named in the error.

    Raises:
        SourceError: Slices at the same place that no field tells apart, uneven spacing, or no two slices of a kind.
    """
    kinds: list[list[Slice]] = []
    own = {(each.uid or number, each.frame, each.separating, each.place_mm): each for number, each in enumerate(slices)}
    copies, slices = len(slices) - len(own), list(own.values())
    for each in slices:
        kind = next((kind for kind in kinds if each.is_like(kind[0])), None)
        if kind is None:
            kinds.append([each])
        else:
            kind.append(each)
    found: list[Stack] = []
    for number, kind in enumerate(kinds):
        told_by = (f"geometry {number + 1} of {len(kinds)}",) if len(kinds) > 1 else ()
        for stack in _divide(Stack(_in_order(kind), told_by)):
            found.extend(_without_holes(stack, gaps, folder))
    usable = [stack for stack in found if len(stack.slices) > 1]
    alone = len(slices) - sum(len(stack.slices) for stack in usable)
    if not usable:
        raise SourceError("not a DICOM series", f"{alone} slice(s), each of its own kind; a volume needs 2", folder)
    left_out = {"slice of its own": alone, "copy of another file": copies}
    flags = (f"{count} left out: {reason}" for reason, count in left_out.items() if count)
    usable[0] = dataclasses.replace(usable[0], flags=(*usable[0].flags, *flags))
    return usable


def _in_order(slices: Sequence[Slice]) -> tuple[Slice, ...]:
    return tuple(sorted(slices, key=lambda each: each.place_mm))


def distances_mm(slices: Sequence[Slice]) -> npt.NDArray[np.float64]:
    """Return the distances of neighbouring slices."""
    return np.diff([each.place_mm for each in slices])


def _is_even(slices: Sequence[Slice]) -> bool:
    if len(slices) < 3:
        return len(slices) < 2 or distances_mm(slices)[0] > SAME_PLACE_MM
    steps = distances_mm(slices)
    return bool(steps.min() > SAME_PLACE_MM and steps.max() - steps.min() <= GAP_SHARE * steps.mean())


def _is_row(slices: Sequence[Slice]) -> bool:
    return len(slices) > 1 and _is_even(slices)


def _is_doubled(slices: Sequence[Slice]) -> bool:
    return len(slices) > 1 and bool(distances_mm(slices).min() <= SAME_PLACE_MM)


def _divide(stack: Stack) -> list[Stack]:
    for name in NEVER_MIXED:
        parts = _divided(stack, name)
        if len(parts) > 1 and all(name in dict(each.separating) for each in stack.slices):
            return [each for part in parts for each in _divide(part)]
    return _divide_uneven(stack)


def _divide_uneven(stack: Stack, names: Sequence[str] = SEPARATING_FIELDS) -> list[Stack]:
    """Divide a stack whose slices are not one even row, by the first field that makes even rows of them."""
    if _is_even(stack.slices):
        return [stack]
    divided = [_divided(stack, name) for name in names]
    # A field of which every slice has its own value (a time) tells nothing apart.
    divisions = [parts for parts in divided if 1 < len(parts) < len(stack.slices)]
    best = next((parts for parts in divisions if all(_is_row(part.slices) for part in parts)), None)
    if best is None and _is_doubled(stack.slices) and divisions:
        best = [part for first in divisions[0] for part in _divide_uneven(first, names[1:])]
    return best or _in_turn(stack) or [stack]


def _in_turn(stack: Stack) -> list[Stack] | None:
    """Return the first images of all places, the second ones and so on, or None where places have not as many."""
    places: list[list[Slice]] = []
    for each in stack.slices:  # in order of their places
        if places and each.place_mm - places[-1][0].place_mm <= SAME_PLACE_MM:
            places[-1].append(each)
        else:
            places.append([each])
    count = len(places[0])
    if count == 1 or len(places) == 1 or any(len(place) != count for place in places):
        return None
    for name in (*IN_TURN, "frame"):
        turns = [[_turn(each, name) for each in place] for place in places]
        if all(None not in turn and len(set(turn)) == count for turn in turns):
            sorted_ = [
                [each for _, each in sorted(zip(turn, place, strict=True), key=lambda pair: pair[0] or 0.0)]
                for turn, place in zip(turns, places, strict=True)
            ]
            return [
                Stack(row, (*stack.told_by, f"{name}: number {number} of {count} at each place"))
                for number, row in enumerate(zip(*sorted_, strict=True), start=1)
            ]
    return None


def _turn(each: Slice, name: str) -> float | None:
    try:
        return float(each.frame if name == "frame" and each.frame is not None else dict(each.separating)[name])
    except (KeyError, ValueError):
        return None


def _divided(stack: Stack, name: str) -> list[Stack]:
    parts: dict[str, list[Slice]] = {}
    for each in stack.slices:
        parts.setdefault(dict(each.separating).get(name, ""), []).append(each)
    return [Stack(tuple(part), (*stack.told_by, f"{name} {value or 'none'}")) for value, part in parts.items()]


def _without_holes(stack: Stack, gaps: Gaps, folder: str) -> list[Stack]:
    if _is_even(stack.slices):
        return [stack]
    steps = distances_mm(stack.slices)
    found = f"distances from {steps.min():.2f} to {steps.max():.2f} mm"
    if _is_doubled(stack.slices):
        raise SourceError(
            "uneven slice spacing",
            f"{found}; slices at the same place that no field tells apart, as in a cine of one place: read them one by "
            "one, by the layout `dicom`, or sort them into folders",
            folder,
        )
    if gaps == "flag":
        return [dataclasses.replace(stack, flags=(*stack.flags, f"missing slices: {found}"))]
    if gaps == "refuse":
        rule = "a slice is missing or doubled; slices.gaps: flag or split takes such volumes where there is no mask"
        raise SourceError("uneven slice spacing", f"{found}; {rule}", folder)
    usual = float(np.median(steps))
    cuts = [index + 1 for index, step in enumerate(steps) if step > (1 + GAP_SHARE) * usual]
    ends = zip([0, *cuts], [*cuts, len(stack.slices)], strict=True)
    rows = [Stack(stack.slices[start:end], (*stack.told_by, f"from slice {start}")) for start, end in ends]
    uneven = [row for row in rows if not _is_even(row.slices)]
    if uneven or not cuts:
        raise SourceError("uneven slice spacing", f"{found}; the slices do not lie in even rows", folder)
    return rows
