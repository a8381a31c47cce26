"""Shards built in processes of their own, so that what a file does to its decoder costs that file and not the build.

A decoder in C or Rust can crash its process, loop for ever or take all memory, and no `except` holds that. So a process
says which item it reads, and has so much processor time and memory for each. The death of one is laid to its item: the
shard is built again by a fresh process, with that item in the quarantine. Good items pass through nothing on their way,
so that the guard costs them next to no time.
"""

import contextlib
import multiprocessing
import os
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_cli.processes import end_with
from gmai_formats import limits
from gmai_formats.errors import UserError

from gmai_data.shards import ShardJob, build_shard
from gmai_data.sources.items import Item
from gmai_data.spawned import fresh_processes

_STOPPED_S = 5.0
"""Seconds that a process has to end before it is killed."""

_Message = tuple[str, Any]
"""(`item`, key), (`done`, None) or (`failed`, (error, its traceback))."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: "Connection[Any, Any]"
    job: ShardJob
    item: str = ""
    """Key of the item that it reads."""
    used_s: float | None = None
    """Processor time at the last look."""
    still_since: float = field(default_factory=time.monotonic)
    """When its processor time last grew, or it last said something."""
    stood_still: bool = False


def build_shards(jobs: Sequence[ShardJob], workers: int, prepare: Callable[[], None]) -> Iterator[ShardJob]:
    """Build shards in processes, and yield each as it is done.

    Args:
        jobs: The shards, the largest first.
        workers: Processes at a time.
        prepare: Called in each process before its first shard.

    Raises:
        UserError: A process was ended from outside, most often for want of memory.
    """
    context = fresh_processes()
    waiting = list(reversed(jobs))
    at_work: list[_Worker] = []
    looked = time.monotonic()

    def start() -> _Worker:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, prepare), daemon=True)
        process.start()
        theirs.close()
        job = waiting.pop()
        ours.send(job)
        return _Worker(process, ours, job)

    try:
        while waiting or at_work:
            while waiting and len(at_work) < workers:
                at_work.append(start())
            wait([worker.pipe for worker in at_work], timeout=limits.STILL_S / 10)
            if time.monotonic() - looked > limits.STILL_S / 10:
                _end_what_stands_still(at_work)
                looked = time.monotonic()
            for worker in list(at_work):
                while worker in at_work and worker.pipe.poll():
                    try:
                        what, value = worker.pipe.recv()
                    except (EOFError, ConnectionError):
                        at_work.remove(worker)
                        waiting.append(_without(worker))
                        continue
                    worker.still_since = time.monotonic()
                    if what == "item":
                        worker.item = value
                    elif what == "failed":
                        error, detail = value
                        error.add_note(detail)
                        raise error
                    else:
                        yield worker.job
                        if waiting:
                            worker.job, worker.item = waiting.pop(), ""
                            worker.pipe.send(worker.job)
                        else:
                            at_work.remove(worker)
                            worker.pipe.close()
    finally:
        _end_all(at_work)


def _without(worker: _Worker) -> ShardJob:
    """Return the job of a process that died, its item in the quarantine.

    Raises:
        UserError: It did not die of an item.
    """
    worker.process.join()
    how = limits.how_it_ended(worker.process.exitcode)
    if any(item.key == worker.item and item.problem is not None for item in worker.job.items):
        raise RuntimeError(f"{worker.item}: its process ended again ({how}), unread")
    problem = limits.of_its_item(worker.process.exitcode, stood_still=worker.stood_still) if worker.item else None
    if problem is None:
        raise UserError(
            "one of the processes that read the sources ended before its work, most often because memory ran out "
            f"({how}). Finished shards stand. Run the same command again, with fewer "
            "--workers or more memory."
        )
    say(f"{worker.job.recipe.name}: {worker.item}: {problem[0]}: {problem[1]}. Its shard is built again without it.")
    items = tuple(item._replace(problem=problem) if item.key == worker.item else item for item in worker.job.items)
    return replace(worker.job, items=items)


def _end_what_stands_still(workers: Sequence[_Worker]) -> None:
    """Kill the processes whose processor time does not grow: they wait for a file that does not come."""
    now = time.monotonic()
    for worker in workers:
        used_s = limits.used_s(worker.process.pid)
        if used_s is None or used_s != worker.used_s:
            worker.used_s, worker.still_since = used_s, now
        elif now - worker.still_since > limits.STILL_S:
            worker.stood_still = True
            worker.process.kill()


def _end_all(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.pipe.close()
        worker.process.kill()  # what it has not finished is built again
    for worker in workers:
        worker.process.join(_STOPPED_S)


def _work(pipe: "Connection[Any, Any]", prepare: Callable[[], None]) -> None:
    end_with(os.getppid())
    if (build := multiprocessing.parent_process()) is not None and not build.is_alive():
        return  # it ended before the kernel was asked
    prepare()
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected; nobody looks at its memory
    while True:
        try:
            job: ShardJob = pipe.recv()
        except (EOFError, ConnectionError):
            return
        root = job.root

        def watched(item: Item, root: Path = root) -> None:
            pipe.send(("item", item.key))
            limits.begin(_size_bytes(root, item))

        try:
            build_shard(job, watched)
        except Exception as error:
            pipe.send(("failed", (_sendable(error), traceback.format_exc())))
            return
        finally:
            limits.end()
        pipe.send(("done", None))


def _sendable(error: Exception) -> Exception:
    import pickle

    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - of this process
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _size_bytes(root: Path, item: Item) -> int:
    size = 0
    for name in (*item.files, *item.masks):
        with contextlib.suppress(OSError, ValueError):
            size += (root / name).stat().st_size
    return size
