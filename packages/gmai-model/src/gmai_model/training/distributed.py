"""Processes and devices: whoever launched us (srun, torchrun, accelerate, nobody), one way to know who we are."""

import os
import socket
from dataclasses import dataclass
from typing import Any

import torch
from gmai_cli.errors import UserError


@dataclass(frozen=True)
class Launch:
    """This process among the others."""

    rank: int
    world: int
    local_rank: int
    launcher: str


def read_launch() -> Launch:
    """Find this process's place, and set the variables that torch.distributed reads.

    Under `srun` the place comes from SLURM_*, unless a launcher inside it has set RANK already. Alone, the process
    becomes rank 0 of 1, since accelerate ignores DeepSpeed without LOCAL_RANK.

    Raises:
        UserError: Slurm started several tasks but not through `srun`, so that every task would train alone.
    """
    env = os.environ
    if "RANK" in env:
        world = int(env.get("WORLD_SIZE", "1"))
        return Launch(int(env["RANK"]), world, int(env.get("LOCAL_RANK", "0")), "torchrun or accelerate")
    if "SLURM_STEP_ID" in env and "SLURM_PROCID" in env:
        launch = Launch(int(env["SLURM_PROCID"]), int(env["SLURM_NTASKS"]), int(env["SLURM_LOCALID"]), "srun")
        host = env.get("SLURM_LAUNCH_NODE_IPADDR", "127.0.0.1") if launch.world > 1 else "127.0.0.1"
        port = str(20000 + int(env["SLURM_JOB_ID"]) % 20000)
    elif int(env.get("SLURM_NTASKS", "1")) > 1 and "SLURM_JOB_ID" in env:
        raise UserError(
            f"this Slurm job has {env['SLURM_NTASKS']} tasks, but the command was not started by srun, so only one "
            f"process would train. Write `srun gmai train …` in the script."
        )
    else:
        launch, host, port = Launch(0, 1, 0, "none"), "127.0.0.1", str(_free_port())
    env.update(RANK=str(launch.rank), WORLD_SIZE=str(launch.world), LOCAL_RANK=str(launch.local_rank))
    env.setdefault("MASTER_ADDR", host)
    env.setdefault("MASTER_PORT", port)
    return launch


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start(launch: Launch, deepspeed_config: dict[str, Any]) -> Any:
    """Join the other processes and return the `accelerate.Accelerator` that holds DeepSpeed.

    Raises:
        UserError: The libraries do not agree on the number of processes: each would train the same data.
    """
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed.ops
    from accelerate import Accelerator
    from accelerate.utils import DeepSpeedPlugin, InitProcessGroupKwargs

    if not on_gpu:
        # Built with a C++ compiler at first use (up to two minutes) and only faster between processes of one machine.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    accelerator = Accelerator(
        gradient_accumulation_steps=deepspeed_config["gradient_accumulation_steps"],
        deepspeed_plugin=DeepSpeedPlugin(hf_ds_config=deepspeed_config, zero3_init_flag=False),
        # Without naming the backend accelerate counts one process per rank on the CPU, and all train the same data.
        kwargs_handlers=[InitProcessGroupKwargs(backend="nccl" if on_gpu else "gloo")],
    )
    seen = {
        "the launcher": launch.world,
        "torch.distributed": torch.distributed.get_world_size(),
        "accelerate": accelerator.num_processes,
    }
    if len(set(seen.values())) > 1:
        found = ", ".join(f"{who} {count}" for who, count in seen.items())
        raise UserError(
            f"the number of processes differs: {found}. Every rank would train the same data. "
            f"Start with `srun gmai train …` or `torchrun --nproc-per-node N -m gmai_cli train …`."
        )
    return accelerator


def deepspeed_config(
    *, zero_stage: int, precision: str, micro_batch_size: int, accumulation: int, max_grad_norm: float
) -> dict[str, Any]:
    """Return DeepSpeed's settings."""
    return {
        "train_micro_batch_size_per_gpu": micro_batch_size,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": max_grad_norm,
        "bf16": {"enabled": precision == "bf16"},
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_optimization": {"stage": zero_stage, "overlap_comm": torch.cuda.is_available()},
        # torch's AdamW, whose arithmetic is the same everywhere; DeepSpeed's own CPU one is compiled at first use.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
    }
