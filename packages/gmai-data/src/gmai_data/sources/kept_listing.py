"""The listing of a source as files of a build: written once, and read shard by shard by whoever works on it.

Memory does not grow with the source: items are sorted in runs on disk, merged by their keys, numbered and counted on
the way, and laid down by shard. Tasks of a job array, resumes and the question whether a build is complete list nothing
again, as long as the folders of the source (their times), and its tables and lists (their sizes and times), are what
they were. Pictures that are changed in place under their old names are not noticed there, but by the shards that were
made of them, and by a complete build, whose shards are gone, from their times (`source_state.written_since`).
"""

import contextlib
import hashlib
import heapq
import itertools
import json
import operator
import shutil
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_cli.run_lock import RunLock
from gmai_formats.errors import UserError
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_data.seeded import hash_fraction
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.item_lines import decoded, digest_line, encoded
from gmai_data.sources.items import Item
from gmai_data.sources.listing import listed_items, several_times
from gmai_data.sources.source_state import state_lines
from gmai_data.sources.splits import TWO_SPELLINGS, group_of, spelt_in_two_ways

RUN_ITEMS = 100_000
"""Items that are sorted in memory."""
MOST_FILES = 256
"""Files that the shards of a source are laid down in."""
LOCK = "listing.lock"
_OF_STATE = 16
_BY_KEY = operator.attrgetter("key")


@dataclass(frozen=True)
class ItemsOfShard:
    """Some items that stand in a file one after the other; they are read when they are asked for."""

    file: Path
    offset: int
    count: int
    checksum: int
    """CRC-32 of the lines."""

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Item]:
        with self.file.open("rb") as file:
            file.seek(self.offset)
            lines = list(itertools.islice(file, self.count))
        if zlib.crc32(b"".join(lines)) != self.checksum:
            raise UserError(
                f"{self.file} is damaged: its items are not those that were listed. Remove it; the same command lists "
                "the source anew."
            )
        yield from map(item_of, lines)


@dataclass(frozen=True)
class KeptListing:
    """A source whose items stand in files.

    Attributes:
        source: The card and its folder.
        digest: As that of a `Listing` of the same items.
        used: Number of items that are meant to be used.
        shards: How many shards the source has, and the items of those that have any.
    """

    source: Source
    digest: str
    used: int
    count: int
    shards: tuple[tuple[int, ItemsOfShard], ...]

    def by_shard(self, *_: object) -> tuple[int, Iterator[tuple[int, ItemsOfShard]]]:
        """Return the number of shards, and (number, items) of those that have items."""
        return self.count, iter(self.shards)


def keep_listing(
    source: Source,
    limit: int | None,
    work: Path,
    count_of: Callable[[Recipe, int], int],
    shard_of: Callable[[Item, Recipe, int], int],
    *,
    with_items: bool = True,
) -> KeptListing:
    """Return the listing of a source in a build's folder; it is written where there is none that still holds.

    Args:
        source: A card and its folder.
        limit: Only so many items, whose keys have the smallest hashes.
        work: The build's folder.
        count_of: Number of shards of so many items.
        shard_of: Shard of an item.
        with_items: A complete build only needs to know the digest; its items may be gone.

    Raises:
        UserError: See `Layout.list_items`; or nothing can be written to the folder.
    """
    made_of = _made_of(source, limit)
    # A folder of its own for each state of the source: tasks that see copies of it, each with the times of its own,
    # would take turns to list, and one would remove what another reads.
    folder = work / "listing" / source.recipe.name / made_of[:_OF_STATE]
    if (known := _known(source, folder, made_of, with_items=with_items)) is not None:
        return known
    with _alone(work):
        if (
            known := _known(source, folder, made_of, with_items=with_items)
        ) is not None:  # what another task wrote while this one waited
            return known
        _write(source, limit, folder, made_of, count_of, shard_of)
    known = _known(source, folder, made_of, with_items=with_items)
    if known is None:
        raise UserError(f"{source.root}: its files change while they are listed. Wait until they are all there.")
    return known


def items_in_order(source: Source) -> Iterator[Item]:
    """Yield the items of a source in order of their keys, numbered by group, for one look at all of them.

    They wait on disk, in a folder that is gone afterwards; memory does not grow with the source.

    Raises:
        UserError: See `Layout.list_items`.
    """
    with tempfile.TemporaryDirectory(prefix="gmai-items-") as folder, contextlib.ExitStack() as opened:
        runs, _, groups = _sorted_runs(listed_items(source), source.recipe, Path(folder))
        for (item, _), number in _numbered(_merged(runs, opened), source.recipe, groups):
            yield item._replace(group_number=number)


