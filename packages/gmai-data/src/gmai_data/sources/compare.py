"""A card beside a real folder: what is missing, what the card does not know, and whether its items can be read."""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gmai_cli.console import say_next
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file

from gmai_data.imaging.file_tree import files_below
from gmai_data.ledger import Ledger, SetAside, SourceError, printable
from gmai_data.seeded import hash_fraction
from gmai_data.sources.cards.catalogue import find_recipe, resolve
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.items import Item
from gmai_data.sources.listing import list_sources
from gmai_data.sources.reading import read_pictures
from gmai_data.sources.splits import TWO_SPELLINGS, group_of, spelt_in_two_ways, split_of
from gmai_data.vocabulary import Task

_SHOWN = 10
_READ_ITEMS, _READ_PICTURES = 5, 20
"""So many items, drawn by the hash of their keys, are read for a try, and no more pictures of each."""


def check_against_folder(name: str, root: Path | None) -> None:
    """Validate a card; with a folder, hold its rules against every name in it, and read a few items.

    Names, labels, groups and splits need no pixels: files without data (0 bytes) are enough. A part of the published
    data is no error; more than was published is.

    Raises:
        UserError: The card is not valid, or the folder is not what it describes: no item is whole, digests or labels
            differ, there are more items than published, the rules of groups or splits miss items, a group lies in two
            splits, or an item that was tried cannot be read.
    """
    recipe = find_recipe(name)
    print(f"{recipe.name}: the card is valid ({len(recipe.labels)} labels, layout {recipe.layout.kind}).")
    if recipe.verified != "copy":
        tried = "tried on a miniature of its publisher's file names" if recipe.verified == "listing" else "not tried"
        print(f"{recipe.name}: {tried}; not yet tested on the real dataset (verified: {recipe.verified}).")
    if root is None:
        return
    (listing,) = list_sources(resolve([f"{name}={root}"], None), None)
    whole = _whole_items(recipe, root, listing.items)
    _report_unused(recipe, root, listing.items)
    problems = _count_problems(recipe, root, listing.used, len(listing.items) - len(whole))
    problems += _label_problems(recipe, listing.items)
    problems += _group_problems(recipe, listing.items)
    problems += _split_problems(recipe, listing.items)
    problems += _try_items(recipe, root, whole)
    if problems:
        raise UserError("\n".join(f"{root}: {problem}" for problem in problems))
    say_next("data", "preview", name, "--root", root)


def _whole_items(recipe: Recipe, root: Path, items: Sequence[Item]) -> list[Item]:
    """Return the items all of whose files are there, and say which files are missing.

    Raises:
        UserError: No item is whole, or a file is not the published one.
    """
    there: dict[str, bool] = {}
    for item in items:
        for file in item.files:
            if file not in there:
                there[file] = (root / file).exists()
    missing = sorted(file for file, found in there.items() if not found)
    whole = [item for item in items if all(there[file] for file in item.files)]
    if missing:
        message = f"{len(missing)} files that {recipe.name} names are not there:{_lines(missing)}"
        if not whole:
            raise UserError(f"{root}: {message}")
        print(f"{root}: {message}\n{len(items) - len(whole)} of {len(items)} items lack a file: a partial copy?")
    for file, digest in recipe.checksums.items():
        if not (root / file).is_file() or sha256_file(root / file) != digest:
            raise UserError(f"{root / file}: missing, or not the published file ({digest[:12]}…). Download it again.")
    return whole


def _report_unused(recipe: Recipe, root: Path, items: Sequence[Item]) -> None:
    """Print how many files of the folder no item names, by their endings: what a pattern passes over is seen here."""
    named = {file for item in items for file in item.files}
    folders = {file for file in named if (root / file).is_dir()}
    unused: dict[str, list[str]] = {}
    for name in files_below(str(root), str(root)):
        file = printable(name)
        path = PurePosixPath(file)
        if file in named or any(str(above) in folders for above in path.parents):
            continue
        ending = "".join(path.suffixes[-2:]) if path.name.endswith(".nii.gz") else path.suffix
        unused.setdefault(ending.lower() or "no ending", []).append(file)
    kinds = [f"{len(files)} {ending}, such as {files[0]}" for ending, files in sorted(unused.items())]
    if kinds:
        print(f"{recipe.name}: files that are no item's own (tables, parts that are not used):{_lines(kinds)}")


def _count_problems(recipe: Recipe, root: Path, found: int, incomplete: int) -> list[str]:
    expected = recipe.expected.items
    if expected is None or expected == found:
        print(f"{root}: {found} items" + (", as published." if expected and not incomplete else "."))
        return []
    if found < expected:
        print(f"{root}: {found} of {expected} published items: a partial copy?")
        return []
    return [
        f"{found} items, but {recipe.name} has {expected} published ones: the card takes files that are no items, or "
        "the folder holds copies. Look at the list of items, or correct `expected` in a copy of the card."
    ]


