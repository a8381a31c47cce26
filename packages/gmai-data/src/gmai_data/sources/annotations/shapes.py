"""Shapes of labelling tools ▶ masks and boxes of their picture; what has no area is refused by name."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.marked_picture import MarkedPicture
from gmai_data.sources.annotations.polygons import outlines_mask, polygon_mask
from gmai_data.sources.annotations.tools.marked import Shape

_CORNERS = 360
"""Corners of the polygon that stands for a circle or an ellipse."""


def add_object(picture: MarkedPicture, shapes: Sequence[tuple[Shape, str]], file: str) -> None:
    """Add one object, of one shape or of several; what cannot be used goes to the quarantine, its label stays.

    Args:
        picture: Takes it.
        shapes: Of one label, each with its place in words.
        file: The annotation's.

    Raises:
        SourceError: Its label is not one of the card.
    """
    shape, where = shapes[0]
    if len(shapes) == 1 and shape.kind == "box" and shape.rotation_deg % 360 == 0 and len(shape.points) == 2:
        (x1, y1), (x2, y2) = shape.points
        picture.add_box(shape.label, (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), where)
        return
    picture.add_label(shape.label)
    try:
        mask = np.bitwise_or.reduce([shape_mask(picture, part, place, file) for part, place in shapes])
    except SourceError as problem:
        picture.refuse_box(shape.label, problem)
    else:
        picture.add_mask(shape.label, mask, is_one_object=True)


def shape_mask(picture: MarkedPicture, shape: Shape, where: str, file: str) -> npt.NDArray[np.uint8]:
    """Return the pixels of the shown picture whose centres a shape covers.

    Raises:
        SourceError: It has no area, cannot be read, or lies outside the picture.
    """
    if shape.kind == "other":
        if shape.problem:
            raise SourceError("shape unreadable", f"{where}: {shape.name or 'no kind'}: {shape.problem}", file)
        detail = f"{where} is a {shape.name or 'shape without a kind'}; name it in `leave_out` to do without"
        raise SourceError("shape without an area", detail, file)
    if shape.kind == "mask":
        return picture.fit.mask(_placed(picture, shape, where, file))
    outlines = [np.asarray(outline, np.float64).reshape(-1, 2) for outline in (outline_of(shape), *shape.holes)]
    shown = [picture.fit.points(outline) for outline in outlines]
    mask = outlines_mask(shown[:1], picture.size_px, where, file)
    for hole in shown[1:]:
        mask &= 1 - polygon_mask(hole, mask.shape)
    if not mask.any():
        raise SourceError("polygon without a pixel", f"{where} holds the centre of no pixel", file)
    return mask


def outline_of(shape: Shape) -> npt.NDArray[np.float64]:
    """Return the outline of a polygon, box, circle or ellipse as a polygon, `[n, 2]`, turned as the shape is."""
    points = np.asarray(shape.points, np.float64).reshape(-1, 2)
    if shape.kind == "polygon":
        return points
    if shape.kind == "box":
        (x1, y1), (x2, y2) = points
        outline = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
        centre = outline.mean(axis=0)
    else:
        centre, second = points
        half = np.full(2, np.hypot(*(second - centre))) if shape.kind == "circle" else second
        turn = np.arange(_CORNERS) * (2 * np.pi / _CORNERS)
        outline = centre + np.stack([np.cos(turn), np.sin(turn)], axis=1) * half
    angle = np.deg2rad(shape.rotation_deg)
    # y points down, so this turns as the hands of a clock do.
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (outline - centre) @ turned + centre


def _placed(picture: MarkedPicture, shape: Shape, where: str, file: str) -> npt.NDArray[np.uint8]:
    width, height = shape.runs_size
    lengths = np.asarray(shape.runs, np.int64)
    if min(width, height) < 1 or lengths.min(initial=0) < 0 or int(lengths.sum()) != width * height:
        detail = f"{where}: its runs add up to {int(lengths.sum())} pixels of {width}×{height}"
        raise SourceError("run lengths unreadable", detail, file)
    all_width, all_height = picture.fit.annotated
    left, top = (round(value) for value in shape.points[0])
    if left < 0 or top < 0 or left + width > all_width or top + height > all_height:
        detail = f"{where} reaches {left + width}, {top + height}; the image is {all_width}×{all_height}"
        raise SourceError("mask outside the image", detail, file)
    mask = np.zeros((all_height, all_width), np.uint8)
    part = np.repeat(np.arange(len(lengths)) % 2, lengths).reshape(height, width)
    mask[top : top + height, left : left + width] = part
    if not part.any():
        raise SourceError("mask without a pixel", f"{where} marks nothing", file)
    return mask
