"""Whoever launches: every process knows its place, or none trains."""

import importlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_formats.errors import UserError
from gmai_model.training import distributed, identity
from gmai_model.training.distributed import Launch, read_launch

from .conftest import Train
from .test_run import metrics

VARIABLES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_PROCID",
    "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_STEP_NODELIST", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE",
    "FLUX_JOB_SIZE", "JSM_NAMESPACE_SIZE", "PMIX_RANK", "PALS_RANKID", "FLUX_TASK_RANK", "CUDA_VISIBLE_DEVICES",
    "LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PALS_LOCAL_RANKID",
    "PYTORCH_CUDA_ALLOC_CONF", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS_PER_NODE", "SLURM_NNODES", "SLURM_NODEID",
    "SLURM_STEP_TASKS_PER_NODE", "GROUP_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "ALPS_APP_PE", "NODE_RANK",
    "PET_NNODES", "MPI_LOCALNRANKS",
)  # fmt: skip


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that what read_launch sets is undone, too
        monkeypatch.delenv(name)


def test_srun_needs_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "5", "SLURM_NTASKS": "16", "SLURM_LOCALID": "1",
             "SLURM_STEP_NODELIST": "localhost,node[07-08]"}  # fmt: skip
    for name, value in {**given, "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.3"}.items():
        monkeypatch.setenv(name, value)
    launch = read_launch()
    assert (launch.rank, launch.world, launch.local_rank, launch.launcher) == (5, 16, 1, "srun")
    assert (os.environ["MASTER_ADDR"], os.environ["WORLD_SIZE"]) == ("localhost", "16")


def test_alone_is_rank_0_of_1() -> None:
    launch = read_launch()
    assert (launch.rank, launch.world) == (0, 1)
    assert os.environ["LOCAL_RANK"] == "0"


