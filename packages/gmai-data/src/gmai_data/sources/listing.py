"""The items of every source: step 2 of a build."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gmai_data.imaging.raster import digest
from gmai_data.imaging.source_files import on_disk
from gmai_data.ledger import printable
from gmai_data.seeded import hash_fraction
from gmai_data.sources.catalogue import Source
from gmai_data.sources.items import Item
from gmai_data.sources.joined import with_joined_facts
from gmai_data.sources.recipe import Recipe
from gmai_data.sources.splits import group_of


@dataclass(frozen=True)
class Listing:
    """A source and its items, in order."""

    source: Source
    items: tuple[Item, ...]

    @property
    def used(self) -> int:
        """Return the number of items that are meant to be used."""
        return sum(not item.set_aside for item in self.items)

    @property
    def digest(self) -> str:
        """Return a digest of the items' keys and file sizes: another download, or a new file, changes it."""
        lines: list[str] = []
        for item in self.items:
            sizes = [_size_bytes(on_disk(self.source.root, file)) for file in (*item.files, *item.masks)]
            told = (item.group, item.split, item.raw_labels, item.uncertain, item.part)
            lines.append(json.dumps([item.key, item.files, sizes, *told]))
        return digest("\n".join(lines).encode())


def _size_bytes(path: Path) -> int:
    """Return the size of a file, of all files of a folder, or -1 where there is nothing."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return path.stat().st_size if path.is_file() else -1


def list_sources(sources: Sequence[Source], limit: int | None) -> list[Listing]:
    """List the items of every source; with a limit, those whose keys have the smallest hashes.

    Raises:
        UserError: See `Layout.list_items`.
    """
    listings: list[Listing] = []
    for source in sources:
        recipe = source.recipe
        listed = map(_printable, recipe.layout.list_items(recipe, source.root))
        items = list(with_joined_facts(listed, recipe, source.root, recipe.layout.lists_folder))
        items = _numbered(_by_key(items), recipe)
        items.sort(key=lambda item: hash_fraction("limit", recipe.name, item.key) if limit else 0.0)
        listings.append(Listing(source, tuple(sorted(items[:limit], key=lambda item: item.key))))
    return listings


def _printable(item: Item) -> Item:
    """Return an item of which every name can be written down."""
    return replace(
        item,
        key=printable(item.key),
        files=tuple(map(printable, item.files)),
        masks=tuple(map(printable, item.masks)),
    )


def _by_key(items: Iterable[Item]) -> list[Item]:
    """Return one item per key: of several, only that they are several is known, and none is read."""
    found: dict[str, Item] = {}
    times: Counter[str] = Counter()
    for item in items:
        times[item.key] += 1
        found.setdefault(item.key, item)
    for key, count in times.items():
        if count > 1 and found[key].problem is None:
            detail = f"{count} entries of the source have this key; keep one of them"
            found[key] = replace(found[key], problem=("listed several times", detail))
    return list(found.values())


def _numbered(items: Sequence[Item], recipe: Recipe) -> list[Item]:
    """Give each group a running number, in the order of the items' keys.

    The number says nothing about the patient whose id the group may hold (45 CFR 164.514(c), PS3.15 E.1).
    """
    numbers: dict[str, int] = {}
    numbered: list[Item] = []
    for item in sorted(items, key=lambda item: item.key):
        group = group_of(item, recipe)
        number = 0 if group is None else numbers.setdefault(group, len(numbers) + 1)
        numbered.append(replace(item, group_number=number))
    return numbered
