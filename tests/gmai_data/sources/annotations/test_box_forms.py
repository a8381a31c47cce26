"""What the four numbers of a COCO box are: a corner with a size, or two corners."""

import pytest
from gmai_data.sources.annotations.box_forms import form_of

IMAGES = [{"id": 1, "width": 100, "height": 80}]


def marks(boxes, **more):
    return [{"image_id": 1, "bbox": box, **more} for box in boxes]


@pytest.mark.parametrize(
    ("boxes", "due"),
    [
        ([[60, 50, 30, 20], [5, 5, 90, 70]], "xywh"),  # the first is no pair of corners
        ([[60, 50, 90, 70], [55, 40, 99, 79]], "xyxy"),  # as sizes both leave the picture
        ([[10, 10, 40, 30]], "xywh"),  # may be either
        ([[60, 50, 130, 70]], "xywh"),  # leaves it as corners too
        ([[0, 0, 50, 40]], "xywh"),  # both are the same
        ([], "xywh"), ([None, [1, 2, 3], ["a", 2, 3, 4]], "xywh"),
    ],
)  # fmt: skip
def test_the_size_of_the_picture_tells(boxes, due):
    assert form_of(marks(boxes), IMAGES) == due


@pytest.mark.parametrize(("area", "due"), [(30 * 20, "xyxy"), (40 * 30, "xywh"), (777, "xywh"), (0, "xywh")])
def test_the_stated_area_tells(area, due):
    assert form_of(marks([[10, 10, 40, 30]], area=area), IMAGES) == due


@pytest.mark.parametrize(("outline", "due"), [([10, 10, 40, 10, 40, 30], "xyxy"), ([10, 10, 50, 10, 50, 40], "xywh")])
def test_the_polygon_tells(outline, due):
    assert form_of(marks([[10, 10, 40, 30]], segmentation=[outline]), IMAGES) == due


def test_a_file_without_sizes_or_areas_is_read_as_the_format_says():
    assert form_of(marks([[60, 50, 90, 70]]), []) == "xywh"
