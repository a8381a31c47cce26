"""Processes and devices: whoever launched us (srun, torchrun, accelerate, nobody), one way to know who we are."""

import os
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from gmai_cli.console import say
from gmai_cli.exit_codes import EXIT_USER_ERROR
from gmai_formats.errors import UserError
from gmai_formats.gpus import require_usable_gpu
from gmai_formats.slurm_hosts import in_step, meeting_place, tasks_here

T = TypeVar("T")


COLLECTIVE_TIMEOUT = timedelta(days=2)
"""One rank may measure or convert for long while the others wait; a run that stands still is the watchdog's to end."""


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
        UserError: Several processes were asked for, but each of them would train alone.
    """
    env = os.environ
    if "RANK" in env:
        return _of_launcher()
    if in_step(env):
        launch, local_world = _of_srun()
        host, port = meeting_place(env) if launch.world > 1 else ("127.0.0.1", _free_port())
    else:
        if "SLURM_JOB_ID" in env:
            _refuse_job_without_srun()
        _refuse_broken_promise()
        launch, local_world, host, port = Launch(0, 1, 0, "none"), 1, "127.0.0.1", _free_port()
    env.update(RANK=str(launch.rank), WORLD_SIZE=str(launch.world), LOCAL_RANK=str(launch.local_rank))
    if local_world:
        env["LOCAL_WORLD_SIZE"] = str(local_world)
    env.setdefault("MASTER_ADDR", host)
    env.setdefault("MASTER_PORT", str(port))
    return launch


def _of_srun() -> tuple[Launch, int]:
    """Return the place that Slurm's variables say, and the tasks of this node (0: not known).

    Raises:
        UserError: One of them is missing or is no number that fits, or MPI started processes inside the step.
    """
    env = os.environ
    if missing := [name for name in ("SLURM_NTASKS", "SLURM_LOCALID") if not env.get(name, "").strip()]:
        raise UserError(f"SLURM_PROCID is set, but {' and '.join(missing)} not. {_BY_SRUN}")
    world = _tasks_of_step()
    for name in _MPI_SIZES:
        if env.get(name, "").strip() not in ("", str(world)):
            raise UserError(
                f"{name} is {env[name]}, but this Slurm step has {world} task{'s' * (world > 1)}: mpirun started "
                f"processes inside it, and several of them would be the same rank. Start with `srun gmai train …` in "
                f"place of mpirun."
            )
    rank = _number("SLURM_PROCID", 0, world - 1, remedy=_BY_SRUN)
    launch = Launch(rank, world, _number("SLURM_LOCALID", 0, remedy=_BY_SRUN), "srun")
    return launch, tasks_here(env)


def _tasks_of_step() -> int:
    """Return how many processes srun started: SLURM_NTASKS may still be of the job that the step is of."""
    own = os.environ.get("SLURM_STEP_NUM_TASKS", "").strip()
    return _number("SLURM_STEP_NUM_TASKS" if own else "SLURM_NTASKS", 1, remedy=_BY_SRUN)


def _refuse_job_without_srun() -> None:
    """Stop where a Slurm job has several tasks or nodes, of which a command in its script would use one."""
    env = os.environ
    for name, what in (("SLURM_NTASKS", "tasks"), ("SLURM_NTASKS_PER_NODE", "tasks a node"), ("SLURM_NNODES", "nodes")):
        if env.get(name, "").strip() not in ("1", ""):
            raise UserError(
                f"this Slurm job has {env[name]} {what}, but the command was not started by srun, so only one "
                f"process would train. Write `srun gmai train …` in the script."
            )


_LOCAL = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PALS_LOCAL_RANKID")
"""Which of the processes of its machine a process is, in the words of torchrun, Slurm, Open MPI, MPICH and PALS."""


def _of_launcher() -> Launch:
    """Return the place that RANK and its companions say.

    Raises:
        UserError: One of them is missing or is no number that fits.
    """
    needed = ["WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"]
    if missing := [name for name in needed if not os.environ.get(name, "").strip()]:
        are = "is" if len(missing) == 1 else "are"
        raise UserError(f"RANK is {os.environ['RANK']}, but {' and '.join(missing)} {are} not set. {_LAUNCHED}")
    world = _number("WORLD_SIZE", 1)
    rank = _number("RANK", 0, world - 1)
    _number("MASTER_PORT", 1, 65535)
    local = next((name for name in _LOCAL if os.environ.get(name, "").strip()), None)
    if local is None and world > 1:
        raise UserError(
            f"this is rank {rank} of {world}, but LOCAL_RANK is not set, so that every process of a machine would take "
            f"the same GPU. {_LAUNCHED}"
        )
    here = next((name for name in _LOCAL_SIZES if os.environ.get(name, "").strip()), None)
    if here is not None:
        os.environ["LOCAL_WORLD_SIZE"] = str(_number(here, 1, world))
    place = 0 if local is None else _number(local, 0, None if here is None else _number(here, 1) - 1)
    os.environ["LOCAL_RANK"] = str(place)
    if in_step(os.environ):
        _refuse_launcher_per_task()
    return Launch(rank, world, place, "torchrun or accelerate")


def _refuse_launcher_per_task() -> None:
    """Stop where srun started a launcher several times, and each of them knows of its own processes alone.

    Raises:
        UserError: There are more tasks than launchers that know of one another.
    """
    tasks = _tasks_of_step() if os.environ.get("SLURM_NTASKS", "").strip() else 1
    name = "GROUP_WORLD_SIZE" if os.environ.get("GROUP_WORLD_SIZE", "").strip() else "WORLD_SIZE"
    if _number(name, 1) < tasks:
        raise UserError(
            f"srun started {tasks} tasks, but {name} is {os.environ[name]} in them: they do not know of one another, "
            f"and each would train the same data by itself. Start with `srun gmai train …` and no other launcher, with "
            f"RANK and WORLD_SIZE unset; or give torchrun --nnodes {tasks}, --rdzv-backend c10d and --rdzv-endpoint."
        )


_LAUNCHED = (
    "A launcher sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT together: start with `srun gmai train "
    "…` or `torchrun --nproc-per-node N -m gmai_cli train …`, or set them all."
)


_BY_SRUN = "Slurm sets them for every task: start with `srun gmai train …`, and leave them as they are."
_LOCAL_SIZES = ("LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "PALS_LOCAL_SIZE")
"""How many of the processes are on this machine, in the words of torchrun, Open MPI, MPICH and PALS."""
_MPI_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
_SIZES = ("WORLD_SIZE", *_MPI_SIZES, "FLUX_JOB_SIZE", "JSM_NAMESPACE_SIZE", "PET_NNODES")
_PLACES = (
    "LOCAL_RANK", "NODE_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "MV2_COMM_WORLD_RANK", "PALS_RANKID",
    "ALPS_APP_PE", "JSM_NAMESPACE_RANK", "FLUX_TASK_RANK",
)  # fmt: skip
"""How many processes there are, and which one this is, in the words of torchrun, Open MPI, MPICH, MVAPICH, Flux, jsrun,
Kubeflow, PMIx, PALS and ALPS."""


def _number(name: str, least: int, most: int | None = None, *, remedy: str | None = None) -> int:
    """Return the whole number that a variable of the launcher holds.

    Raises:
        UserError: It holds something else.
    """
    text = os.environ[name].strip()
    if not text.isdecimal() or not least <= int(text) <= (most if most is not None else int(text)):
        span = f"from {least}" + (f" to {most}" if most is not None else "")
        raise UserError(f"{name} is {text!r}, no whole number {span}. {remedy or _LAUNCHED}")
    return int(text)


def _refuse_broken_promise() -> None:
    """Stop where a launcher was asked for several processes but told none of them its rank."""
    env = os.environ
    several = [name for name in _SIZES if env.get(name, "").strip() not in ("", "1")]
    several += [name for name in _PLACES if env.get(name, "").strip() not in ("", "0")]
    if several:
        raise UserError(
            f"{several[0]} is {env[several[0]]}, but RANK is not set: a launcher (mpirun, flux, jsrun, …) started "
            "several processes, and each would train alone. Start with `srun gmai train …` or `torchrun "
            f"--nproc-per-node N -m gmai_cli train …`; or, for one process, unset {several[0]}."
        )
    try:
        parent = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return  # no /proc
    asked = re.search(r"--num[_-]processes[= ](\d+)", parent)
    if "accelerate" in parent and asked is not None and int(asked[1]) > 1:
        raise UserError(
            f"accelerate launch was asked for {asked[1]} processes but started one (with --cpu, or without "
            f"--multi_gpu, it does). Write `accelerate launch --multi_gpu --num_processes {asked[1]} -m gmai_cli "
            f"train …`, on the CPU with ACCELERATE_USE_CPU=true."
        )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def choose_device(launch: Launch, *, device: str, precision: str) -> bool:
    """Return whether this process computes on a GPU, and point every library at that one.

    With `--gpus-per-task=1` a process sees one GPU, whose number is 0 whatever the local rank.

    Raises:
        UserError: GPUs were given that torch cannot use, there are fewer than processes, or the GPU is too old.
    """
    # Every row has another length: segments that grow keep the memory from being cut into pieces. Read once, when CUDA
    # begins. https://docs.pytorch.org/docs/stable/notes/cuda.html
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    on_gpu = device != "cpu" and require_usable_gpu(torch, ask_for_cpu="--set device=cpu")
    if not on_gpu:
        os.environ["DS_ACCELERATOR"] = "cpu"
        # `accelerate launch` needs it to start processes on the CPU; inside them it would switch DeepSpeed off.
        os.environ.pop("ACCELERATE_USE_CPU", None)
        return False
    visible = torch.cuda.device_count()
    # Slurm, or a wrapper of mpirun's or PALS's, shows each process its own; that they differ, the meeting holds to.
    alone = visible == 1 and ("SLURM_STEP_ID" in os.environ or bool(os.environ.get("CUDA_VISIBLE_DEVICES")))
    local_rank = 0 if alone else launch.local_rank
    if local_rank >= visible:
        raise UserError(
            f"local rank {launch.local_rank} has no GPU of its own: {visible} visible. One process per GPU: start as "
            f"many as there are, or give each task one (`srun --gpus-per-task=1`)."
        )
    os.environ["LOCAL_RANK"] = str(local_rank)
    torch.cuda.set_device(local_rank)
    major, minor = torch.cuda.get_device_capability()
    if precision == "bf16" and major < 8:
        raise UserError(
            f"{torch.cuda.get_device_name()} (compute capability {major}.{minor}) has no bf16, which came with 8.0. "
            f"Write --set precision=fp32, or use a newer GPU."
        )
    processes = 1 if launch.world == 1 else int(os.environ.get("LOCAL_WORLD_SIZE") or visible)
    if launch.rank == 0 and visible > processes and not alone:
        say(f"{visible} GPUs are visible and {processes} used: start one process per GPU, such as with torchrun")
    return True


def device_identity() -> str:
    """Return what tells this process's GPU, or its slice of one, from all others; nothing on the CPU."""
    if not computes_on_gpu():
        return ""
    if "MIG" in torch.cuda.get_device_name():  # all slices have the card's UUID
        name = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return name if name.startswith("MIG-") and "," not in name else ""
    return str(getattr(torch.cuda.get_device_properties(), "uuid", ""))


