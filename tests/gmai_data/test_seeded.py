"""Choices by names: the same everywhere, forever, since ids and samples of published builds follow from them."""

from collections import Counter

from gmai_data.seeded import choose, hash_fraction, shuffled


def test_the_numbers_are_those_of_every_earlier_build():
    assert hash_fraction("shard", "toy", "a/00.png") == 0.6042172664695005
    assert hash_fraction("a", 1) == hash_fraction("a", "1")
    assert hash_fraction("ab", "c") != hash_fraction("a", "bc")
    assert shuffled("abcdef", 0, "x") == list("dcbfae")
    assert [choose("abcdef", 0, number) for number in range(8)] == list("dabefbbd")


def test_fractions_fill_the_range_evenly():
    tenths = Counter(int(10 * hash_fraction("even", number)) for number in range(5000))
    assert set(tenths) == set(range(10))
    assert min(tenths.values()) > 400


def test_every_choice_is_made_and_the_order_given_does_not_matter_to_a_shuffle():
    assert {choose("abc", number) for number in range(50)} == set("abc")
    assert shuffled("abcdef", 3) == shuffled("fedcba", 3)
    assert sorted(shuffled("abcdef", 3)) == list("abcdef")
    assert shuffled("abcdef", 3) != shuffled("abcdef", 4)
    assert shuffled("", 3) == []
