"""What became of the tasks of a job array: which shards are missing, why, and the command that does just those."""

import contextlib
import os
import shlex
import socket
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from gmai_cli.run_lock import RunLock
from gmai_formats.errors import UserError
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_data.build_lock import task_lock
from gmai_data.markers import BUILT, has_marker
from gmai_data.shards import ShardJob

SHOWN = 3
"""Names of missing shards that stand in a line."""


@contextlib.contextmanager
def task(work: Path, jobs: Sequence[ShardJob], position: int) -> Generator[None]:
    """Note that a task of the array is at work, and how it ends; a killed one cannot, and stays `running`."""
    folder = work / "shards"
    arguments = shlex.join(sys.argv[3:] if sys.argv[1:3] == ["data", "build"] else sys.argv[1:])
    write_state(folder / "plan.json", {"shards": [job.folder.name for job in jobs], "arguments": arguments})
    record = folder / f"task-{position:05d}.json"
    about = {"node": socket.gethostname(), "job": os.environ.get("SLURM_JOB_ID", "")}
    write_state(record, {**about, "state": "running"})
    try:
        yield
    except BaseException as error:
        reason = " ".join(str(error).split())[:300]
        write_state(record, {**about, "state": f"{type(error).__name__}: {reason}".rstrip(": ")})
        raise
    write_state(record, {**about, "state": "done"})


def summary(out: Path) -> list[str]:
    """Return a line for each task with shards missing, and the command that does those of tasks that are not at work.

    Raises:
        UserError: OUT holds no build.
    """
    work = out / ".build"
    if not (work / "build.json").is_file():
        raise UserError(f"{out}: no build. Give the --out of a `gmai data build`.")
    folder = work / "shards"
    if not (folder / "array.json").is_file() or not (folder / "plan.json").is_file():
        return []
    try:
        array, plan = read_state(folder / "array.json"), read_state(folder / "plan.json")
    except DamagedError as error:
        return [f"{error}. The same array, submitted once more, writes it anew and does the shards that are missing."]
    lines: list[str] = []
    numbers: list[str] = []
    for position in range(array["count"]):
        mine = plan["shards"][position :: array["count"]]
        missing = [name for name in mine if not has_marker(folder / name, BUILT, thorough=False)]
        if missing:
            number = array["first"] + position * array["step"]
            at_work = RunLock(work, task_lock(position)).at_work()
            if not at_work:
                numbers.append(str(number))
            names = ", ".join(missing[:SHOWN]) + (" …" if len(missing) > SHOWN else "")
            why = f"at work, {at_work}" if at_work else _why(folder / f"task-{position:05d}.json")
            lines.append(f"task {number}: {len(missing)} of {len(mine)} shards are missing ({names}): {why}")
    if numbers:
        lines.append(f"Just those again: sbatch --array={','.join(numbers)} data_build.sbatch {plan['arguments']}")
    return lines


def _why(record: Path) -> str:
    if not record.is_file():
        return "it never began"
    try:
        seen = read_state(record)
    except DamagedError as error:
        return str(error)
    where = f"job {seen['job']} on {seen['node']}" if seen["job"] else f"on {seen['node']}"
    if seen["state"] == "running":
        return f"stopped or killed (time, memory, a lost node), {where}"
    return f"{seen['state']}, {where}"