WHOLE = {"RANK": "3", "WORLD_SIZE": "8", "MASTER_ADDR": "node7", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(("name", "local"), [("LOCAL_RANK", 3), ("SLURM_LOCALID", 1), ("MPI_LOCALRANKID", 2)])
def test_a_launcher_says_which_process_of_its_machine_this_is(
    name: str, local: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {**WHOLE, name: str(local)}.items():
        monkeypatch.setenv(variable, value)
    assert read_launch() == Launch(3, 8, local, "torchrun or accelerate")
    assert os.environ["LOCAL_RANK"] == str(local)


TASK = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NTASKS": "8",
        "SLURM_STEP_NODELIST": "localhost"}  # fmt: skip
OF_TORCHRUN = {"RANK": "9", "WORLD_SIZE": "32", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "8", "MASTER_ADDR": "localhost",
               "MASTER_PORT": "29500"}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "launch", "here"),
    [
        ({**TASK, "SLURM_STEP_NUM_TASKS": "4"}, Launch(1, 4, 1, "srun"), None),
        ({**TASK, "SLURM_STEP_TASKS_PER_NODE": "2(x2),4", "SLURM_NODEID": "2"}, Launch(1, 8, 1, "srun"), "4"),
        ({**TASK, "PMI_SIZE": "8", "PMI_RANK": "1", "PMIX_RANK": "1"}, Launch(1, 8, 1, "srun"), None),
        ({**TASK, "WORLD_SIZE": "16", "NODE_RANK": "1"}, Launch(1, 8, 1, "srun"), None),
        ({**TASK, **OF_TORCHRUN, "SLURM_NTASKS": "4", "GROUP_WORLD_SIZE": "4"},
         Launch(9, 32, 1, "torchrun or accelerate"), "8"),
        # The shell of salloc, in which torchrun starts the processes of one node.
        ({**TASK, **OF_TORCHRUN, "SLURM_STEP_ID": "4294967290", "GROUP_WORLD_SIZE": "1"},
         Launch(9, 32, 1, "torchrun or accelerate"), "8"),
        ({**WHOLE, "LOCAL_RANK": "3", "MPI_LOCALNRANKS": "4"}, Launch(3, 8, 3, "torchrun or accelerate"), "4"),
        ({"LOCAL_WORLD_SIZE": "8"}, Launch(0, 1, 0, "none"), "1"),
    ],
)  # fmt: skip
def test_processes_know_how_many_they_are_and_how_many_of_them_are_here(
    given: dict[str, str], launch: Launch, here: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert read_launch() == launch
    assert os.environ.get("LOCAL_WORLD_SIZE") == here


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (WHOLE, r"rank 3 of 8, but LOCAL_RANK is not set, so that every process of a machine would take the same GPU"),
        ({"RANK": "0"}, "RANK is 0, but WORLD_SIZE and MASTER_ADDR and MASTER_PORT are not set"),
        ({**WHOLE, "MASTER_ADDR": ""}, "RANK is 3, but MASTER_ADDR is not set"),
        ({**WHOLE, "RANK": "8", "LOCAL_RANK": "0"}, "RANK is '8', no whole number from 0 to 7"),
        ({**WHOLE, "RANK": "x", "LOCAL_RANK": "0"}, "RANK is 'x', no whole number from 0 to 7"),
        ({**WHOLE, "WORLD_SIZE": "0", "LOCAL_RANK": "0"}, "WORLD_SIZE is '0', no whole number from 1"),
        (
            {**WHOLE, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "x"},
            "LOCAL_WORLD_SIZE is 'x', no whole number from 1 to 8",
        ),
        ({**WHOLE, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "9"}, "LOCAL_WORLD_SIZE is '9'"),
        ({**WHOLE, "LOCAL_RANK": "4", "LOCAL_WORLD_SIZE": "4"}, "LOCAL_RANK is '4', no whole number from 0 to 3"),
        ({**WHOLE, "LOCAL_RANK": "-1"}, "LOCAL_RANK is '-1', no whole number from 0"),
        (
            {**WHOLE, "LOCAL_RANK": "3", "MASTER_PORT": "70000"},
            "MASTER_PORT is '70000', no whole number from 1 to 65535",
        ),
    ],
)
def test_a_place_that_is_not_whole_is_refused_before_anything_waits(
    given: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message) as refused:
        read_launch()
    assert "torchrun --nproc-per-node" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"}, "has 8 tasks, but the command was not started by srun"),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4(x2)"}, r"has 4\(x2\) tasks, but the command was not started by srun"),
        (
            {"OMPI_COMM_WORLD_SIZE": "4"},
            r"OMPI_COMM_WORLD_SIZE is 4, but RANK is not set: a launcher .* started several",
        ),
        ({"OMPI_COMM_WORLD_SIZE": "x"}, "OMPI_COMM_WORLD_SIZE is x, but RANK is not set"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2, but RANK is not set"),
        ({"WORLD_SIZE": "1", "LOCAL_RANK": "1"}, "LOCAL_RANK is 1, but RANK is not set"),
        ({"MV2_COMM_WORLD_SIZE": "2"}, "MV2_COMM_WORLD_SIZE is 2"),
        ({"FLUX_JOB_SIZE": "2", "FLUX_TASK_RANK": "0"}, "FLUX_JOB_SIZE is 2"),
        ({"JSM_NAMESPACE_SIZE": "6"}, "JSM_NAMESPACE_SIZE is 6"),
        ({"PMIX_RANK": "1"}, "PMIX_RANK is 1"),
        ({"PALS_RANKID": "3"}, "PALS_RANKID is 3"),
        ({"OMPI_COMM_WORLD_RANK": "2"}, "OMPI_COMM_WORLD_RANK is 2"),
        ({"PMI_RANK": "2"}, "PMI_RANK is 2"),
        ({"ALPS_APP_PE": "3"}, "ALPS_APP_PE is 3"),
        ({"NODE_RANK": "1"}, "NODE_RANK is 1"),
        ({"PET_NNODES": "2"}, "PET_NNODES is 2"),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS_PER_NODE": "8"}, "has 8 tasks a node, but the command was not started by"),
        ({"SLURM_JOB_ID": "7", "SLURM_NNODES": "2"}, "has 2 nodes, but the command was not started by srun"),
        (
            {**TASK, "SLURM_STEP_ID": "4294967290"},
            "this Slurm job has 8 tasks, but the command was not started by srun",
        ),
        ({**TASK, "SLURM_STEP_ID": "4294967291"}, "this Slurm job has 8 tasks"),
        ({**TASK, "OMPI_COMM_WORLD_SIZE": "16"}, "OMPI_COMM_WORLD_SIZE is 16, but this Slurm step has 8 tasks: mpirun"),
        (
            {**TASK, "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "PMI_SIZE": "4"},
            "PMI_SIZE is 4, but this Slurm step has 1 task: mpirun started",
        ),
        ({**TASK, **OF_TORCHRUN, "GROUP_WORLD_SIZE": "1"}, "srun started 8 tasks, but GROUP_WORLD_SIZE is 1 in them"),
        (
            {**TASK, **OF_TORCHRUN, "RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"},
            "srun started 8 tasks, but WORLD_SIZE is 1 in them",
        ),
        ({**TASK, "SLURM_STEP_NUM_TASKS": "x"}, "SLURM_STEP_NUM_TASKS is 'x'"),
        ({**TASK, "MASTER_PORT": "abc"}, "MASTER_PORT is 'abc', no port from 1 to 65535"),
        ({**TASK, "SLURM_STEP_NODELIST": "n[1-"}, "SLURM_STEP_NODELIST is to be"),
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "0"}, "SLURM_NTASKS and SLURM_LOCALID not. Slurm sets them"),
        (
            {"SLURM_STEP_ID": "0", "SLURM_PROCID": "5", "SLURM_NTASKS": "2", "SLURM_LOCALID": "0"},
            "SLURM_PROCID is '5', no whole number from 0 to 1. Slurm sets them",
        ),
        (
            {"SLURM_STEP_ID": "0", "SLURM_PROCID": "x", "SLURM_NTASKS": "2", "SLURM_LOCALID": "0"},
            "SLURM_PROCID is 'x'",
        ),
    ],
)
def test_processes_that_would_train_alone_are_refused(
    given: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message):
        read_launch()


