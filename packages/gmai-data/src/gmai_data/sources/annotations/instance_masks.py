"""Masks with a number for each object, or a channel for each class ▶ objects with their classes."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.boxes import regions
from gmai_data.ledger import SourceError

Found = list[tuple[str, tuple[int, int, int, int], int]]
"""(raw label, box, area in pixels) of each object."""
MaskForm = Literal["classes", "instances", "one_hot", "instances_per_class", "instances_and_classes"]


def objects_of(mask: npt.NDArray[Any], form: MaskForm, file: str, *, whole_labels: bool = False) -> Found:
    """Return the objects of a mask.

    Args:
        mask: `[height, width]`, or with channels last.
        form: classes: values are raw labels; instances: each value is one object of raw label `1`; one_hot: a channel
            per raw label, 0, 1, 2 …, marked where it is not 0; instances_per_class: such channels with numbered
            objects; instances_and_classes: two channels, the number of the object and its raw label.
        file: Named in the reasons.
        whole_labels: One box per class instead of one per region, where objects have no numbers.

    Raises:
        SourceError: The mask has another form, or an object has several classes.
    """
    mask = whole_ids(mask, file)
    channels = 1 if mask.ndim == 2 else mask.shape[2]
    wanted = {"classes": 1, "instances": 1, "instances_and_classes": 2}.get(form)
    if mask.ndim not in (2, 3) or (wanted is not None and channels != wanted):
        raise SourceError(
            "mask of another form", f"shape {mask.shape}; {form} has {wanted or 'several'} channels", file
        )
    if form == "classes":
        flat = mask if mask.ndim == 2 else mask[..., 0]
        return [(str(number), box, area) for number, box, area in regions(flat, whole_labels=whole_labels)]
    if form == "instances":
        flat = mask if mask.ndim == 2 else mask[..., 0]
        return [("1", box, area) for _, box, area in regions(flat, whole_labels=True)]
    if form == "instances_and_classes":
        return numbered_objects(mask[..., 0], classes_by_map(mask[..., 0], mask[..., 1], file), file)
    found: Found = []
    for channel in range(channels):
        plane = np.ascontiguousarray(mask[..., channel] if mask.ndim == 3 else mask)
        if form == "one_hot":
            plane, whole = (plane != 0).astype(np.uint8), whole_labels
        else:
            whole = True
        found += [(str(channel), box, area) for _, box, area in regions(plane, whole_labels=whole)]
    return found


def numbered_objects(numbers: npt.NDArray[Any], classes: Mapping[int, str], file: str) -> Found:
    """Return one object per number of a map.

    Args:
        numbers: `[height, width]`, 0 is nothing.
        classes: Number ▶ raw label.
        file: Named in the reasons.

    Raises:
        SourceError: A number without a class.
    """
    found: Found = []
    for number, box, area in regions(whole_ids(numbers, file), whole_labels=True):
        raw = classes.get(number)
        if raw is None:
            raise SourceError("object without a class", f"number {number} of the mask has none in the list", file)
        found.append((raw, box, area))
    return found


def classes_by_map(numbers: npt.NDArray[Any], classes: npt.NDArray[Any], file: str) -> dict[int, str]:
    """Return number ▶ raw label from a map of the classes of the same size.

    Raises:
        SourceError: The sizes differ, or the pixels of an object are of several classes.
    """
    if numbers.shape != classes.shape:
        detail = f"objects {numbers.shape}, classes {classes.shape}; they must be equal"
        raise SourceError("mask of another size", detail, file)
    numbers, classes = whole_ids(numbers, file), whole_ids(classes, file)
    marked = numbers != 0
    pairs = np.unique(np.stack([numbers[marked].astype(np.int64), classes[marked].astype(np.int64)]), axis=1)
    ids, counts = np.unique(pairs[0], return_counts=True)
    if (counts > 1).any():
        raise SourceError("object of several classes", f"number {int(ids[counts > 1][0])} of the mask", file)
    return {int(number): str(int(kind)) for number, kind in pairs.T}


def classes_by_list(classes: npt.NDArray[Any], numbers: npt.NDArray[Any] | None, file: str) -> dict[int, str]:
    """Return number ▶ raw label from a list of classes, of the objects 1, 2, 3 … or of those in `numbers`.

    Raises:
        SourceError: The lists differ in length.
    """
    listed = whole_ids(classes.reshape(-1), file)
    ids = np.arange(1, len(listed) + 1) if numbers is None else whole_ids(numbers.reshape(-1), file)
    if len(ids) != len(listed):
        raise SourceError("mask of another form", f"{len(listed)} classes, {len(ids)} numbers of objects", file)
    return {int(number): str(int(kind)) for number, kind in zip(ids, listed, strict=True)}


def whole_ids(mask: npt.NDArray[Any], file: str) -> npt.NDArray[Any]:
    """Return a mask as integers.

    Raises:
        SourceError: It has fractions or values that are no numbers.
    """
    if mask.dtype == np.bool_:
        return mask.astype(np.uint8)
    if mask.dtype.kind == "f":
        whole = np.rint(mask)
        if not np.array_equal(whole, mask) or np.abs(whole).max(initial=0) >= 2**31:
            raise SourceError("mask is not a label mask", "it has fractions, or values that are no numbers", file)
        return whole.astype(np.int32)
    return mask
