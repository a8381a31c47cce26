"""What `--dry-run` counts before anything is read: items, groups, shards and splits, and what a model would cost."""

import pytest
from gmai_data import preview as module
from gmai_data.build import BuildSettings, RunOptions
from gmai_data.preview import preview, preview_writing
from gmai_data.sources.catalogue import Source
from gmai_data.sources.items import Item
from gmai_data.sources.listing import Listing
from gmai_data.vocabulary import Split


@pytest.fixture
def listing(toy, tmp_path):
    def make(*items, **card):
        return Listing(Source(toy(**card), tmp_path), items)

    return make


def test_items_groups_and_shards_of_each_source(listing):
    items = [Item(f"{number}.png", (), group=f"p{number % 3}", group_number=number % 3 + 1) for number in range(300)]
    assert list(preview([listing(*items), listing(Item("a", ()), name="other")])) == [
        ("toy", 300, 3, 8, {"train": 300}),
        ("other", 1, 1, 4, {"train": 1}),
    ]


def test_items_are_counted_by_split_or_by_why_they_have_none(listing):
    split = {"official": {"train": "train.txt", "held_out": "test.txt"}}
    items = (
        Item("a", (), split=Split.TRAIN, group_number=1),
        Item("b", (), split=Split.HELD_OUT, group_number=2),
        Item("c", (), split=Split.HELD_OUT, group_number=2),
        Item("d", (), group_number=3),
    )
    ((_, count, groups, _, splits),) = preview([listing(*items, split=split)])
    assert (count, groups) == (4, 2), "what has no split has no group that counts"
    assert splits == {"train": 1, "held_out": 2, "not in the official split": 1}


def test_a_group_pattern_that_does_not_match_is_counted(listing):
    split = {"fractions": {"train": 1.0}, "group_pattern": "(p[0-9]+)_"}
    made = listing(Item("p1_a", (), group_number=1), Item("q", ()), split=split)
    ((_, _, groups, _, splits),) = preview([made])
    assert (groups, splits) == (1, {"train": 1, "no group": 1})


def test_without_a_model_nothing_is_estimated(toy, tmp_path):
    options = RunOptions()
    assert list(preview_writing([Source(toy(), tmp_path)], tmp_path, BuildSettings(), options)) == []


def test_what_a_model_writes_about_is_not_held_out_and_in_an_order_of_its_own(listing):
    items = tuple(Item(f"{number}.png", ()) for number in range(40))
    made = listing(*items, split={"fractions": {"train": 0.5, "held_out": 0.5}})
    asked = module._asked_about(made)
    assert asked.source is made.source
    assert 5 < len(asked.items) < 35
    assert asked.items == module._asked_about(Listing(made.source, items[::-1])).items
    assert asked.items != tuple(sorted(asked.items, key=lambda item: items.index(item)))
