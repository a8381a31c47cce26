"""The listing of a source as files of a build: written once, and read shard by shard by whoever works on it.

Memory does not grow with the source: items are sorted in runs on disk, merged by their keys, numbered and counted on
the way, and laid down by shard. Tasks of a job array, resumes and the question whether a build is complete list nothing
again, as long as the folders of the source (their times), and its tables and lists (their sizes and times), are what
they were. Pictures that are changed in place under their old names are not noticed there, but by the shards that were
made of them.
"""

import contextlib
import hashlib
import heapq
import itertools
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from gmai_cli.console import say
from gmai_cli.run_lock import RunLock
from gmai_formats.errors import UserError
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_data.seeded import hash_fraction
from gmai_data.sources.catalogue import Source
from gmai_data.sources.items import Item
from gmai_data.sources.layout import IMAGE_ENDINGS
from gmai_data.sources.listing import digest_line, listed_items, several_times
from gmai_data.sources.recipe import Recipe
from gmai_data.sources.splits import group_of
from gmai_data.sources.volume_files import VOLUME_ENDINGS
from gmai_data.vocabulary import Split

RUN_ITEMS = 100_000
"""Items that are sorted in memory."""
MOST_FILES = 256
"""Files that the shards of a source are laid down in."""
LOCK = "listing.lock"
_DEFAULTS = {field.name: field.default for field in fields(Item)}
_ENCODE, _DECODE = json.JSONEncoder().encode, json.JSONDecoder().raw_decode
_NO_LISTS = (*IMAGE_ENDINGS, *VOLUME_ENDINGS)


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
        yield from map(decoded, lines)


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


def encoded(item: Item, group_number: int = 0) -> bytes:
    """Return an item, with the number of its group, as a line of JSON; what has its default is left out."""
    # `dataclasses.replace` and `json.dumps` would take most of the time of a listing.
    told = {name: value for name, value in vars(item).items() if value != _DEFAULTS[name]}
    if group_number:
        told["group_number"] = group_number
    key, files = told.pop("key"), told.pop("files")
    short = None if files == (key,) else files
    return _ENCODE([key, short, told] if told else [key, short]).encode() + b"\n"


def decoded(line: bytes) -> Item:
    """Return the item of a line."""
    (key, files, *more), _ = _DECODE(line.decode())
    told = {name: _tuples(value) for name, value in more[0].items()} if more else {}
    if "split" in told:
        told["split"] = Split(told["split"])
    return Item(key, (key,) if files is None else tuple(files), **told)


def _key(line: bytes) -> str:
    return _DECODE(line.decode())[0][0]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


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
    folder = work / "listing" / source.recipe.name
    made_of = _made_of(source, limit)
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


