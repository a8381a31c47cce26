"""Whoever launches: every process knows its place, or none trains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.training.distributed import read_launch

from .conftest import Train
from .test_run import metrics

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID", "SLURM_STEP_ID",
             "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_STEP_NODELIST",
             "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")  # fmt: skip


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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"}, "has 8 tasks, but the command was not started by srun"),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, "mpirun started 4 processes without RANK"),
    ],
)
def test_processes_that_would_train_alone_are_refused(
    given: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message):
        read_launch()


def launched(
    train: Train, launcher: list[str], model: Path, out: Path, **more: str
) -> "subprocess.CompletedProcess[str]":
    arguments = train.command(1, model, out, max_steps=2, answers=0)[1:]
    module = arguments[1:] if launcher[-1] == "--module" else arguments
    beside_python = Path(sys.executable).parent
    return subprocess.run(
        [str(beside_python / launcher[0]), *launcher[1:], *module], capture_output=True, text=True, timeout=600,
        env={**train.environment, "PATH": f"{beside_python}:{os.environ['PATH']}", **more},
    )  # fmt: skip


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
