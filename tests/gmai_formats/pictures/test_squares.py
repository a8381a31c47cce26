"""Square pixels: the smaller distance stays, and labels are never mixed."""

import numpy as np
import pytest
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.squares import square_size, to_square_labels, to_square_pixels
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.1, 9), st.floats(0.1, 9))
def test_extent_in_the_body_is_kept(height: int, width: int, row_mm: float, column_mm: float) -> None:
    new_width, new_height = square_size((height, width), (row_mm, column_mm))
    assert new_width >= width
    assert new_height >= height
    if abs(row_mm / column_mm - 1) > 0.01:
        side_mm = min(row_mm, column_mm)
        assert abs(new_height * side_mm - height * row_mm) <= side_mm / 2 + 1e-6
        assert abs(new_width * side_mm - width * column_mm) <= side_mm / 2 + 1e-6


@pytest.mark.parametrize("spacing_mm", [(1e-30, 1.0), (1.0, 50_000.0), (2e9, 1.0)])
def test_a_picture_larger_than_any_is_not_made(spacing_mm: tuple[float, float]) -> None:
    for make in (to_square_pixels, to_square_labels):
        with pytest.raises(PictureError, match="image too large"):
            make(np.zeros((64, 80), np.uint8), spacing_mm)


def test_pictures_are_interpolated_and_square_ones_left_alone() -> None:
    picture = np.array([[0, 100], [0, 100]], np.uint8)
    assert to_square_pixels(picture, (1.0, 1.005)) is picture
    assert to_square_pixels(picture, (1.0, 2.0)).tolist() == [[0, 25, 75, 100]] * 2
    assert to_square_pixels(np.dstack([picture] * 3), (2.0, 1.0)).shape == (4, 2, 3)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.int64])
def test_labels_are_repeated(kind: type) -> None:
    labels = np.array([[0, 7], [3, 70_000 if kind in (np.int32, np.int64) else 9]], kind)
    assert to_square_labels(labels, (1.0, 3.0)).tolist() == np.repeat(labels, 3, axis=1).tolist()
    assert to_square_labels(labels, (2.0, 1.0)).tolist() == np.repeat(labels, 2, axis=0).tolist()


@given(st.integers(1, 200), st.floats(0.3, 3))
def test_labels_lie_where_another_library_puts_them(width: int, row_mm: float) -> None:
    labels = np.arange(width, dtype=np.uint8)[None].repeat(3, axis=0)
    shown = to_square_labels(labels, (row_mm, 1.0))
    expected = np.asarray(Image.fromarray(labels).resize(shown.shape[::-1], Image.Resampling.NEAREST))
    centres = (np.arange(shown.shape[1]) + 0.5) * width / shown.shape[1]
    between_two = np.abs(centres - np.round(centres)) < 1e-6  # either is right
    assert np.array_equal(shown[:, ~between_two], expected[:, ~between_two])