@contextlib.contextmanager
def _alone(work: Path) -> Generator[None]:
    """Let one process list, and the others wait for it."""
    work.mkdir(parents=True, exist_ok=True)
    lock = RunLock(work, LOCK, works_on=work.parent)
    lock.acquire(patient=True)
    try:
        yield
    finally:
        lock.release()
        for empty in (work / "listing", work, work.parent):  # after a mistake in the card nothing is left
            with contextlib.suppress(OSError):
                empty.rmdir()


def _made_of(source: Source, limit: int | None) -> str:
    """Return a digest of what a listing depends on: the card, the limit, and the folder as it stands."""
    card = source.recipe.model_dump(mode="json")
    card["background"].sort()
    found = hashlib.sha256(json.dumps([card, limit, str(source.root.resolve())], sort_keys=True).encode())
    for line in state_lines(source.root):
        found.update(line.encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def forget_items(work: Path) -> None:
    """Remove the items of a complete build's listings; their digests stay."""
    for path in (work / "listing").glob("*/*/part-*"):
        path.unlink()


def _known(source: Source, folder: Path, made_of: str, *, with_items: bool) -> KeptListing | None:
    try:
        head = read_state(folder / "listing.json")
        if head["made_of"] != made_of:
            return None
        shards = tuple((number, ItemsOfShard(folder / name, *place)) for number, name, *place in head["shards"])
        if with_items and not _are_whole(folder, {name for _, name, *_ in head["shards"]}, head["files"]):
            return None
        return KeptListing(source, head["digest"], head["used"], head["count"], shards)
    except FileNotFoundError:
        return None
    except DamagedError as error:
        say(f"{error}; the source is listed anew.")
        return None


def _crc(path: Path) -> int:
    return zlib.crc32(path.read_bytes())


def _are_whole(folder: Path, names: set[str], known: Mapping[str, int]) -> bool:
    if not all((folder / name).is_file() for name in names):
        return False
    damaged = [folder / name for name in sorted(names) if _crc(folder / name) != known[name]]
    for path in damaged:
        say(f"{path} is damaged; the source is listed anew.")
    return not damaged


def _write(
    source: Source,
    limit: int | None,
    folder: Path,
    made_of: str,
    count_of: Callable[[Recipe, int], int],
    shard_of: Callable[[Item, Recipe, int], int],
) -> None:
    recipe = source.recipe
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{recipe.name}.*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{recipe.name}."))
    try:
        runs, listed, groups = _sorted_runs(listed_items(source), recipe, building)
        if alike := spelt_in_two_ways(groups):
            say(
                f"{recipe.name}: {sum(map(len, alike))} groups {TWO_SPELLINGS}; `gmai data recipes check {recipe.name} "
                "--root …` names them."
            )
        most = count_of(recipe, listed if limit is None else min(limit, listed))
        parts = min(most, MOST_FILES)
        found, used, total = hashlib.sha256(), 0, 0
        with contextlib.ExitStack() as opened:
            files = [opened.enter_context((building / f"part-{n:03d}").open("wb")) for n in range(parts)]
            for (item, line), number in _limited(_numbered(_merged(runs, opened), recipe, groups), recipe, limit):
                line = line or encoded(item)
                found.update(digest_line(item, line, source.root))
                used, total = used + (not item.set_aside), total + 1
                shard = shard_of(item, recipe, most)
                files[shard * parts // most].write(b"%d %d %b" % (shard, number, line))
        for run in building.glob("run-*"):
            run.unlink()
        count = count_of(recipe, total)
        shards, checksums = _laid_down(building, parts, max(parts // count, 1), most // count)
        head: dict[str, Any] = {
            "made_of": made_of,
            "digest": found.hexdigest(),
            "used": used,
            "count": count,
            "shards": shards,
            "files": checksums,
        }
        write_state(building / "listing.json", head)
        shutil.rmtree(folder, ignore_errors=True)
        building.replace(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
        raise


def _sorted_runs(
    items: Iterable[Item], recipe: Recipe, folder: Path
) -> tuple[list[tuple[str, str, Path | list[Item]]], int, set[str]]:
    """Sort items by key, run by run, as files but for the last.

    Returns:
        The runs, each with its first and last key; the number of their items; and the groups, without those that are
        called as their one item is.
    """
    runs: list[tuple[str, str, Path | list[Item]]] = []
    groups: set[str] = set()
    listed, stream = 0, iter(items)
    while chunk := list(itertools.islice(stream, RUN_ITEMS)):
        chunk.sort(key=_BY_KEY)  # stable: of several with one key, the first stays the first
        listed += len(chunk)
        groups.update(group for item in chunk if (group := group_of(item, recipe)) not in (None, item.key))
        first, last = chunk[0].key, chunk[-1].key
        if len(chunk) < RUN_ITEMS:
            runs.append((first, last, chunk))
        else:
            file = folder / f"run-{len(runs):05d}"
            with file.open("wb") as opened:
                opened.writelines(map(encoded, chunk))
            runs.append((first, last, file))
    return runs, listed, groups


def _merged(
    runs: Sequence[tuple[str, str, Path | list[Item]]], opened: contextlib.ExitStack
) -> Iterator[tuple[Item, bytes]]:
    """Yield one item per key, in order of the keys, with its line where that was written before.

    Of several, that they are several is its problem.
    """
    streams = [_run(run, opened) for _, _, run in runs]
    if all(before[1] < behind[0] for before, behind in itertools.pairwise(runs)):  # as layouts that walk folders list
        merged = itertools.chain.from_iterable(streams)
    else:
        merged = heapq.merge(*streams, key=lambda each: each[0].key)
    first, times = None, 1
    for each in merged:
        if first is not None and each[0].key == first[0].key:
            times += 1
            continue
        if first is not None:
            yield first if times == 1 else (several_times(first[0], times), b"")
        first, times = each, 1
    if first is not None:
        yield first if times == 1 else (several_times(first[0], times), b"")


def _run(run: Path | list[Item], opened: contextlib.ExitStack) -> Iterator[tuple[Item, bytes]]:
    if isinstance(run, list):
        return ((item, b"") for item in run)
    return ((decoded(line), line) for line in opened.enter_context(run.open("rb")))


def _numbered(
    items: Iterable[tuple[Item, bytes]], recipe: Recipe, groups: set[str]
) -> Iterator[tuple[tuple[Item, bytes], int]]:
    """Yield each item with the running number of its group; one that is a group of its own needs no memory."""
    numbers: dict[str, int] = {}
    last = 0
    for each in items:
        group = group_of(each[0], recipe)
        if group is None:
            yield each, 0
            continue
        number = numbers.get(group)
        if number is None:
            last = number = last + 1
            if group in groups:
                numbers[group] = number
        yield each, number


def _limited(
    items: Iterator[tuple[tuple[Item, bytes], int]], recipe: Recipe, limit: int | None
) -> Iterator[tuple[tuple[Item, bytes], int]]:
    if limit is None:
        return items
    few = heapq.nsmallest(limit, items, key=lambda each: hash_fraction("limit", recipe.name, each[0][0].key))
    return iter(sorted(few, key=lambda each: each[0][0].key))


def _laid_down(
    folder: Path, parts: int, step: int, fewer: int
) -> tuple[list[tuple[int, str, int, int, int]], dict[str, int]]:
    """Put the items of each part in order of their shards.

    Each line begins with the number of its shard. Where items were listed several times, there are fewer shards: `step`
    parts are put together, and `fewer` shards.

    Returns:
        (shard, file, offset, number of items, CRC-32) of each shard, and the CRC-32 of each file.
    """
    index: list[tuple[int, str, int, int, int]] = []
    checksums: dict[str, int] = {}
    for start in range(0, parts, step):
        paths = [folder / f"part-{part:03d}" for part in range(start, start + step)]
        shards: dict[bytes, list[bytes]] = {}
        for path in paths:
            with path.open("rb") as lines:
                for numbered in lines:
                    number, _, line = numbered.partition(b" ")
                    shards.setdefault(number, []).append(line)
        merged: dict[int, list[bytes]] = {}
        for number, found in shards.items():
            merged.setdefault(int(number) // fewer, []).extend(found)
        offset = checksum = 0
        with paths[0].open("wb") as file:
            for number, found in sorted(merged.items()):
                if fewer > 1:
                    found.sort(key=lambda line: item_of(line).key)
                written = b"".join(found)
                file.write(written)
                index.append((number, paths[0].name, offset, len(found), zlib.crc32(written)))
                checksum = zlib.crc32(written, checksum)
                offset += len(written)
        checksums[paths[0].name] = checksum
        for path in paths[1:]:
            path.unlink()
    return index, checksums


def item_of(line: bytes) -> Item:
    """Return the item of a line of a shard, which begins with the number of the item's group."""
    number, _, rest = line.partition(b" ")
    return decoded(rest, int(number))
