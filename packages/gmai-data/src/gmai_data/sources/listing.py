"""The items of every source: step 2 of a build."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmai_formats.errors import UserError

from gmai_data.imaging.raster import digest
from gmai_data.imaging.source_files import on_disk
from gmai_data.ledger import printable
from gmai_data.seeded import hash_fraction
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.item_lines import digest_line, encoded
from gmai_data.sources.items import Item
from gmai_data.sources.joined import with_joined_facts
from gmai_data.sources.splits import group_of

_NEAR = 200
"""Folders below a root that are tried when a layout finds nothing in it."""


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
        root = self.source.root
        return digest(b"".join(digest_line(item, encoded(item), root) for item in self.items))

    def by_shard(
        self, count_of: Callable[[Recipe, int], int], shard_of: Callable[[Item, Recipe, int], int]
    ) -> tuple[int, Iterator[tuple[int, tuple[Item, ...]]]]:
        """Return the number of shards, and (number, items) of those that have items, in order.

        Args:
            count_of: Number of shards of so many items.
            shard_of: Shard of an item.
        """
        recipe = self.source.recipe
        count = count_of(recipe, len(self.items))
        shards: dict[int, list[Item]] = defaultdict(list)
        for item in self.items:
            shards[shard_of(item, recipe, count)].append(item)
        return count, ((number, tuple(items)) for number, items in sorted(shards.items()))


def list_sources(sources: Sequence[Source], limit: int | None) -> list[Listing]:
    """List the items of every source; with a limit, those whose keys have the smallest hashes.

    Raises:
        UserError: See `Layout.list_items`.
    """
    listings: list[Listing] = []
    for source in sources:
        recipe = source.recipe
        items = _numbered(_by_key(listed_items(source)), recipe)
        items.sort(key=lambda item: hash_fraction("limit", recipe.name, item.key) if limit else 0.0)
        listings.append(Listing(source, tuple(sorted(items[:limit], key=lambda item: item.key))))
    return listings


def listed_items(source: Source) -> Iterator[Item]:
    """Yield what a source holds, one by one, in the order of its layout.

    Raises:
        UserError: See `Layout.list_items`.
    """
    recipe = source.recipe
    return with_joined_facts(map(_printable, _of_layout(source)), recipe, source.root, recipe.layout.lists_folder)


def _of_layout(source: Source) -> Iterator[Item]:
    """Yield what the layout lists; where it finds nothing, the error names the folder near by in which it does."""
    try:
        items = source.recipe.layout.list_items(source.recipe, source.root)
        first = next(items, None)
        if first is None:
            raise UserError(
                f"{source.root}: recipe {source.recipe.name} finds nothing to read. Give the folder that the recipe "
                f"describes (`gmai data recipes show {source.recipe.name}`)."
            )
        yield first
        yield from items
    except UserError as problem:
        near = next((folder for folder in _folders_near(source) if _fits(source.recipe, folder)), None)
        if near is None:
            raise
        raise UserError(f"{problem}\nIn {near} it does: give that folder as --root.") from problem


def _folders_near(source: Source) -> Iterator[Path]:
    """Yield the folders that publishers' archives put above or below the files: two levels below, one above."""
    root = source.root.resolve()
    below = sorted(path for pattern in ("*", "*/*") for path in root.glob(pattern) if path.is_dir())
    yield from sorted(below, key=lambda path: len(path.parts))[:_NEAR]
    if "**" not in str(source.recipe.layout):  # which would look through everything beside the dataset
        yield root.parent


def _fits(recipe: Recipe, folder: Path) -> bool:
    """Return whether a layout finds a first item in a folder whose file is there and whose labels the card knows."""
    try:
        item = next(recipe.layout.list_items(recipe, folder), None)
    except (UserError, OSError):
        return False
    known = item is not None and all(raw in recipe.labels for raw in item.raw_labels)
    return item is not None and known and all(on_disk(folder, name).exists() for name in item.files[:1])


def several_times(item: Item, count: int) -> Item:
    """Return an item that the source lists so many times: only that is known of it, and it is not read."""
    if item.problem is not None:
        return item
    detail = f"{count} entries of the source have this key; keep one of them"
    return item._replace(problem=("listed several times", detail))


def _printable(item: Item) -> Item:
    """Return an item of which every name can be written down."""
    key, files, masks = item.key, item.files, item.masks
    if key.isascii() and (files == (key,) or all(map(str.isascii, files))) and all(map(str.isascii, masks)):
        return item
    return item._replace(key=printable(key), files=tuple(map(printable, files)), masks=tuple(map(printable, masks)))


def _by_key(items: Iterable[Item]) -> list[Item]:
    """Return one item per key: of several, only that they are several is known, and none is read."""
    found: dict[str, Item] = {}
    times: Counter[str] = Counter()
    for item in items:
        times[item.key] += 1
        found.setdefault(item.key, item)
    for key, count in times.items():
        if count > 1:
            found[key] = several_times(found[key], count)
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
        numbered.append(item._replace(group_number=number))
    return numbered
