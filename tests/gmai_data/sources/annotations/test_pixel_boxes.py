"""Boxes of annotation files ▶ whole pixels: what is cut off, and what is refused."""

import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.pixel_boxes import require_pixels, whole_pixels

SIZE_PX = (32, 24)


@pytest.mark.parametrize(
    ("xyxy", "pixels"),
    [
        ((1, 2, 5, 6), (1, 2, 5, 6)),
        ((1.2, 2.9, 5.1, 6.0), (1, 2, 6, 6)),
        ((0.9999999, 2, 5.0000001, 6), (1, 2, 5, 6)),
        ((3.2, 3.2, 3.4, 3.4), (3, 3, 4, 4)),
        ((-1, -1, 33, 25), (0, 0, 32, 24)),
        ((-1, -1, -0.5, -0.5), (0, 0, 1, 1)),
        ((31.9, 23.9, 32.5, 24.5), (31, 23, 32, 24)),
    ],
)
def test_the_pixels_that_a_box_covers(xyxy, pixels):
    assert whole_pixels(xyxy, SIZE_PX, "object 1", "a.xml") == pixels


@pytest.mark.parametrize(
    "xyxy",
    [
        (5, 2, 5, 6), (6, 2, 5, 6), (1, 6, 5, 6), (1, 7, 5, 6), (float("nan"), 2, 5, 6), (1, 2, float("inf"), 6),
    ],
)  # fmt: skip
def test_a_box_without_area(xyxy):
    with pytest.raises(SourceError, match=r"degenerate box: object 1 spans x .*; the maximum must be above the") as e:
        whole_pixels(xyxy, SIZE_PX, "object 1", "a.xml")
    assert e.value.file == "a.xml"


@pytest.mark.parametrize(
    "xyxy",
    [(-1.1, 2, 5, 6), (1, -1.1, 5, 6), (1, 2, 33.1, 6), (1, 2, 5, 25.1), (32, 2, 33, 6), (1, 24, 5, 25)],
)
def test_a_box_outside(xyxy):
    with pytest.raises(SourceError, match=r"box outside the image: object 1 spans .*, but the image is 32×24"):
        whole_pixels(xyxy, SIZE_PX, "object 1", "a.xml")


@pytest.mark.parametrize("numbers", [(0.1, 0.2, 0.5, 0.9), (0, 0, 1, 0.5)])
def test_numbers_that_can_only_be_shares_are_refused(numbers):
    with pytest.raises(SourceError, match=r"box unreadable: object 1: .* are shares of the picture, not pixels"):
        require_pixels(numbers, "object 1", "a.xml")


@pytest.mark.parametrize("numbers", [(0, 0, 1, 1), (0.1, 0.2, 1.5, 0.9), (-0.5, 0, 1, 1)])
def test_numbers_that_may_be_pixels(numbers):
    require_pixels(numbers, "object 1", "a.xml")
