"""The items of every source: step 2 of a build."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmai_formats.errors import UserError

from gmai_data.imaging.raster import digest
from gmai_data.seeded import hash_fraction
from gmai_data.sources.catalogue import Source
from gmai_data.sources.items import Item


@dataclass(frozen=True)
class Listing:
    """A source and its items, in order."""

    source: Source
    items: tuple[Item, ...]

    @property
    def digest(self) -> str:
        """Return a digest of the items' keys and file sizes: another download, or a new file, changes it."""
        lines: list[str] = []
        for item in self.items:
            sizes = [_size_bytes(path) for path in map(self.source.root.joinpath, item.files)]
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
        UserError: See `Layout.list_items`; or two items of a source have the same key.
    """
    listings: list[Listing] = []
    for source in sources:
        recipe = source.recipe
        items = list(recipe.layout.list_items(recipe, source.root))
        seen: set[str] = set()
        for item in items:
            if item.key in seen:
                raise UserError(
                    f"{source.root}: {recipe.name} lists {item.key} twice. Keys are unique; fix the source."
                )
            seen.add(item.key)
        items.sort(key=lambda item: hash_fraction("limit", recipe.name, item.key) if limit else 0.0)
        listings.append(Listing(source, tuple(sorted(items[:limit], key=lambda item: item.key))))
    return listings