@pytest.mark.parametrize("given", [{"OMPI_COMM_WORLD_SIZE": "1"}, {"PMIX_RANK": "0"}, {"SLURM_JOB_ID": "7"}])
def test_one_process_of_a_launcher_trains_alone(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert read_launch() == Launch(0, 1, 0, "none")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def launched(
    train: Train, launcher: list[str], model: Path, out: Path, **more: str
) -> "subprocess.CompletedProcess[str]":
    # DeepSpeed's launcher names GPUs to its processes even where there are none, so the CPU is asked for by name.
    arguments = train.command(1, model, out, max_steps=2, answers=0, device="cpu")[1:]
    module = arguments[1:] if launcher[-1] == "--module" else arguments
    beside_python = Path(sys.executable).parent
    option = "--master_port" if launcher[0] == "deepspeed" else "--main_process_port"
    words = 1 if launcher[0] == "deepspeed" else 2
    launcher = [*launcher[:words], f"{option}={free_port()}", *launcher[words:]]
    return subprocess.run(
        [str(beside_python / launcher[0]), *launcher[1:], *module], capture_output=True, text=True, timeout=600,
        env={**train.environment, "PATH": f"{beside_python}:{os.environ['PATH']}", **more},
    )  # fmt: skip


def test_deepspeed_is_imported_without_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow.py").write_text("")
    (tmp_path / "deepspeed.py").write_text(
        "try:\n    import mlflow\nexcept ImportError:\n    has_mlflow = False\nelse:\n    has_mlflow = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mlflow", "deepspeed"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what is imported here is forgotten
        monkeypatch.delitem(sys.modules, name)
    distributed._import_deepspeed()
    assert not sys.modules["deepspeed"].has_mlflow
    assert importlib.import_module("mlflow").__file__, "the tracker imports it as before"


@pytest.mark.e2e
def test_accelerate_that_starts_one_process_of_two_is_refused(train: Train, checkpoint: Path, tmp_path: Path) -> None:
    result = launched(train, ["accelerate", "launch", "--cpu", "--num_processes=2"], checkpoint, tmp_path / "run")
    assert "accelerate launch was asked for 2 processes but started one" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("launcher", "more"),
    [
        (["accelerate", "launch", "--multi_gpu", "--num_processes", "2"], {"ACCELERATE_USE_CPU": "true"}),
        (["deepspeed", "--num_gpus", "2", "--no_local_rank", "--module"], {"DS_ACCELERATOR": "cpu"}),
    ],
)
def test_other_launchers_train_as_one_process_does(
    train: Train, checkpoint: Path, stage1: Path, tmp_path: Path, launcher: list[str], more: dict[str, str]
) -> None:
    result = launched(train, launcher, checkpoint, tmp_path / "run", **more)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert "on 2 process(es) of" in said
    assert metrics(tmp_path / "run")[0]["loss"] == pytest.approx(metrics(stage1)[0]["loss"], rel=1e-5)


class Cuda:
    """A machine with some GPUs, as torch shows it."""

    def __init__(self, visible: int, capability: tuple[int, int] = (9, 0)) -> None:
        self._visible, self._capability = visible, capability
        self.chosen: list[int] = []
        self.name = "NVIDIA H100"

    def is_available(self) -> bool:
        return self._visible > 0

    def device_count(self) -> int:
        return self._visible

    def set_device(self, number: int) -> None:
        self.chosen.append(number)

    def get_device_capability(self) -> tuple[int, int]:
        return self._capability

    def get_device_name(self) -> str:
        return self.name

    def get_device_properties(self) -> SimpleNamespace:
        return SimpleNamespace(uuid="1-2")


@pytest.mark.parametrize(
    ("visible", "local_rank", "step", "chosen"),
    [(8, 5, True, 5), (8, 5, False, 5), (1, 0, False, 0), (1, 7, True, 0)],
)
def test_each_process_has_its_gpu_also_where_it_sees_one_alone(
    monkeypatch: pytest.MonkeyPatch, visible: int, local_rank: int, step: bool, chosen: int
) -> None:
    cuda = Cuda(visible)
    monkeypatch.setattr(distributed.torch, "cuda", cuda)
    if step:
        monkeypatch.setenv("SLURM_STEP_ID", "0")
    assert distributed.choose_device(Launch(local_rank, 8, local_rank, "srun"), device="auto", precision="bf16")
    assert cuda.chosen == [chosen]
    assert os.environ["LOCAL_RANK"] == str(chosen)


def test_a_wrapper_may_show_each_process_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(1)
    monkeypatch.setattr(distributed.torch, "cuda", cuda)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert distributed.choose_device(Launch(3, 8, 3, "torchrun"), device="auto", precision="bf16")
    assert cuda.chosen == [0]


@pytest.mark.parametrize(("visible", "local_rank"), [(4, 4), (1, 1), (2, 7)])
def test_a_process_without_a_gpu_of_its_own_is_refused(
    monkeypatch: pytest.MonkeyPatch, visible: int, local_rank: int
) -> None:
    monkeypatch.setattr(distributed.torch, "cuda", Cuda(visible))
    with pytest.raises(UserError, match=rf"local rank {local_rank} has no GPU of its own: {visible} visible"):
        distributed.choose_device(Launch(local_rank, 8, local_rank, "torchrun"), device="auto", precision="bf16")


def test_bf16_needs_a_gpu_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed.torch, "cuda", Cuda(1, (7, 0)))
    with pytest.raises(UserError, match=r"compute capability 7\.0\) has no bf16.*precision=fp32"):
        distributed.choose_device(Launch(0, 1, 0, "none"), device="auto", precision="bf16")
    assert distributed.choose_device(Launch(0, 1, 0, "none"), device="auto", precision="fp32")