@contextlib.contextmanager
def _alone(work: Path) -> Generator[None]:
    """Let one process list, and the others wait for it."""
    work.mkdir(parents=True, exist_ok=True)
    lock = RunLock(work, LOCK, works_on=work.parent)
    while True:
        try:
            lock.acquire()
        except UserError:
            if not lock.at_work():
                raise
            RunLock(work, LOCK, works_on=work.parent).wait_until_free()
        else:
            break
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
    for line in _state(str(source.root), set()):
        found.update(line.encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def _state(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Yield the times of folders, and sizes and times of files that are no pictures: tables, lists, annotations."""
    about = os.stat(folder)  # noqa: PTH116 - a Path for each of a million files costs more than the look at it
    if (about.st_dev, about.st_ino) in seen:
        return
    seen.add((about.st_dev, about.st_ino))
    yield f"{folder}\0{about.st_mtime_ns}\n"
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.path)
                elif not entry.name.lower().endswith(_NO_LISTS) and entry.is_file():
                    found = entry.stat()
                    folders.append(f"{entry.path}\0{found.st_size}\0{found.st_mtime_ns}")
    except PermissionError:
        yield "unreadable\n"
    for path in sorted(folders):
        if "\0" in path:
            yield f"{path}\n"
        else:
            yield from _state(path, seen)


def forget_items(work: Path) -> None:
    """Remove the items of a complete build's listings; their digests stay."""
    for path in (work / "listing").glob("*/part-*"):
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
        parts = min(count_of(recipe, listed if limit is None else min(limit, listed)), MOST_FILES)
        found, used, total = hashlib.sha256(), 0, 0
        with contextlib.ExitStack() as opened:
            files = [opened.enter_context((building / f"part-{n:03d}").open("wb")) for n in range(parts)]
            for item, number in _limited(_numbered(_merged(runs, opened), recipe, groups), recipe, limit):
                line = digest_line(item, source.root).encode()
                found.update(line if total == 0 else b"\n" + line)
                used, total = used + (not item.set_aside), total + 1
                files[int(hash_fraction("shard", recipe.name, item.key) * parts)].write(encoded(item, number))
        for run in runs:
            run.unlink()
        count = count_of(recipe, total)
        shards = _laid_down(building, parts, max(parts // count, 1), lambda item: shard_of(item, recipe, count))
        head: dict[str, Any] = {
            "made_of": made_of,
            "digest": found.hexdigest(),
            "used": used,
            "count": count,
            "shards": shards,
        }
        head["files"] = {path.name: _crc(path) for path in sorted(building.glob("part-*"))}
        write_state(building / "listing.json", head)
        shutil.rmtree(folder, ignore_errors=True)
        building.replace(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _sorted_runs(items: Iterable[Item], recipe: Recipe, folder: Path) -> tuple[list[Path], int, set[str]]:
    """Write items as files that are each sorted by key; return them, the number of items, and the groups of several."""
    runs: list[Path] = []
    groups: set[str] = set()
    listed, stream = 0, iter(items)
    while chunk := list(itertools.islice(stream, RUN_ITEMS)):
        chunk.sort(key=lambda item: item.key)  # stable: of several with one key, the first stays the first
        listed += len(chunk)
        runs.append(folder / f"run-{len(runs):05d}")
        with runs[-1].open("wb") as file:
            file.writelines(map(encoded, chunk))
        groups.update(group for item in chunk if (group := group_of(item, recipe)) not in (None, item.key))
    return runs, listed, groups


def _merged(runs: list[Path], opened: contextlib.ExitStack) -> Iterator[Item]:
    """Yield one item per key, in order of the keys; of several, that they are several is its problem."""
    files: list[IO[bytes]] = [opened.enter_context(run.open("rb")) for run in runs]
    merged = heapq.merge(*(map(decoded, file) for file in files), key=lambda item: item.key)
    for _, same in itertools.groupby(merged, key=lambda item: item.key):
        first = next(same)
        more = sum(1 for _ in same)  # noqa: B031 - what is left of the group
        yield several_times(first, more + 1) if more else first


def _numbered(items: Iterable[Item], recipe: Recipe, groups: set[str]) -> Iterator[tuple[Item, int]]:
    """Yield each item with the running number of its group; one that is a group of its own needs no memory."""
    numbers: dict[str, int] = {}
    last = 0
    for item in items:
        group = group_of(item, recipe)
        if group is None:
            yield item, 0
            continue
        number = numbers.get(group)
        if number is None:
            last = number = last + 1
            if group in groups:
                numbers[group] = number
        yield item, number


def _limited(items: Iterator[tuple[Item, int]], recipe: Recipe, limit: int | None) -> Iterator[tuple[Item, int]]:
    if limit is None:
        return items
    few = heapq.nsmallest(limit, items, key=lambda each: hash_fraction("limit", recipe.name, each[0].key))
    return iter(sorted(few, key=lambda each: each[0].key))


def _laid_down(
    folder: Path, parts: int, step: int, shard: Callable[[Item], int]
) -> list[tuple[int, str, int, int, int]]:
    """Put the items of each part in order of their shards; return (shard, file, offset, number of items, CRC-32).

    `step` parts are put together, where there are fewer shards than parts since items were listed several times.
    """
    index: list[tuple[int, str, int, int, int]] = []
    for start in range(0, parts, step):
        paths = [folder / f"part-{part:03d}" for part in range(start, start + step)]
        lines = [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]
        if step > 1:
            lines.sort(key=_key)
        shards: dict[int, list[bytes]] = {}
        for line in lines:
            shards.setdefault(shard(Item(_key(line), ())), []).append(line)
        offset = 0
        with paths[0].open("wb") as file:
            for number, found in sorted(shards.items()):
                file.writelines(found)
                index.append((number, paths[0].name, offset, len(found), zlib.crc32(b"".join(found))))
                offset += sum(map(len, found))
        for path in paths[1:]:
            path.unlink()
    return index
