"""The processes of one data-parallel run, as `srun`, `torchrun` and `accelerate launch` start them."""

import importlib
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.slurm_hosts import meeting_place, require_address


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def share(self, value: Any) -> Any:
        """Return rank 0's value on every rank; all of them must call it."""
        if self.size == 1:
            return value
        distributed: Any = importlib.import_module("torch.distributed")
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Wait until every rank is here."""
        if self.size > 1:
            distributed: Any = importlib.import_module("torch.distributed")
            distributed.barrier()


def from_environment() -> Ranks:
    """Return this process's place, told by RANK and WORLD_SIZE, or by the Slurm step it runs in."""
    env = os.environ
    if "RANK" in env and "WORLD_SIZE" in env:
        return Ranks(int(env["RANK"]), int(env["WORLD_SIZE"]), int(env.get("LOCAL_RANK", "0")))
    # a batch script without srun has SLURM_PROCID too, but no step
    if env.get("SLURM_STEP_ID", "").isdigit() and "SLURM_PROCID" in env:
        size = int(env.get("SLURM_STEP_NUM_TASKS", "1"))
        return Ranks(int(env["SLURM_PROCID"]), size, int(env.get("SLURM_LOCALID", "0")))
    return Ranks()


def join(ranks: Ranks) -> None:
    """Connect the processes of a run of several; nothing to do for one alone.

    Raises:
        UserError: They do not find one another, or this one knows no address of the first node.
    """
    if ranks.size == 1:
        return
    distributed: Any = importlib.import_module("torch.distributed")
    host, port = meeting_place(os.environ)
    require_address(host)
    os.environ.update(MASTER_ADDR=host, MASTER_PORT=str(port))
    try:
        # a rank that has few questions left waits for the slowest one, however long that takes
        distributed.init_process_group("gloo", rank=ranks.rank, world_size=ranks.size, timeout=timedelta(days=7))
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"rank {ranks.rank} of {ranks.size}: the ranks do not find one another at {os.environ['MASTER_ADDR']}:"
            f"{os.environ.get('MASTER_PORT')} ({str(error).splitlines()[0]}). Set MASTER_ADDR and MASTER_PORT to an "
            f"address of rank 0 that all nodes reach."
        ) from error


def leave(ranks: Ranks) -> None:
    """Take this process out of the run."""
    if ranks.size > 1:
        distributed: Any = importlib.import_module("torch.distributed")
        distributed.destroy_process_group()
