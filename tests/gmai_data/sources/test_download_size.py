"""Sizes of downloads as publishers write them."""

import pytest
from gmai_data.sources.download_size import bytes_of


@pytest.mark.parametrize(
    ("written", "due"),
    [
        ("3.4 GB", 3_400_000_000), ("about 700 GB", 700 * 10**9), ("~82MB", 82 * 10**6), ("1 TiB", 2**40),
        ("1,024 bytes", 1024), ("12 byte", 12), ("> 5 kB", 5000), ("1.5 kib", 1536),
    ],
)  # fmt: skip
def test_a_number_and_a_unit_are_bytes(written, due):
    assert bytes_of(written) == due


@pytest.mark.parametrize(
    "written", ["", "3.4", "GB", "0 GB", "-1 GB", "3,4 GB", "3.4 GBit", "three GB", "1e3 MB", "5 pages"]
)
def test_what_is_none_is_refused(written):
    with pytest.raises(ValueError, match="is no size; write a number and a unit"):
        bytes_of(written)
