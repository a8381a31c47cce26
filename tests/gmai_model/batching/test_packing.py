"""Packing: nothing lost, nothing cut, next fit and best fit as their names say."""

import numpy as np
import pytest
from gmai_model.batching.packing import Method, Packs, pack
from hypothesis import given
from hypothesis import strategies as st


def listed(packs: Packs) -> list[list[int]]:
    return [positions.tolist() for positions in packs]


@given(st.lists(st.integers(1, 100), max_size=300), st.sampled_from(["best_fit", "next_fit", "none"]))
def test_every_sample_is_in_one_pack_that_has_room(lengths: list[int], method: Method) -> None:
    packs = pack(np.array(lengths, dtype=np.int32), 100, method)
    assert sorted(position for positions in packs for position in positions) == list(range(len(lengths)))
    if method != "none":
        assert all(sum(lengths[p] for p in positions) <= 100 for positions in packs)


def test_next_fit_closes_a_pack_for_good() -> None:
    assert listed(pack(np.array([60, 50, 30, 20, 40]), 100, "next_fit")) == [[0], [1, 2, 3], [4]]


def test_best_fit_takes_the_fullest_pack_with_room() -> None:
    assert listed(pack(np.array([60, 70, 30, 40]), 100, "best_fit")) == [[0, 3], [1, 2]]


def test_best_fit_fills_more_than_next_fit() -> None:
    lengths = np.random.default_rng(0).integers(50, 1500, 5000)
    assert len(pack(lengths, 2048, "best_fit")) < 0.9 * len(pack(lengths, 2048, "next_fit"))


def test_sample_longer_than_a_pack_is_refused() -> None:
    with pytest.raises(ValueError, match="101 tokens does not fit a pack of 100"):
        pack(np.array([5, 101]), 100, "best_fit")
