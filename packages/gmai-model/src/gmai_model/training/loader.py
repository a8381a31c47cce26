"""Rows ahead of time: worker processes read, tokenise and decode while the model computes."""

import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
from gmai_formats.errors import UserError
from torch.utils.data import DataLoader, Dataset

from gmai_model.batching.collate import Collator, Row
from gmai_model.batching.plan import Plan
from gmai_model.training.signals import shield_worker

_WORKER_GONE, _OF_A_WORKER = "DataLoader worker (pid", "in DataLoader worker process"


class MicroBatches(Dataset[Row]):
    """The rows of one rank, numbered `step · accumulation + micro-step`.

    Pack k of a step goes to rank `k mod world`. Every rank has the same number of rows in every step: where a last
    step has too few packs, a row without targets stands in.
    """

    def __init__(
        self, plan: Plan, collator: Collator, *, rank: int, world: int, micro_batch_size: int, accumulation: int
    ) -> None:
        self._plan, self._collator = plan, collator
        self._rank, self._world = rank, world
        self._micro_batch_size, self._accumulation = micro_batch_size, accumulation

    def __len__(self) -> int:
        return self._plan.steps * self._accumulation

    def __getitem__(self, index: int) -> Row:
        step, micro_step = divmod(index, self._accumulation)
        mine = self._plan.step(step)[self._rank :: self._world]
        packs = mine[micro_step * self._micro_batch_size : (micro_step + 1) * self._micro_batch_size]
        return self._collator(np.concatenate(packs) if packs else np.empty(0, dtype=np.int64))


def iterate(rows: MicroBatches, *, start: int, workers: int, ahead: int = 4) -> Iterator[Row]:
    """Yield the rows from number `start` on, in order; none before is read.

    Args:
        rows: Of this rank.
        start: The first one.
        workers: Processes that read ahead; 0 reads in between.
        ahead: Rows that each of them keeps ready, in shared memory.

    Raises:
        UserError: A worker process died.
    """
    options: dict[str, Any] = {}
    if workers:
        options = {"prefetch_factor": ahead, "multiprocessing_context": "fork", "worker_init_fn": shield_worker}
    before = signal.getsignal(signal.SIGCHLD)
    # With batch_size None the rows come as they are: they are batches already.
    loaded = iter(DataLoader(rows, batch_size=None, sampler=range(start, len(rows)), num_workers=workers, **options))
    if workers:
        # torch's handler raises wherever the program stands when a worker dies, in a half-written checkpoint too.
        # Without it the death is found here, when the next row does not come.
        signal.signal(signal.SIGCHLD, before)
    try:
        yield from loaded
    except (RuntimeError, OSError, EOFError) as error:
        if not workers or not _worker_is_gone(error):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"a process that reads samples is gone: {reason}. Most often the node ran out of "
            f"memory: fewer loader_workers, a smaller micro_batch_size or more memory help. The same command goes on "
            f"from the last complete checkpoint."
        ) from error


def _worker_is_gone(error: Exception) -> bool:
    """Return whether torch found a worker dead, or could not fetch from it a row that it had announced."""
    if isinstance(error, ConnectionError | EOFError | FileNotFoundError):
        return _OF_A_WORKER not in str(error)
    return _WORKER_GONE in str(error)
