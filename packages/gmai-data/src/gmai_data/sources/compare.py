"""A card beside a real folder: what is missing, what the card does not know, and whether its items can be read."""

import itertools
import operator
import os
import stat
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from gmai_cli.console import say_next
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file

from gmai_data.imaging.file_tree import files_below
from gmai_data.imaging.source_files import on_disk
from gmai_data.ledger import Ledger, SetAside, SourceError, printable
from gmai_data.seeded import hash_fraction
from gmai_data.sources.cards.catalogue import find_recipe, resolve
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.items import Item
from gmai_data.sources.kept_listing import items_in_order
from gmai_data.sources.reading import read_pictures
from gmai_data.sources.splits import TWO_SPELLINGS, group_of, spelt_in_two_ways, split_of
from gmai_data.vocabulary import Split, Task

_SHOWN, _BLOCK = 10, 100_000
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
    (source,) = resolve([f"{name}={root}"], None)
    seen = _Seen(recipe, root)
    for item in items_in_order(source):
        seen.add(item)
    seen.say_what_is_missing()
    if seen.named:
        _say_unused(recipe, root, seen)
    problems = _count_problems(recipe, root, seen.used, seen.items - seen.whole)
    problems += _label_problems(recipe, seen.labels)
    problems += _group_problems(recipe, seen)
    problems += _split_problems(recipe, seen)
    problems += _try_items(recipe, root, seen)
    if problems:
        raise UserError("\n".join(f"{root}: {problem}" for problem in problems))
    say_next("data", "preview", name, "--root", root)


@dataclass
class _Some:
    """How many there are, and the first few of them."""

    count: int = 0
    first: list[str] = field(default_factory=list[str])

    def add(self, entry: str) -> None:
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(entry)

    def lines(self) -> str:
        return _lines(self.first, self.count)


class _Seen:
    """What one look at every item of a folder tells.

    Of each file that an item names it keeps 8 bytes, and of each group a rule names, two names; of the items, counts.
    """

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self._recipe, self._root = recipe, root
        self.items = self.whole = self.used = self.groups = 0
        self.has_data = False
        """Whether a picture of a whole item is more than a name; folders are taken to be, and rows of a dataset."""
        self.labels: Counter[str] = Counter()
        self.named = array("q")
        """Hash of each file that an item names; text would take a hundred bytes each."""
        self.folders: set[str] = set()
        self._missing: set[str] = set()
        self.without_group, self.spelt = _Some(), dict[str, str]()
        self.splits: Counter[str] = Counter()
        self.without_split: dict[str, _Some] = {}
        self._sides = bytearray()
        self._tried: list[tuple[float, Item]] = []

    def add(self, item: Item) -> None:
        """Note an item: whether its files are there, its labels, its group and its split."""
        self.items += 1
        self.used += not item.set_aside
        self.labels.update(item.raw_labels)
        sizes = [self._size(file) for file in item.files]
        if None not in sizes:
            self.whole += 1
            self.has_data |= not sizes or bool(sizes[0])
            self._maybe_try(item)
        self._add_group(item)
        if not item.set_aside:
            self._add_split(item)

    def _size(self, file: str) -> int | None:
        """Return the size of a file, 1 of a folder, and None where there is nothing."""
        self.named.append(hash(file))
        try:
            path = on_disk(self._root, file) if "\\x" in file else f"{self._root}/{file}"
            about = os.stat(path)  # noqa: PTH116 - of millions, as text
        except (OSError, ValueError):
            self._missing.add(file)
            return None
        if not stat.S_ISDIR(about.st_mode):
            return about.st_size
        self.folders.add(file)
        return 1

    def _maybe_try(self, item: Item) -> None:
        drawn = hash_fraction("check", self._recipe.name, item.key)
        if len(self._tried) < _READ_ITEMS or drawn < self._tried[-1][0]:
            self._tried = sorted([*self._tried, (drawn, item)], key=operator.itemgetter(0))[:_READ_ITEMS]

    @property
    def tried(self) -> list[Item]:
        """Return the few whole items that are drawn to be read."""
        return [item for _, item in self._tried]

    def _add_group(self, item: Item) -> None:
        group = group_of(item, self._recipe)
        self.groups = max(self.groups, item.group_number)  # numbers run from 1
        if group is None:
            self.without_group.add(item.key)
        elif self._recipe.split.group_pattern or item.group:
            self.spelt.setdefault(group, item.key)

    def _add_split(self, item: Item) -> None:
        if item.problem is not None:
            self.without_split.setdefault(f"{item.problem[0]}: {item.problem[1]}", _Some()).add(item.key)
            return
        try:
            split = split_of(item, self._recipe)
        except SourceError as problem:
            if problem.rule != "no group":  # told by the groups
                self.without_split.setdefault(f"{problem.rule}: {problem.detail}", _Some()).add(item.key)
            return
        self.splits[str(split)] += 1
        if len(self._sides) <= item.group_number:
            self._sides.extend(bytes(item.group_number + 1 - len(self._sides) + 4096))
        self._sides[item.group_number] |= _BIT_OF_SPLIT[split]

    @property
    def divided(self) -> int:
        """Return how many groups lie in two splits."""
        return sum(map(self._sides.count, _SEVERAL_BITS))

    def say_what_is_missing(self) -> None:
        """Print the files that are not there.

        Raises:
            UserError: No item is whole, or a file is not the published one.
        """
        if self._missing:
            message = f"{len(self._missing)} files that {self._recipe.name} names are not there:"
            message += _lines(sorted(self._missing))
            if not self.whole:
                raise UserError(f"{self._root}: {message}")
            print(
                f"{self._root}: {message}\n{self.items - self.whole} of {self.items} items lack a file: a partial copy?"
            )
        for file, digest in self._recipe.checksums.items():
            if not (self._root / file).is_file() or sha256_file(self._root / file) != digest:
                place = f"{self._root / file}: missing, or not the published file ({digest[:12]}…)"
                raise UserError(f"{place}. Download it again.")


