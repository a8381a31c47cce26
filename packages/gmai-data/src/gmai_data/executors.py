"""Where shards are worked on: local processes, the tasks of a Slurm job array, a Ray cluster.

Local processes import this module and what it needs, not all of `build.py`.
"""

import contextlib
import dataclasses
import importlib
import multiprocessing
import os
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import InvalidStateError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_data.guard import build_shards
from gmai_data.shards import ShardJob, build_shard
from gmai_data.spawned import fresh_processes, ignore_signals
from gmai_data.untyped import pa


@contextlib.contextmanager
def local_processes(workers: int) -> Generator[ProcessPoolExecutor | None]:
    """Give local processes that end with this one, or None where this one does the work.

    Raises:
        UserError: One of them was ended from outside.
    """
    if workers == 1:
        _one_thread()
        yield None
        return
    try:
        with (
            _quiet_end(),
            ProcessPoolExecutor(workers, mp_context=fresh_processes(), initializer=_start_worker) as pool,
        ):
            try:
                yield pool
            except BaseException:
                for process in multiprocessing.active_children():
                    process.kill()  # its work is done again; leaving the pool would wait for it
                raise
    except BrokenProcessPool as error:
        raise UserError(
            f"--workers {workers}: one of the processes ended before its work, most often because memory ran out. "
            "Finished shards stand. Run the same command again, with fewer --workers or more memory."
        ) from error


@contextlib.contextmanager
def _quiet_end() -> Generator[None]:
    """Keep a pool's thread from complaining that work is given up twice, as when all processes are interrupted."""
    before = threading.excepthook

    def complain(found: threading.ExceptHookArgs) -> None:
        if not isinstance(found.exc_value, InvalidStateError):
            before(found)

    threading.excepthook = complain
    try:
        yield
    finally:
        threading.excepthook = before


def guarded(jobs: Sequence[ShardJob], workers: int) -> Iterator[ShardJob]:
    """Build shards in local processes, and yield each as it is done; see `guard`."""
    # The largest first: no process is left with a long one at the end.
    return build_shards(sorted(jobs, key=lambda job: -len(job.items)), workers, _start_worker)


def build_and_return(job: ShardJob) -> ShardJob:
    """Build a shard and return its job, for the one who counts them."""
    build_shard(job)
    return job


def _start_worker() -> None:
    """Prepare a process of the pool: one core, and no life after the process that started it was killed."""
    _one_thread()
    ignore_signals()  # it ends with the process that started it, however that ends
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _one_thread() -> None:
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


@dataclass(frozen=True)
class _Array:
    """The task numbers of a job array: `first`, `first + step` …, `count` of them."""

    first: int
    step: int
    count: int

    def position(self, task: int) -> int | None:
        """Return the position of a task, or None where the array does not have it."""
        position, rest = divmod(task - self.first, self.step)
        return position if rest == 0 and 0 <= position < self.count else None


def array_share(out: Path, environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Return (position, count) of this task in its Slurm job array, or None outside of one.

    The first array of a build is remembered in OUT, so that an array of some of its tasks (`--array=3,5`, after they
    failed) does the shards that those tasks had, and not those of an array of two.

    Raises:
        UserError: Slurm's variables contradict each other, or a list with gaps is the first array.
    """
    number = environment.get("SLURM_ARRAY_TASK_ID")
    if not number:
        return None
    try:
        task, count = int(number), int(environment["SLURM_ARRAY_TASK_COUNT"])
        first, step = int(environment.get("SLURM_ARRAY_TASK_MIN", 0)), int(environment.get("SLURM_ARRAY_TASK_STEP", 1))
        last = int(environment.get("SLURM_ARRAY_TASK_MAX", first + step * (count - 1)))
    except (KeyError, ValueError) as error:
        raise UserError(
            f"SLURM_ARRAY_TASK_ID is {number}, but SLURM_ARRAY_TASK_COUNT, _MIN, _MAX or _STEP is missing or no "
            "number. Submit with `sbatch --array=0-N`, or unset SLURM_ARRAY_TASK_ID."
        ) from error
    record = out / ".build" / "shards" / "array.json"
    if (earlier := _first_array(record)) is not None:
        position = earlier.position(task)
        if position is not None and None not in (earlier.position(first), earlier.position(last)):
            return position, earlier.count
    array = _Array(first, max(step, 1), count)
    position = array.position(task)
    if position is None or first + array.step * (count - 1) != last:
        raise UserError(
            f"task {task} belongs to a list with gaps, and no array of this build says how many tasks share the work. "
            "Submit `--array=0-N` first; some of its tasks may be submitted again as a list."
        )
    if (out / ".build").is_dir() or not out.exists():  # another program's folder is left as it is, and refused later
        write_state(record, dataclasses.asdict(array))
    return position, count


def _first_array(record: Path) -> _Array | None:
    try:
        return _Array(**read_state(record))
    except FileNotFoundError:
        return None
    except DamagedError as error:
        say(f"{error}; the array of this task is taken for the first.")
        return None


def on_ray(jobs: Sequence[ShardJob]) -> Iterator[ShardJob]:
    """Work on shards with Ray Data; every node must see the sources and the output folder.

    `RAY_ADDRESS` names the cluster; without it a local one is started.

    Raises:
        UserError: Ray is not installed.
    """
    try:
        library: Any = importlib.import_module("ray")
        importlib.import_module("ray.data")
    except ImportError as error:
        raise UserError(
            f"--executor ray: Ray is not installed. Install it with: {pip_install('gmai-data[ray]')}"
        ) from error
    if not jobs:
        return
    started = not library.is_initialized()
    if started:
        library.init(log_to_driver=False, include_dashboard=False)
    try:
        yield from _work_on(library, jobs)
    finally:
        if started:
            library.shutdown()


def _work_on(library: Any, jobs: Sequence[ShardJob]) -> Iterator[ShardJob]:
    library.data.DataContext.get_current().enable_progress_bars = False
    plan = library.put(list(jobs))

    def work(row: dict[str, Any]) -> dict[str, Any]:
        build_shard(library.get(plan)[row["number"]])
        return row

    rows = library.data.from_items([{"number": number} for number in range(len(jobs))], override_num_blocks=len(jobs))
    for row in rows.map(work).iter_rows():
        yield jobs[row["number"]]
