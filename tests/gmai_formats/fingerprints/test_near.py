import pytest
from gmai_formats.fingerprints.near import NearHashes
from hypothesis import given
from hypothesis import strategies as st

HASHES = st.integers(0, 2**64 - 1)


@given(value=HASHES, bits=st.integers(0, 12), flips=st.sets(st.integers(0, 63), max_size=20))
def test_a_hash_is_near_if_and_only_if_so_few_bits_differ(value, bits, flips):
    hashes = NearHashes(bits)
    hashes.add(value, "one")
    other = value ^ sum(1 << place for place in flips)
    assert hashes.near(other) == (["one"] if len(flips) <= bits else [])


@pytest.mark.parametrize("bits", [3, 6, 9])
def test_all_near_ones_come_the_nearest_first(bits):
    hashes = NearHashes(bits)
    for name, value in (("two", 0b11), ("none", 0), ("none again", 0), ("far", 2**64 - 1), ("three", 0b111)):
        hashes.add(value, name)
    assert hashes.near(0) == ["none", "none again", "two", "three"]
    assert hashes.near(2**63) == ["none", "none again", "two"] + ["three"] * (bits > 3)


def test_nothing_is_near_before_a_hash_is_added():
    assert NearHashes(6).near(0) == []


def test_hashes_may_be_added_after_a_search():
    hashes = NearHashes(3)
    hashes.add(1, "a")
    assert hashes.near(1) == ["a"]
    hashes.add(1, "b")
    assert hashes.near(0) == ["a", "b"]
