"""Train, validation or held out: the publisher's split, else by a hash of the group, which never moves."""

import re
from collections.abc import Iterable

from gmai_data.ledger import SourceError
from gmai_data.seeded import hash_fraction
from gmai_data.sources.card import Card
from gmai_data.sources.copies import original_of
from gmai_data.sources.items import Item
from gmai_data.sources.patterns import pattern_of
from gmai_data.vocabulary import Split

TWO_SPELLINGS = (
    "differ from another only in zeros before a number. If they are one patient, a split may divide it: leave the "
    "zeros out of the group in a copy of the card, as `case_0*(\\d+)` does"
)


def split_of(item: Item, card: Card) -> Split:
    """Return the split of an item.

    The hash is of the source's and the group's name only: adding data, or another seed, never moves a patient.

    Raises:
        SourceError: The card's group pattern does not match the item, or an official split leaves it out.
    """
    group = group_of(item, card)
    if group is None:
        rule = f"the recipe's group_pattern {card.split.group_pattern!r} does not match; without a group it may leak"
        raise SourceError("no group", rule, item.key)
    if item.split is not None:
        return item.split
    if card.split.official or card.split.names or card.split.table or card.split.pattern:
        rule = "the publisher's split does not name it; add it to a list, or leave the file out"
        raise SourceError("not in the official split", rule, item.key)
    return drawn_split(group, card)


def drawn_split(group: str, card: Card) -> Split:
    """Return the split that the hash of a group draws by the card's fractions."""
    position = hash_fraction("split", card.name, group)
    for split in Split:
        position -= card.split.fractions.get(split, 0.0)
        if position < 0:
            return split
    return Split.TRAIN  # the fractions add up to 1 up to rounding


def group_of(item: Item, card: Card) -> str | None:
    """Return what a split must not divide, by its name in the source; None where the card's pattern does not match.

    Where neither the card nor the layout names a patient, a picture is its own group, with its augmented copies.
    The name may be a patient's id: it is never published.
    """
    if card.split.group_pattern is None:
        return item.group or original_of(item.key)
    found = pattern_of(card.split.group_pattern).search(item.key)
    return None if found is None else found.group(1)


def spelt_in_two_ways(groups: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups that differ only in the zeros before a number, such as (`case_006`, `case_6`), if any.

    One patient spelt in two ways is divided without a word; two patients of two clinics are not, and only the publisher
    knows which they are.
    """
    alike: dict[str, set[str]] = {}
    for group in groups:
        alike.setdefault(re.sub(r"(?<!\d)(?<!\d\.)0+(?=\d)", "", group), set()).add(group)
    return [tuple(sorted(several)) for _, several in sorted(alike.items()) if len(several) > 1]