def _label_problems(recipe: Recipe, items: Sequence[Item]) -> list[str]:
    """Compare the labels that a layout tells before any picture is read; print those of the card that no item has."""
    seen = Counter(raw for item in items for raw in item.raw_labels)
    if not seen:
        return []
    of_masks = recipe.layout.kind in ("image_mask", "volume")  # whose other labels only pixels tell
    absent = [] if of_masks else [raw for raw in recipe.labels if raw not in seen]
    if absent:
        print(f"{recipe.name}: no item has these labels of the card:{_lines(absent)}")
    unknown = [f'"{raw}" ({count} items)' for raw, count in seen.most_common() if raw not in recipe.labels]
    if not unknown:
        return []
    return [f"labels that are not in the card: {len(unknown)}; a build would quarantine their items:{_lines(unknown)}"]


def _group_problems(recipe: Recipe, items: Sequence[Item]) -> list[str]:
    """Hold the rule of the groups against every item, and say how many groups there are, or why there is none."""
    rule = recipe.split
    missed = [item.key for item in items if group_of(item, recipe) is None]
    count = len({item.group_number for item in items} - {0})
    if rule.group_pattern is not None:
        print(f"{recipe.name}: {count} groups by split.group_pattern.")
    elif count < len(items) - len(missed):
        print(f"{recipe.name}: {count} groups by the {'second table' if rule.group_table else 'layout'}.")
    else:
        why = f": {rule.no_group.rstrip('.')}" if rule.no_group else ""
        print(f"{recipe.name}: every item is a group of its own{why}.")
    _say_two_spellings(recipe, items)
    if not missed:
        return []
    return [
        f"group_pattern {rule.group_pattern!r} misses {len(missed)} items; a build would quarantine them:"
        f"{_lines(missed)}"
    ]


def _say_two_spellings(recipe: Recipe, items: Sequence[Item]) -> None:
    """Print the groups that may be one patient: which they are, only the publisher knows."""
    several: dict[str, Item] = {}
    for item in items:
        if (recipe.split.group_pattern or item.group) and (group := group_of(item, recipe)) is not None:
            several.setdefault(group, item)
    alike = spelt_in_two_ways(several)
    if alike:
        lines = [" and ".join(several[group].key for group in groups) for groups in alike]
        print(f"{recipe.name}: {sum(map(len, alike))} groups {TWO_SPELLINGS}:{_lines(lines)}")


def _split_problems(recipe: Recipe, items: Sequence[Item]) -> list[str]:
    """Hold the split against every item; print how many lie in each, and return what is left out or divided."""
    found: Counter[str] = Counter()
    missed: dict[str, list[str]] = {}
    sides: dict[int, set[str]] = {}
    for item in items:
        if item.set_aside:
            continue
        if item.problem is not None:
            missed.setdefault(f"{item.problem[0]}: {item.problem[1]}", []).append(item.key)
            continue
        try:
            split = str(split_of(item, recipe))
        except SourceError as problem:
            if problem.rule != "no group":  # told by the groups
                missed.setdefault(f"{problem.rule}: {problem.detail}", []).append(item.key)
            continue
        found[split] += 1
        sides.setdefault(item.group_number, set()).add(split)
    counts = ", ".join(f"{split} {count}" for split, count in found.items())
    print(f"{recipe.name}: {counts or 'no item is in a split'}.")
    divided = sum(len(splits) > 1 for splits in sides.values())
    problems = [
        f"{len(keys)} items would be quarantined: {reason}:{_lines(keys)}" for reason, keys in sorted(missed.items())
    ]
    if divided:
        problems.append(
            f"{divided} groups lie in two splits: the publisher's split divides them. Correct the group or the split."
        )
    return problems


def _try_items(recipe: Recipe, root: Path, items: Sequence[Item]) -> list[str]:
    """Read a few items as a build would, print what came of them, and return what is wrong with them."""
    if recipe.task == Task.TEXT:
        return []
    if items and not any(_has_data(root, item) for item in items):
        print(f"{recipe.name}: the files hold no data (0 bytes): their names were checked, and nothing was read.")
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
    counts = ", ".join(f"{label} {count}" for label, count in labels.most_common(_SHOWN))
    tried = "1 item" if len(chosen) == 1 else f"{len(chosen)} items"
    images = "1 image" if pictures == 1 else f"{pictures} images"
    print(f"{recipe.name}: read {tried}, {images}: {counts or 'without labels'}.")
    return problems


def _has_data(root: Path, item: Item) -> bool:
    """Return whether the picture of an item is more than a name; folders are taken to be."""
    path = root / item.files[0]
    return not path.is_file() or path.stat().st_size > 0


def _lines(entries: Sequence[str]) -> str:
    return "".join(f"\n  {entry}" for entry in entries[:_SHOWN]) + (
        f"\n  … and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    )
