"""Masks as run lengths."""

import pytest
from gmai_data.sources.annotations.run_lengths import decode_rle, unpack_counts
from hypothesis import given
from hypothesis import strategies as st


def pack(counts):
    """Write run lengths as COCO's compressed text does."""
    text = ""
    for position, value in enumerate(counts):
        number = value - counts[position - 2] if position > 2 else value
        more = True
        while more:
            group = number & 0x1F
            number >>= 5
            more = number != (-1 if group & 0x10 else 0)
            text += chr(48 + (group | (0x20 if more else 0)))
    return text


def test_compressed_run_lengths():
    counts = [6, 1, 40, 4, 5, 4, 5, 4, 21, 1000, 2]
    assert unpack_counts(pack(counts), 10**4) == counts
    assert unpack_counts("", 1) == []
    for text in ("o", "6o"):
        with pytest.raises(ValueError, match="end within a number"):
            unpack_counts(text, 9)


@pytest.mark.parametrize(
    ("text", "why"), [("o" * 10**6, "more bits than"), ("0" * 10**6, "more runs than the 9 pixels")]
)
def test_run_lengths_without_end_are_refused(text, why):
    with pytest.raises(ValueError, match=why):
        unpack_counts(text, 9)


@given(st.lists(st.integers(0, 10**7), max_size=12))
def test_what_is_packed_comes_back(counts):
    assert unpack_counts(pack(counts), 12) == counts


def test_runs_go_down_the_columns_and_begin_with_background():
    mask = decode_rle([1, 2, 3], (2, 3))
    assert mask.dtype == "uint8"
    assert mask.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert decode_rle([0, 6], (2, 3)).all()
    assert decode_rle([], (0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("counts", "words"),
    [([2, 3], "add up to 5 pixels of 6"), ([2, 5], "add up to 7 pixels of 6"), ([7, -1], "a run of -1 pixels")],
)
def test_runs_that_do_not_fit_the_image(counts, words):
    with pytest.raises(ValueError, match=words):
        decode_rle(counts, (2, 3))
