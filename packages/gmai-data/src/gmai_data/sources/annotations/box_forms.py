"""Whether the boxes of a COCO file are `[x, y, width, height]`, as the format says, or two corners."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Literal

from gmai_data.sources.annotations.tools.marked import size_of

Form = Literal["xywh", "xyxy"]
_LOOKED_AT = 5000
_LEAVE_SHARE = 0.2
"""So many boxes leave their pictures where corners were written: one damaged box among good ones is less."""
_ROUNDING_PX = 1.5


def form_of(annotations: Iterable[Mapping[str, Any]], images: Iterable[Mapping[str, Any]]) -> Form:
    """Return what the boxes of a file are: `xyxy` only where all may be corners, and something beside them says so.

    What says so is the picture's size, which corners keep to and widths leave; the stated area; and the polygon.
    One that asks for corners under the name `bbox`: https://github.com/aws/amazon-sagemaker-examples/issues/3853.
    """
    sizes = {str(image.get("id")): size_of(image.get("width"), image.get("height")) for image in images}
    leave = corners = widths = seen = 0
    for mark in islice(annotations, _LOOKED_AT):
        try:
            x1, y1, x2, y2 = (float(number) for number in mark.get("bbox") or ())
        except (TypeError, ValueError):
            continue
        if x2 <= x1 or y2 <= y1:
            return "xywh"
        seen += 1
        size = sizes.get(str(mark.get("image_id")))
        if size is not None:
            if x2 > size[0] + _ROUNDING_PX or y2 > size[1] + _ROUNDING_PX:
                return "xywh"
            leave += x1 + x2 > size[0] + _ROUNDING_PX or y1 + y2 > size[1] + _ROUNDING_PX
        if x1 == y1 == 0:
            continue  # both are the same
        for as_corners, as_widths in (_by_area(mark, x1, y1, x2, y2), _by_polygon(mark, x1, y1, x2, y2)):
            corners += as_corners and not as_widths
            widths += as_widths
    if seen and leave >= max(1, seen * _LEAVE_SHARE):
        return "xyxy"
    return "xyxy" if corners and not widths else "xywh"


def _by_area(mark: Mapping[str, Any], x1: float, y1: float, x2: float, y2: float) -> tuple[bool, bool]:
    area = mark.get("area")
    if not isinstance(area, int | float) or area <= 0:
        return False, False
    near = 0.01 * area
    return abs((x2 - x1) * (y2 - y1) - area) <= near, abs(x2 * y2 - area) <= near


def _by_polygon(mark: Mapping[str, Any], x1: float, y1: float, x2: float, y2: float) -> tuple[bool, bool]:
    outlines = mark.get("segmentation")
    try:
        if not isinstance(outlines, list):
            return False, False
        right = max(max(map(float, outline[::2])) for outline in outlines)
        bottom = max(max(map(float, outline[1::2])) for outline in outlines)
    except (TypeError, ValueError):
        return False, False
    as_corners = abs(right - x2) <= _ROUNDING_PX and abs(bottom - y2) <= _ROUNDING_PX
    return as_corners, abs(right - x1 - x2) <= _ROUNDING_PX and abs(bottom - y1 - y2) <= _ROUNDING_PX
