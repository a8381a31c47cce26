"""Where shards are worked on besides local processes: the tasks of a Slurm job array, and a Ray cluster."""

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gmai_cli.errors import UserError

from gmai_data.shards import ShardJob, build_shard


def array_share(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Return (position, count) of this task in its Slurm job array, or None outside of one.

    Raises:
        UserError: Slurm's variables contradict each other.
    """
    task = environment.get("SLURM_ARRAY_TASK_ID")
    if not task:
        return None
    try:
        count = int(environment["SLURM_ARRAY_TASK_COUNT"])
        first, step = int(environment.get("SLURM_ARRAY_TASK_MIN", 0)), int(environment.get("SLURM_ARRAY_TASK_STEP", 1))
        position = (int(task) - first) // max(step, 1)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"SLURM_ARRAY_TASK_ID is {task}, but SLURM_ARRAY_TASK_COUNT, _MIN or _STEP is missing or no number. Submit "
            "with `sbatch --array=0-N`, or unset SLURM_ARRAY_TASK_ID."
        ) from error
    # An irregular list such as 3,7,8 has positions past its count; what falls twice is done once, and the last run,
    # which has no array, does what was missed.
    return position % count, count


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
            "--executor ray: Ray is not installed. Install it with: pip install 'gmai-data[ray]'"
        ) from error
    if not jobs:
        return
    if not library.is_initialized():
        library.init(log_to_driver=False, include_dashboard=False)
    library.data.DataContext.get_current().enable_progress_bars = False
    plan = library.put(list(jobs))

    def work(row: dict[str, Any]) -> dict[str, Any]:
        build_shard(library.get(plan)[row["number"]])
        return row

    rows = library.data.from_items([{"number": number} for number in range(len(jobs))], override_num_blocks=len(jobs))
    for row in rows.map(work).iter_rows():
        yield jobs[row["number"]]