def computes_on_gpu() -> bool:
    """Return whether this process computes on a GPU: there may be one though the CPU was asked for."""
    return torch.cuda.is_available() and os.environ.get("DS_ACCELERATOR") != "cpu"


def start(launch: Launch, deepspeed_config: dict[str, Any], *, on_gpu: bool) -> Any:
    """Return the `accelerate.Accelerator` that holds DeepSpeed; the processes have met.

    Raises:
        UserError: The libraries do not agree on the number of processes: each would train the same data.
    """
    _import_deepspeed()
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
        kwargs_handlers=[InitProcessGroupKwargs(backend=_backend(on_gpu), timeout=COLLECTIVE_TIMEOUT)],
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


def _import_deepspeed() -> None:
    """Import DeepSpeed without MLflow, of which its autotuner, not used here, imports a thousand modules."""
    if "mlflow" in sys.modules:
        return
    sys.modules["mlflow"] = None  # type: ignore[assignment]
    try:
        import deepspeed  # noqa: F401 # pyright: ignore[reportUnusedImport]
    finally:
        del sys.modules["mlflow"]


def _backend(on_gpu: bool) -> str:
    return "nccl" if on_gpu else "gloo"


def on_main(work: Callable[[], T]) -> T:
    """Let rank 0 do something and give its result to every rank; a failure there ends them all.

    Raises:
        SystemExit: Elsewhere, where rank 0 raised; its message is the one to read.
    """
    if torch.distributed.get_rank() == 0:
        try:
            result = [(work(), False)]
        except BaseException:
            torch.distributed.broadcast_object_list([(None, True)])
            raise
        torch.distributed.broadcast_object_list(result)
        return result[0][0]
    received: list[Any] = [None]
    torch.distributed.broadcast_object_list(received)
    value, failed = received[0]
    if failed:
        raise SystemExit(EXIT_USER_ERROR)
    return value


