"""A card beside a real folder: what is missing, what the card does not know, and whether its items can be read."""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gmai_cli.console import say_next
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file

from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.seeded import hash_fraction
from gmai_data.sources.catalogue import find_recipe, resolve
from gmai_data.sources.items import Item
from gmai_data.sources.listing import list_sources
from gmai_data.sources.reading import read_pictures
from gmai_data.sources.recipe import Recipe
from gmai_data.sources.splits import group_of, split_of
from gmai_data.vocabulary import Task

_SHOWN = 10
_READ_ITEMS, _READ_PICTURES = 5, 20
"""So many items, drawn by the hash of their keys, are read for a try, and no more pictures of each."""


def check_against_folder(name: str, root: Path | None) -> None:
    """Validate a card; with a folder, print what it holds, and read a few of its items.

    Raises:
        UserError: The card is not valid, or the folder is not what it describes: files, digests, labels or the number
            of items differ, or an item that was tried cannot be read.
    """
    recipe = find_recipe(name)
    print(f"{recipe.name}: the card is valid ({len(recipe.labels)} labels, layout {recipe.layout.kind}).")
    if recipe.verified != "copy":
        tried = "tried on a miniature of its publisher's file names" if recipe.verified == "listing" else "not tried"
        print(f"{recipe.name}: {tried}; nobody has read a real copy with this card yet (verified: {recipe.verified}).")
    if root is None:
        return
    (listing,) = list_sources(resolve([f"{name}={root}"], None), None)
    _require_files(recipe, root, listing.items)
    found, expected = listing.used, recipe.expected.items
    print(f"{root}: {found} items" + (", as published." if expected == found else "."))
    problems = _label_problems(recipe, listing.items)
    if expected not in (None, found):
        problems.append(
            f"{found} items, but {recipe.name} has {expected} published ones. Complete the download, or correct "
            "`expected` in a copy of the card."
        )
    problems += _group_problems(recipe, listing.items)
    problems += _try_items(recipe, root, listing.items)
    if problems:
        raise UserError("\n".join(f"{root}: {problem}" for problem in problems))
    say_next("data", "build", name, "--root", root, "--out", "build")


def _require_files(recipe: Recipe, root: Path, items: Sequence[Item]) -> None:
    missing = sorted({file for item in items for file in item.files if not (root / file).exists()})
    if missing:
        raise UserError(f"{root}: {len(missing)} files that {recipe.name} names are not there:{_lines(missing)}")
    for file, digest in recipe.checksums.items():
        if not (root / file).is_file() or sha256_file(root / file) != digest:
            raise UserError(f"{root / file}: missing, or not the published file ({digest[:12]}…). Download it again.")


def _label_problems(recipe: Recipe, items: Sequence[Item]) -> list[str]:
    """Compare the labels that a layout tells before any picture is read; print those of the card that no item has."""
    seen = Counter(raw for item in items for raw in item.raw_labels)
    if not seen:
        return []
    absent = [raw for raw in recipe.labels if raw not in seen]
    if absent:
        print(f"{recipe.name}: no item has these labels of the card:{_lines(absent)}")
    unknown = [f'"{raw}" ({count} items)' for raw, count in seen.most_common() if raw not in recipe.labels]
    if not unknown:
        return []
    return [f"{len(unknown)} labels are not in the card; a build would quarantine their items:{_lines(unknown)}"]


def _group_problems(recipe: Recipe, items: Sequence[Item]) -> list[str]:
    """Hold the pattern of the groups against every item, which needs no pixels."""
    missed = [item.key for item in items if group_of(item, recipe) is None]
    if recipe.split.group_pattern is None:
        return []
    print(f"{recipe.name}: {len({item.group_number for item in items} - {0})} groups by split.group_pattern.")
    if not missed:
        return []
    pattern = recipe.split.group_pattern
    return [f"group_pattern {pattern!r} misses {len(missed)} items; a build would quarantine them:{_lines(missed)}"]


def _try_items(recipe: Recipe, root: Path, items: Sequence[Item]) -> list[str]:
    """Read a few items as a build would, print what came of them, and return what is wrong with them."""
    if recipe.task == Task.TEXT:
        return []
    chosen = sorted(items, key=lambda item: hash_fraction("check", recipe.name, item.key))[:_READ_ITEMS]
    ledger, problems, pictures, labels = Ledger(), list[str](), 0, Counter[str]()
    for item in chosen:
        try:
            split_of(item, recipe)
            for picture in itertools.islice(read_pictures(item, recipe, root, ledger), _READ_PICTURES):
                pictures += 1
                labels.update(picture.labels)
        except SourceError as problem:
            problems.append(f"{problem.file}: {problem}")
        except SetAside as reason:
            print(f"{item.key}: set aside: {reason.rule}")
    told = ", ".join(f"{label} {count}" for label, count in labels.most_common(_SHOWN))
    print(f"{recipe.name}: {len(chosen)} items tried, {pictures} pictures: {told or 'without labels'}.")
    return problems


def _lines(entries: Sequence[str]) -> str:
    return "".join(f"\n  {entry}" for entry in entries[:_SHOWN]) + (
        f"\n  … and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    )
