"""Outlines as masks, beside a test of each pixel's centre."""

import numpy as np
import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.polygons import outlines_mask, polygon_mask
from hypothesis import given
from hypothesis import strategies as st


def test_an_outline_without_end_is_refused():
    square = np.tile([[1.0, 1.0], [5.0, 1.0], [5.0, 5.0], [1.0, 5.0]], (200_000, 1))
    with pytest.raises(SourceError, match=r"^segmentation unreadable: annotation 7 has 800000 points, where at most"):
        outlines_mask([square], (8, 8), "annotation 7", "a.json")
    assert outlines_mask([square[:4]], (8, 8), "annotation 7", "a.json").sum() == 16


def is_inside(outline, x, y):
    """Count the crossings of a ray to the left, point by point."""
    inside = False
    for (x1, y1), (x2, y2) in zip(outline, outline[1:] + outline[:1], strict=True):
        if (y1 <= y) != (y2 <= y) and x1 + (y - y1) * (x2 - x1) / (y2 - y1) <= x:
            inside = not inside
    return inside


def lies_on_an_edge(outline, x, y):
    """Whether a point is so near an edge that rounding decides on which side it lies."""
    for (x1, y1), (x2, y2) in zip(outline, outline[1:] + outline[:1], strict=True):
        area = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        if abs(area) < 1e-9:
            return True
    return False


def by_hand(outline, shape):
    return [[int(is_inside(outline, x + 0.5, y + 0.5)) for x in range(shape[1])] for y in range(shape[0])]


@given(st.lists(st.tuples(st.integers(-16, 96), st.integers(-16, 96)), min_size=3, max_size=9))
def test_every_pixel_is_judged_by_its_centre(corners):
    outline = [(x / 4, y / 4) for x, y in corners]
    found, due = polygon_mask(np.array(outline), (18, 20)), np.array(by_hand(outline, (18, 20)))
    differs = [(x + 0.5, y + 0.5) for y, x in np.argwhere(found != due)]
    assert all(lies_on_an_edge(outline, x, y) for x, y in differs)


@pytest.mark.parametrize(
    ("outline", "area", "box"),
    [
        ([(10, 10), (20, 10), (20, 20), (10, 20)], 100, (10, 10, 20, 20)),
        ([(10, 20), (20, 20), (20, 10), (10, 10)], 100, (10, 10, 20, 20)),
        ([(0, 0), (24, 0), (24, 22), (0, 22)], 528, (0, 0, 24, 22)),
        ([(3.4, 3.4), (5.6, 3.4), (5.6, 5.6), (3.4, 5.6)], 9, (3, 3, 6, 6)),
        ([(3, 3), (4, 3), (4, 4), (3, 4)], 1, (3, 3, 4, 4)),
        ([(-5, -5), (4, -5), (4, 4), (-5, 4)], 16, (0, 0, 4, 4)),
    ],
)
def test_a_square_ends_where_its_vertices_do(outline, area, box):
    mask = polygon_mask(np.array(outline, float), (22, 24))
    rows, columns = np.nonzero(mask)
    assert mask.sum() == area
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == box


def test_neighbours_share_no_pixel():
    left = polygon_mask(np.array([(0, 0), (7.3, 0), (4.1, 9), (0, 9)]), (9, 12))
    right = polygon_mask(np.array([(7.3, 0), (12, 0), (12, 9), (4.1, 9)]), (9, 12))
    assert (left + right == 1).all()


def test_a_sliver_between_centres_is_empty():
    assert polygon_mask(np.array([(3.6, 3.6), (4.4, 3.6), (4.4, 4.4)]), (9, 9)).sum() == 0
