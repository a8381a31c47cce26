"""The datasets of a mixture ▶ open tables: files found, indexed, images in Parquet located, by all ranks."""

import hashlib
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gmai_cli.console import progress
from gmai_formats.errors import UserError
from gmai_formats.rows.mixtures import Mixture, MixtureEntry

from gmai_model.batching.caches import cache_folder
from gmai_model.batching.groups import kind_of
from gmai_model.batching.images import ParquetImages, copied_bytes
from gmai_model.batching.index import index_path, is_current, write_index
from gmai_model.batching.lengths import in_processes
from gmai_model.batching.mixture import take_share, used_entries
from gmai_model.batching.samples import SampleSource, SampleTable
from gmai_model.batching.sources import SourceFiles, digest_files, find_files
from gmai_model.batching.team import Team

_IN_PROCESS_BYTES = 32 * 2**20
_GIB = 2**30


@dataclass(frozen=True)
class Dataset:
    """One dataset of a split, found."""

    entry: MixtureEntry
    source: SourceFiles
    digests: list[str]
    """The digest of each file."""


def find_datasets(entries: list[MixtureEntry], root: Path, *, split: str, cache: Path, team: Team) -> list[Dataset]:
    """Return the datasets that have files of a split, the same on every rank; the disk is asked by rank 0 alone.

    Raises:
        UserError: A path is missing, or has no samples to train on.
    """
    datasets: list[Dataset] = []
    with team.together():
        for entry in entries if team.is_main else []:
            source = find_files(entry, root, split=split, cache=cache)
            if source is not None:
                datasets.append(Dataset(entry, source, digest_files(source.files)))
    return team.from_main(datasets)


def index_files(datasets: list[Dataset], cache: Path, team: Team) -> None:
    """Write the indexes that the cache lacks.

    Raises:
        UserError: A file is not whole, or holds no samples.
    """

    def write(work: tuple[Dataset, int]) -> None:
        dataset, number = work
        to = index_path(cache, dataset.digests[number])
        write_index(dataset.source.files[number], dataset.source.name, to, dataset.source.folders)

    folders = {digest: dataset.source.folders for dataset in datasets for digest in dataset.digests}
    _together(
        write, datasets, lambda digest: is_current(index_path(cache, digest), folders[digest]), team,
        what="reading samples",
    )  # fmt: skip


def find_images(datasets: list[Dataset], cache: Path, team: Team) -> None:
    """Find the images of Parquet files, and copy those that cannot be read where they lie; the cache keeps both.

    Raises:
        UserError: A file cannot be read, or the disk is full.
    """

    def write(work: tuple[Dataset, int]) -> None:
        dataset, number = work
        ParquetImages(cache, dataset.digests[number], dataset.source.files[number]).write()

    parquet = [dataset for dataset in datasets if dataset.source.is_parquet]
    files = _files(parquet)
    with team.together():
        if team.is_main:
            _check_room(files, cache)
    _together(
        write, parquet, lambda digest: ParquetImages(cache, digest, files[digest]).exists, team,
        what="finding the images in Parquet",
    )  # fmt: skip


def _files(datasets: list[Dataset]) -> dict[str, Path]:
    return {digest: file for own in datasets for digest, file in zip(own.digests, own.source.files, strict=True)}


def _check_room(files: dict[str, Path], cache: Path) -> None:
    """Refuse to begin copies that the disk of the cache has no room for.

    Raises:
        UserError: Says how much is missing, and what to do.
    """
    sizes = [copied_bytes(file) for digest, file in files.items() if not ParquetImages(cache, digest, file).exists]
    needed, copied = sum(sizes), sum(size > 0 for size in sizes)
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if needed > free:
        raise UserError(
            f"{cache}: the images of {copied} compressed Parquet files, which are copied there once for all stages and "
            f"runs, need {needed / _GIB:.2f} GiB more, and {free / _GIB:.2f} GiB are free. Make room, or set "
            "GMAI_CACHE to a folder on a larger disk."
        )


def _together(
    work: Callable[[tuple[Dataset, int]], None], datasets: list[Dataset], done: Callable[[str], bool], team: Team, *,
    what: str,
) -> None:  # fmt: skip
    files = {digest: (dataset, number) for dataset in datasets for number, digest in enumerate(dataset.digests)}
    # Shared out before looking, for what is done changes while the other ranks work.
    mine = [files[digest] for digest in team.share(list(files)) if not done(digest)]
    small = sum(dataset.source.files[number].stat().st_size for dataset, number in mine) < _IN_PROCESS_BYTES
    with team.together(), progress(what, len(mine), unit="files", shown=team.is_main and not small) as bar:
        try:
            for _ in in_processes(work, mine, alone=small):
                bar.advance()
        except OSError as error:
            raise UserError(
                f"{what}: {error.filename or cache_folder()}: {error.strerror or error}. "
                "GMAI_CACHE names another folder for the cache; the same command goes on."
            ) from error


