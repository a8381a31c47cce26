"""Rows ahead of time: worker processes read, tokenise and decode while the model computes."""

import contextlib
import multiprocessing
import multiprocessing.connection
import signal
from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from gmai_cli.console import say
from gmai_formats import limits
from gmai_formats.errors import UserError
from torch.utils.data import DataLoader, Dataset, get_worker_info

from gmai_model.batching.collate import Collator, Row
from gmai_model.batching.plan import Plan
from gmai_model.training.signals import shield_worker

_WORKER_GONE, _OF_A_WORKER = "DataLoader worker (pid", "in DataLoader worker process"
_ENDS_S = 10.0
"""How long a worker whose connection broke may take to end."""


class MicroBatches(Dataset["Row | UserError"]):
    """The rows of one rank, numbered `step · accumulation + micro-step`.

    Pack k of a step goes to rank `k mod world`. Every rank has the same number of rows in every step: where a last
    step has too few packs, a row without targets stands in.
    """

    def __init__(
        self, plan: Plan, collator: Collator, *, rank: int, world: int, micro_batch_size: int, accumulation: int
    ) -> None:
        self._plan, self.collator = plan, collator
        self._rank, self._world = rank, world
        self._micro_batch_size, self._accumulation = micro_batch_size, accumulation

    def __len__(self) -> int:
        return self._plan.steps * self._accumulation

    def __getitem__(self, index: int) -> "Row | UserError":
        """Return a row, or what has to be said of it: torch would lay its own traceback around an exception."""
        step, micro_step = divmod(index, self._accumulation)
        mine = self._plan.step(step)[self._rank :: self._world]
        packs = mine[micro_step * self._micro_batch_size : (micro_step + 1) * self._micro_batch_size]
        try:
            return self.collator(np.concatenate(packs) if packs else np.empty(0, dtype=np.int64))
        except UserError as error:
            return error


def iterate(rows: MicroBatches, *, start: int, workers: int, ahead: int = 4) -> Generator[Row]:
    """Yield the rows from number `start` on, in order; none before is read. To close it ends its processes.

    A sample whose image crashes its decoder, or takes too much time or memory, costs a process that reads; others read
    on, and it is left out as unreadable.

    Args:
        rows: Of this rank.
        start: The first one.
        workers: Processes that read ahead; 0 reads in between, images in a process of their own.
        ahead: Rows that each of them keeps ready, in shared memory.

    Raises:
        UserError: What a row's images were copied into is damaged, or a worker process died, and not of an image.
    """
    number = start
    while True:
        try:
            with contextlib.closing(_load(rows, start=number, workers=workers, ahead=ahead)) as loaded:
                for row in loaded:
                    number += 1
                    yield row
        except _HarmfulError as harm:
            rows.collator.harmful[harm.sample] = str(harm)
            say(f"an image ended a process that reads samples ({harm}); its sample is left out, and reading goes on")
        else:
            return


class _HarmfulError(Exception):
    """An image of a sample ended the process that decoded it."""

    def __init__(self, sample: int, problem: tuple[str, str]) -> None:
        super().__init__(": ".join(problem))
        self.sample = sample


def _load(rows: MicroBatches, *, start: int, workers: int, ahead: int) -> Generator[Row]:
    options: dict[str, Any] = {}
    context = multiprocessing.get_context("fork")
    at_work: Any = context.RawArray("q", [-1] * max(workers, 1))

    def begin(worker: int) -> None:
        shield_worker()

        def begins(sample: int) -> None:
            at_work[worker] = sample

        info: Any = get_worker_info()
        info.dataset.collator.work_apart(begins)

    if workers:
        options = {"prefetch_factor": ahead, "multiprocessing_context": context, "worker_init_fn": begin}
    before = signal.getsignal(signal.SIGCHLD)
    # With batch_size None the rows come as they are: they are batches already.
    loaded: Any = iter(
        # Its own generator: a fresh start draws nothing from the one that training uses.
        DataLoader(
            rows,
            batch_size=None,
            sampler=range(start, len(rows)),
            num_workers=workers,
            generator=torch.Generator(),
            **options,
        )
    )
    if workers:
        # torch's handler raises wherever the program stands when a worker dies, in a half-written checkpoint too.
        # Without it the death is found here, when the next row does not come.
        signal.signal(signal.SIGCHLD, before)
    try:
        for row in loaded:
            if isinstance(row, UserError):
                raise row
            yield row
    except (RuntimeError, OSError, EOFError) as error:
        if not workers or not _worker_is_gone(error):
            raise
        # Its connections end before it does, and with them the rows that it had announced.
        ended = multiprocessing.connection.wait([process.sentinel for process in loaded._workers], timeout=_ENDS_S)
        for process in loaded._workers:
            if process.sentinel in ended:
                process.join(_ENDS_S)  # its exit code comes a moment later
        for process, sample in zip(loaded._workers, at_work, strict=False):
            problem = limits.of_its_item(process.exitcode, stood_still=False)
            if problem is not None and sample >= 0:
                raise _HarmfulError(sample, problem) from None
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"a process that reads samples is gone: {reason}. Most often the node ran out of "
            f"memory: fewer loader_workers, a smaller micro_batch_size or more memory help. The same command goes on "
            f"from the last complete checkpoint."
        ) from error
    finally:
        if workers:
            _end(loaded)


def _end(loaded: Any) -> None:
    """End the worker processes, one that stands still too: as Python shuts down it would wait for them without end.

    Its own way to end them is SIGTERM, which they are shielded from.
    """
    loaded._shutdown_workers()
    for process in loaded._workers:
        process.kill()
        process.join()


def _worker_is_gone(error: Exception) -> bool:
    """Return whether torch found a worker dead, or could not fetch from it a row that it had announced."""
    if isinstance(error, ConnectionError | EOFError | FileNotFoundError):
        return _OF_A_WORKER not in str(error)
    return _WORKER_GONE in str(error)