def end_together(message: str) -> NoReturn:
    """End a run for a reason that every rank has found: rank 0 says it, the others are silent.

    Raises:
        UserError: On rank 0.
        SystemExit: Elsewhere, with the same exit code.
    """
    if torch.distributed.get_rank() == 0:
        raise UserError(message)
    raise SystemExit(EXIT_USER_ERROR)


def deepspeed_config(
    *, zero_stage: int, precision: str, micro_batch_size: int, accumulation: int, max_grad_norm: float, offload: str,
    bucket_elements: int,
) -> dict[str, Any]:  # fmt: skip
    """Return DeepSpeed's settings; its buckets are as large as `estimate.bucket_elements` says."""
    on_gpu = computes_on_gpu()
    zero: dict[str, Any] = {
        "stage": zero_stage, "overlap_comm": on_gpu, "reduce_bucket_size": bucket_elements,
    }  # fmt: skip
    if offload != "none":
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": on_gpu}
    if offload == "all":
        zero["offload_param"] = {"device": "cpu", "pin_memory": on_gpu}
    return {
        "train_micro_batch_size_per_gpu": micro_batch_size,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": max_grad_norm,
        "bf16": {"enabled": precision == "bf16"},
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_optimization": zero,
        # torch's AdamW, whose arithmetic is the same everywhere; DeepSpeed's own CPU one is compiled at first use.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
    }