def open_tables(datasets: list[Dataset], cache: Path) -> list[SampleTable]:
    """Open the indexes of every dataset."""
    return [SampleTable(dataset.source, dataset.digests, cache) for dataset in datasets]


def choose_rows(
    datasets: list[Dataset], tables: list[SampleTable], *, stage: int, split: str, seed: int, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (dataset, row) of every sample of a split: the shares of the stage, or of the validation samples.

    Args:
        datasets: Those that have the split.
        tables: Their rows.
        stage: Its shares are taken of the training samples.
        split: `train` or `validation`.
        seed: Of the choice.
        limit: Most validation samples; see `stratified`.

    Raises:
        UserError: There is no training sample.
    """
    chosen: list[np.ndarray] = [np.empty((2, 0), dtype=np.int64)]
    for number, (dataset, table) in enumerate(zip(datasets, tables, strict=True)):
        rows = take_share(table.ids, dataset.entry.share(stage) if split == "train" else 1.0, seed=seed)
        chosen.append(np.stack([np.full_like(rows, number), rows]))
    of_dataset, row = np.concatenate(chosen, axis=1).astype(np.int32)
    if split != "train" and limit is not None and len(row) > limit:
        kept = stratified([table.ids for table in tables], limit, seed=seed)
        of_dataset, row = of_dataset[kept], row[kept]
    if split == "train" and not len(row):
        empty = not any(len(table) for table in tables)
        why = "its files have no rows. Build or download them again." if empty else (
            "the shares of its datasets come to none of their "
            f"{sum(map(len, tables))} rows. Raise `ratio` for stage {stage}."
        )  # fmt: skip
        raise UserError(f"the mixture has no sample for stage {stage}: {why}")
    return of_dataset, row


def stratified(ids: Sequence[Collection[str]], limit: int, *, seed: int) -> np.ndarray:
    """Return the numbers of `limit` samples, ascending, with the shares of sources and kinds that all samples have.

    Of each source and kind those with the smallest hashes of id and seed are taken, so that the draw depends on the
    samples alone, never on their order; each has one sample where the limit allows it.

    Args:
        ids: Of each source's samples; they are numbered through.
        limit: Samples to take, fewer than there are.
        seed: Of the draw.
    """
    strata: dict[tuple[int, int], list[tuple[bytes, int]]] = {}
    number = 0
    for source, of_source in enumerate(ids):
        for sample_id in of_source:
            draw = hashlib.blake2b(f"{seed}:validation:{sample_id}".encode("utf-8", "replace"), digest_size=8).digest()
            strata.setdefault((source, kind_of(sample_id)), []).append((draw, number))
            number += 1
    taken = _allot([len(stratum) for stratum in strata.values()], limit)
    kept = [n for stratum, count in zip(strata.values(), taken, strict=True) for _, n in sorted(stratum)[:count]]
    return np.sort(np.array(kept, dtype=np.int64))


def _allot(sizes: Sequence[int], limit: int) -> list[int]:
    """Divide `limit` among strata by their sizes: whole shares first, then by the greatest remainder, none left out."""
    total = sum(sizes)
    exact = [size * limit / total for size in sizes]
    taken = [max(int(share), 1) if limit >= len(sizes) else int(share) for share in exact]
    order = sorted(range(len(sizes)), key=lambda i: taken[i] - exact[i])
    while sum(taken) < limit:
        for i in order:
            if sum(taken) < limit and taken[i] < sizes[i]:
                taken[i] += 1
    while sum(taken) > limit:  # strata that got their one sample are paid for by the largest
        taken[max(range(len(sizes)), key=lambda i: taken[i])] -= 1
    return taken


def open_source(mixture: Mixture, root: Path, *, stage: int, split: str, seed: int, cache: Path) -> SampleSource:
    """Return the samples of a split, on this process alone; what the cache lacks is written there."""
    team = Team()
    entries = used_entries(mixture, stage=stage)
    datasets = find_datasets(entries, root, split=split, cache=cache, team=team)
    index_files(datasets, cache, team)
    find_images(datasets, cache, team)
    tables = open_tables(datasets, cache)
    return SampleSource(tables, *choose_rows(datasets, tables, stage=stage, split=split, seed=seed))
