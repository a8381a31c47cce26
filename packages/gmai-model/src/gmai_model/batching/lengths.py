"""How long every sample is in tokens: measured once by all processes, kept in the cache by content."""

import hashlib
import io
import multiprocessing
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from gmai_cli.console import progress, say
from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically

from gmai_model.batching import index
from gmai_model.batching.samples import SampleSource, SampleTable
from gmai_model.batching.team import Team
from gmai_model.batching.tokens import REASONS, Encoder, Rejected
from gmai_model.training.signals import shield_worker

T = TypeVar("T")
R = TypeVar("R")
_CHECK_BYTES = 4
"""A CRC-32 ends each stored file."""
CHUNK_ROWS = 8192
"""Rows that are measured and stored together."""
_ROWS_AT_ONCE = 256
"""Rows that are tokenised together."""
_IN_PROCESS_ROWS = 4096
"""Below, starting processes takes longer than they save."""

MEASURED = np.dtype([("tokens", "<i4"), ("supervised", "<i4"), ("images", "<i2"), ("outcome", "<i1")])
"""`supervised` counts the tokens that the loss counts. A rejected sample has no tokens."""
UNMEASURED, WHOLE, CUT, REJECTED = 0, 1, 2, 3
"""Outcomes; `REJECTED + i` is the reason `REASONS[i]`."""


@dataclass(frozen=True)
class _Chunk:
    table: int
    first: int
    """Row in the table."""
    rows: np.ndarray
    """Rows to measure, relative to `first`, ascending, once each."""
    size: int
    path: Path


def measure(source: SampleSource, encoder: Encoder, cache: Path, team: Team, *, shown: bool) -> np.ndarray:
    """Return the measurement of every sample, tokenising only what the cache lacks.

    The chunks are divided among the ranks, and on each rank among as many processes as it has cores. A chunk is stored
    when it is done, so that a killed run goes on there.

    Args:
        source: The samples.
        encoder: Their tokeniser.
        cache: The cache folder, shared by all ranks.
        team: The ranks.
        shown: Whether this process shows progress, with the time left.

    Returns:
        `MEASURED`, shape `(samples,)`; on other ranks than 0 shape `(0,)`.
    """
    chunks = _chunks(source, encoder, cache)
    # Shared out before looking, for what is missing changes while the other ranks work.
    mine = [chunk for chunk in team.share(chunks) if (_load(chunk)["outcome"][chunk.rows] == UNMEASURED).any()]

    def run(chunk: _Chunk) -> int:
        return _measure(chunk, source.tables[chunk.table], encoder)

    total = sum(len(chunk.rows) for chunk in mine)
    with team.together(), progress("measuring samples", total, unit="samples", shown=shown and total > 0) as bar:
        for done in in_processes(run, mine, alone=total < _IN_PROCESS_ROWS):
            bar.advance(done)
    if not team.is_main:
        return np.empty(0, MEASURED)
    return _gather(source, chunks)


def _chunks(source: SampleSource, encoder: Encoder, cache: Path) -> list[_Chunk]:
    chunks: list[_Chunk] = []
    for number, table in enumerate(source.tables):
        rows = np.unique(source.row[source.dataset == number])
        for file, digest in enumerate(table.digests):
            start, stop = int(table.starts[file]), int(table.starts[file + 1])
            # A row that is read in another way has another length, or none.
            name = hashlib.sha256(f"{digest} {index.VERSION} {encoder.digest}".encode()).hexdigest()
            for first in range(start, stop, CHUNK_ROWS):
                size = min(CHUNK_ROWS, stop - first)
                low, high = np.searchsorted(rows, (first, first + size))
                if low < high:
                    path = cache / "lengths" / name / f"{(first - start) // CHUNK_ROWS:06d}.npy"
                    chunks.append(_Chunk(number, first, rows[low:high] - first, size, path))
    return chunks