_BIT_OF_SPLIT = {split: 1 << number for number, split in enumerate(Split)}
_SEVERAL_BITS = [bits for bits in range(256) if bits.bit_count() > 1]


def _say_unused(recipe: Recipe, root: Path, seen: _Seen) -> None:
    """Print how many files of the folder no item names, by their endings: what a pattern passes over is seen here."""
    named = np.sort(np.frombuffer(seen.named, np.int64))
    unused: dict[str, _Some] = {}
    files = map(printable, files_below(str(root), str(root)))
    while block := list(itertools.islice(files, _BLOCK)):
        hashes = np.array([hash(file) for file in block], np.int64)
        places = np.minimum(np.searchsorted(named, hashes), max(len(named) - 1, 0))
        known = named[places] == hashes if len(named) else np.zeros(len(block), bool)
        for file in itertools.compress(block, ~known):
            path = PurePosixPath(file)
            if seen.folders and any(str(above) in seen.folders for above in path.parents):
                continue
            ending = "".join(path.suffixes[-2:]) if path.name.endswith(".nii.gz") else path.suffix
            unused.setdefault(ending.lower() or "no ending", _Some()).add(file)
    kinds = [f"{some.count} {ending}, such as {some.first[0]}" for ending, some in sorted(unused.items())]
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


def _label_problems(recipe: Recipe, seen: Counter[str]) -> list[str]:
    """Compare the labels that a layout tells before any picture is read; print those of the card that no item has."""
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


def _group_problems(recipe: Recipe, seen: _Seen) -> list[str]:
    """Say how many groups there are, or why there is none, and which the rule of the groups misses."""
    rule, missed = recipe.split, seen.without_group
    if rule.group_pattern is not None:
        print(f"{recipe.name}: {seen.groups} groups by split.group_pattern.")
    elif seen.groups < seen.items - missed.count:
        print(f"{recipe.name}: {seen.groups} groups by the {'second table' if rule.group_table else 'layout'}.")
    else:
        why = f": {rule.no_group.rstrip('.')}" if rule.no_group else ""
        print(f"{recipe.name}: every item is a group of its own{why}.")
    if alike := spelt_in_two_ways(seen.spelt):  # which of them are one patient, only the publisher knows
        lines = [" and ".join(seen.spelt[group] for group in groups) for groups in alike]
        print(f"{recipe.name}: {sum(map(len, alike))} groups {TWO_SPELLINGS}:{_lines(lines)}")
    if not missed.count:
        return []
    return [
        f"group_pattern {rule.group_pattern!r} misses {missed.count} items; a build would quarantine them:"
        f"{missed.lines()}"
    ]


def _split_problems(recipe: Recipe, seen: _Seen) -> list[str]:
    """Print how many items lie in each split, and return what is left out or divided."""
    counts = ", ".join(f"{split} {count}" for split, count in seen.splits.items())
    print(f"{recipe.name}: {counts or 'no item is in a split'}.")
    problems = [
        f"{some.count} items would be quarantined: {reason}:{some.lines()}"
        for reason, some in sorted(seen.without_split.items())
    ]
    if divided := seen.divided:
        problems.append(
            f"{divided} groups lie in two splits: the publisher's split divides them. Correct the group or the split."
        )
    return problems


def _try_items(recipe: Recipe, root: Path, seen: _Seen) -> list[str]:
    """Read a few items as a build would, print what came of them, and return what is wrong with them."""
    if recipe.task == Task.TEXT:
        return []
    if seen.whole and not seen.has_data:
        print(f"{recipe.name}: the files hold no data (0 bytes): their names were checked, and nothing was read.")
        return []
    chosen = seen.tried
    ledger, problems, pictures, labels, aside = Ledger(), list[str](), 0, Counter[str](), 0
    for item in chosen:
        try:
            split_of(item, recipe)
            for picture in itertools.islice(read_pictures(item, recipe, root, ledger), _READ_PICTURES):
                pictures += 1
                labels.update(picture.labels)
        except SourceError as problem:
            problems.append(f"{problem.file}: {problem}")
        except SetAside as reason:
            aside += 1
            print(f"{item.key}: set aside: {reason.rule}")
    counts = ", ".join(f"{label} {count}" for label, count in labels.most_common(_SHOWN))
    tried = "1 item" if len(chosen) == 1 else f"{len(chosen)} items"
    images = "1 image" if pictures == 1 else f"{pictures} images"
    none = "without labels" if pictures else "all were set aside" if aside == len(chosen) else "none could be read"
    print(f"{recipe.name}: read {tried}, {images}: {counts or none}.")
    return problems


def _lines(entries: Sequence[str], count: int | None = None) -> str:
    """Return entries as lines; of more than are shown, how many: `count` where not all are given."""
    more = (len(entries) if count is None else count) - _SHOWN
    return "".join(f"\n  {entry}" for entry in entries[:_SHOWN]) + (f"\n  … and {more} more" if more > 0 else "")