def test_a_gpu_and_a_slice_of_one_are_told_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed.torch, "cuda", cuda := Cuda(1))
    monkeypatch.delenv("DS_ACCELERATOR", raising=False)
    assert distributed.device_identity() == "1-2"
    cuda.name = "NVIDIA H100 MIG 1g.10gb"
    assert distributed.device_identity() == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-5b5d")
    assert distributed.device_identity() == "MIG-5b5d"
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    assert distributed.device_identity() == ""


@pytest.mark.parametrize(("world", "here", "used"), [(1, "1", "1"), (4, "2", "2"), (2, "2(x1)", "")])
def test_idle_gpus_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: int, here: str, used: str
) -> None:
    monkeypatch.setattr(distributed.torch, "cuda", Cuda(8 if used else 2))
    for name, value in {**TASK, "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": str(world)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", here)
    distributed.choose_device(read_launch(), device="auto", precision="bf16")
    said = capsys.readouterr().err
    assert (f"8 GPUs are visible and {used} used" in said) if used else ("are visible" not in said)


def test_the_cpu_is_used_when_it_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed.torch, "cuda", Cuda(8))
    assert not distributed.choose_device(Launch(0, 1, 0, "none"), device="cpu", precision="bf16")
    assert os.environ["DS_ACCELERATOR"] == "cpu"
    assert not distributed.computes_on_gpu()
    found = distributed.deepspeed_config(
        zero_stage=2, precision="fp32", micro_batch_size=1, accumulation=1, max_grad_norm=1.0, offload="optimizer",
        bucket_elements=8,
    )  # fmt: skip
    assert not found["zero_optimization"]["overlap_comm"]
    assert not found["zero_optimization"]["offload_optimizer"]["pin_memory"]
    assert identity.device_name().startswith("cpu, ")