def _load(chunk: _Chunk) -> np.ndarray:
    if chunk.path.is_file():
        content = chunk.path.read_bytes()
        check, content = content[-_CHECK_BYTES:], content[:-_CHECK_BYTES]
        if check == zlib.crc32(content).to_bytes(_CHECK_BYTES):
            measured: np.ndarray = np.load(io.BytesIO(content))
            if measured.dtype == MEASURED and len(measured) == chunk.size:
                return measured
        say(f"{chunk.path} is damaged; its samples are measured again")
    return np.zeros(chunk.size, MEASURED)


def _measure(chunk: _Chunk, table: SampleTable, encoder: Encoder) -> int:
    measured = _load(chunk)
    rows = chunk.rows[measured["outcome"][chunk.rows] == UNMEASURED]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        for row, found in zip(some, encoder.measure(table.read(chunk.first + some)), strict=True):
            if isinstance(found, Rejected):
                measured[row] = (0, 0, 0, REJECTED + found.code)
            else:
                measured[row] = (found.tokens, found.supervised, found.n_images, CUT if found.is_cut else WHOLE)
    content = io.BytesIO()
    np.save(content, measured)
    with replace_atomically(chunk.path) as file:
        file.write(content.getvalue() + zlib.crc32(content.getvalue()).to_bytes(_CHECK_BYTES))
    return len(chunk.rows)


def _gather(source: SampleSource, chunks: list[_Chunk]) -> np.ndarray:
    of_table = [np.zeros(len(table), MEASURED) for table in source.tables]
    for chunk in chunks:
        of_table[chunk.table][chunk.first : chunk.first + chunk.size] = _load(chunk)
    result = np.zeros(len(source), MEASURED)
    for number, measured in enumerate(of_table):
        chosen = source.dataset == number
        result[chosen] = measured[source.row[chosen]]
    if (result["outcome"] == UNMEASURED).any():
        raise UserError(
            f"{chunks[0].path.parent.parent} lacks lengths that other processes of this run measured. The cache must "
            f"be a folder that all nodes share. Set GMAI_CACHE to one."
        )
    return result


@dataclass(frozen=True)
class Lengths:
    """What training needs to know of the samples beside the plan."""

    tokens: np.ndarray
    """int32 per sample; 0 for one that is left out."""
    supervised: np.ndarray
    """int32 per sample: tokens that the loss counts."""
    rejected: Counter[str]
    """Reason ▶ number of samples left out."""
    cut: int
    """Samples that lost turns at their end to fit."""


def reasons(outcomes: np.ndarray) -> Counter[str]:
    """Count the samples left out by reason."""
    counts = np.bincount(outcomes, minlength=REJECTED + len(REASONS))[REJECTED:]
    return Counter({reason: int(count) for reason, count in zip(REASONS, counts, strict=True) if count})


def own_cores() -> int:
    """Return how many cores this rank has for itself: those it is bound to, or its share of those of the node."""
    bound = len(os.sched_getaffinity(0))
    of_job = os.environ.get("SLURM_CPUS_ON_NODE", "")
    together = int(of_job) if of_job.isdecimal() else bound
    return max(min(bound, together // int(os.environ.get("LOCAL_WORLD_SIZE") or "1")), 1)


def in_processes(work: Callable[[T], R], items: Sequence[T], *, alone: bool) -> Iterator[R]:
    """Yield the results of `work`, in any order, computed by this rank's share of the node's cores.

    Args:
        work: Called in forked processes, so that it may be a closure; its result is sent back.
        items: Its arguments.
        alone: Compute in this process.

    Raises:
        UserError: A process died; what the others finished is kept by the work itself.
    """
    processes = min(own_cores(), len(items))
    if alone or processes == 1:
        yield from map(work, items)
        return
    global _work
    _work = work
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), initializer=shield_worker) as pool:
        try:
            for future in as_completed([pool.submit(_call, item) for item in items]):
                yield future.result()
        except BrokenProcessPool as error:
            raise UserError(
                "a process that reads samples died, most often because the node ran out of memory. What was read is "
                "kept: the same command goes on from there. Give the job more memory or fewer cores."
            ) from error


_work: Any = None
"""The work of the processes being started: they find it here after the fork, so that it need not be pickled."""


def _call(item: Any) -> Any:
    return _work(item)
