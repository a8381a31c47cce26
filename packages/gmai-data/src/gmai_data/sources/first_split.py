"""A card of one's own data ▶ a split that leaves enough to ask for a first benchmark."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmai_formats.files import write_text
from gmai_formats.safe_yaml import load_yaml

from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.cards.completing import with_split
from gmai_data.sources.cards.recipe import Recipe, load_recipe
from gmai_data.sources.items import Item
from gmai_data.sources.layout import SPLIT_NAMES
from gmai_data.sources.listing import list_sources
from gmai_data.sources.splits import drawn_split, group_of
from gmai_data.vocabulary import Split

_FEW_GROUPS = 400
"""With fewer patients or pictures a tenth is too few to ask balanced questions about."""
_SHARES = (0.25, 0.3, 0.35, 0.4, 0.5)
"""Shares that are tried: which patients a hash holds out, and of which labels, is chance where they are few."""
_VALIDATION = 0.1
_ENOUGH = 0.2


def complete_split(card: Path, root: Path) -> list[str]:
    """Make a whole card hold enough out for a first benchmark, and return a line about what was changed.

    Few patients or pictures: a quarter of them or more instead of a tenth, so that several labels are among them. A
    publisher's split without a test part: its validation part is held out. What the card says of fractions stays.
    """
    text = card.read_text("utf-8")
    recipe = load_recipe(card)
    (listing,) = list_sources([Source(recipe, root)], None)
    items = [item for item in listing.items if item.problem is None]
    document: Any = load_yaml(text)
    split: dict[str, Any] = document.get("split") or {}
    official = {item.split for item in items} - {None}
    if not official:
        groups = len({item.group_number for item in items})
        if groups >= _FEW_GROUPS or "fractions" in split:
            return []
        share = next((share for share in _SHARES if _is_enough(items, recipe, share)), _SHARES[-1])
        write_text(card, with_split(text, {"fractions": _fractions(share)}))
        return [f"split: of {groups} patients or pictures {share:.0%} are held out, that there is enough to ask"]
    if Split.HELD_OUT in official or Split.VALIDATION not in official:
        return []
    if recipe.split.official:
        parts = {str(of): names for of, names in split["official"].items() if of != Split.VALIDATION}
        change = {"official": {**parts, "held_out": split["official"][Split.VALIDATION]}}
    else:
        names = {str(name): str(of) for name, of in (recipe.split.names or SPLIT_NAMES).items()}
        change = {"names": {name: "held_out" if of == Split.VALIDATION else of for name, of in names.items()}}
    write_text(card, with_split(text, change))
    return ["split: there is no test part, so the validation part is held out for the benchmark"]


def _fractions(share: float) -> dict[str, float]:
    return {"train": round(1 - _VALIDATION - share, 2), "validation": _VALIDATION, "held_out": share}


def _is_enough(items: Sequence[Item], recipe: Recipe, share: float) -> bool:
    """Return whether a fifth of the groups is drawn, and of two labels (three where there are) two groups each."""
    card = recipe.model_copy(update={"split": recipe.split.model_copy(update={"fractions": _drawn(share)})})
    groups = {item.key: group_of(item, card) or "" for item in items}
    held_out = {group for group in set(groups.values()) if drawn_split(group, card) == Split.HELD_OUT}
    every = {raw for item in items for raw in item.raw_labels}
    of_label = Counter(raw for raw, _ in {
        (raw, groups[item.key]) for item in items for raw in item.raw_labels if groups[item.key] in held_out
    })  # fmt: skip
    shown = sum(count > 1 for count in of_label.values())
    return len(held_out) >= _ENOUGH * len(set(groups.values())) and shown >= min(3, len(every))


def _drawn(share: float) -> dict[Split, float]:
    return {Split(name): part for name, part in _fractions(share).items()}
