"""A group is never divided, and adding data never moves one."""

from collections import defaultdict

import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.items import Item
from gmai_data.sources.splits import group_of, spelt_in_two_ways, split_of
from gmai_data.vocabulary import Split


def items(count):
    return [Item(f"patient{i // 4:04d}_{i % 4}.png", ("f",)) for i in range(count)]


def test_groups_are_whole_and_shares_are_near(toy):
    fractions = {"train": 0.7, "validation": 0.1, "held_out": 0.2}
    recipe = toy(split={"group_pattern": r"(patient\d+)", "fractions": fractions})
    splits = defaultdict(set)
    counts = defaultdict(int)
    for item in items(4000):
        split = split_of(item, recipe)
        splits[group_of(item, recipe)].add(split)
        counts[split] += 1
    assert all(len(found) == 1 for found in splits.values())
    for split, share in fractions.items():
        assert counts[Split(split)] / 4000 == pytest.approx(share, abs=0.04)


def test_more_data_moves_nobody(toy):
    recipe = toy(split={"group_pattern": r"(patient\d+)"})
    before = [split_of(item, recipe) for item in items(100)]
    assert [split_of(item, recipe) for item in items(400)][:100] == before


def test_official_split_is_honoured_and_gaps_are_refused(toy):
    recipe = toy(split={"official": {"train": "train.txt"}})
    assert split_of(Item("a", ("f",), split=Split.TRAIN), recipe) == Split.TRAIN
    with pytest.raises(SourceError, match="not in the official split"):
        split_of(Item("b", ("f",)), recipe)


def test_key_without_group_is_refused(toy):
    with pytest.raises(SourceError, match=r"no group: .*may leak"):
        split_of(Item("x.png", ("f",)), toy(split={"group_pattern": r"(patient\d+)"}))


@pytest.mark.parametrize(
    ("groups", "alike"),
    [
        (["case_006", "case_6", "case_7"], [("case_006", "case_6")]),
        (["01", "1", "001", "10"], [("001", "01", "1")]),
        (["s1/v02", "s01/v2", "s1/v20"], [("s01/v2", "s1/v02")]),
        (["p0", "p00", "p"], [("p0", "p00")]),
        (["1.05", "1.5", "p10", "p100", "2", "3"], []),
    ],
)
def test_groups_that_differ_only_in_zeros_are_told_together(groups, alike):
    assert spelt_in_two_ways(groups) == alike
