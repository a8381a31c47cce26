from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_formats.gpus import gpus_given, require_usable_gpu

VARIABLES = ("SLURM_GPUS_ON_NODE", "SLURM_GPUS", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "GPU_DEVICE_ORDINAL",
             "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")  # fmt: skip


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def fake_torch(*, devices: int = 0, cuda: str | None = "13.2", why: str = "") -> Any:
    def init() -> None:
        if why:
            raise RuntimeError(why)

    return SimpleNamespace(
        __version__="2.15.0", version=SimpleNamespace(cuda=cuda, hip=None),
        cuda=SimpleNamespace(is_available=lambda: devices > 0, device_count=lambda: devices, init=init),
    )  # fmt: skip


def smi(folder: Path) -> None:
    program = folder / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\ncase "$1" in -L) echo "GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-0)"; echo "GPU 1: x (UUID: 1)";;\n'
        '*) echo "535.104.05";; esac\n'
    )
    program.chmod(0o755)


def test_a_usable_gpu_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "8")
    assert require_usable_gpu(fake_torch(devices=8)) is True


def test_without_any_gpu_the_cpu_is_meant() -> None:
    assert require_usable_gpu(fake_torch()) is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLURM_GPUS_ON_NODE", "2"),
        ("SLURM_STEP_GPUS", "0"),
        ("SLURM_JOB_GPUS", "0,3"),
        ("CUDA_VISIBLE_DEVICES", "0"),
        ("CUDA_VISIBLE_DEVICES", "MIG-1c2"),
        ("ROCR_VISIBLE_DEVICES", "1"),
    ],
)
def test_a_gpu_that_was_given_and_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as raised:
        require_usable_gpu(fake_torch(why="The NVIDIA driver is too old (found version 12020).\nmore"), ask_for_cpu="X")
    assert f"({name}={value})" in str(raised.value)
    assert "made for CUDA 13.2) can use none: The NVIDIA driver is too old (found version 12020). " in str(raised.value)
    assert "or write X to use the CPU" in str(raised.value)


def test_nvidia_smi_speaks_for_gpus_and_the_driver(tmp_path: Path) -> None:
    smi(tmp_path)
    with pytest.raises(UserError, match=r"nvidia-smi lists 2, GPU 0: NVIDIA A100-SXM4-80GB first\).*driver is 535\.1"):
        require_usable_gpu(fake_torch())


def test_a_torch_for_the_cpu_is_named(tmp_path: Path) -> None:
    smi(tmp_path)
    with pytest.raises(UserError, match=r"made for the CPU alone.*Install a torch with CUDA, or write CUDA_VISIBLE"):
        require_usable_gpu(fake_torch(cuda=None))


@pytest.mark.parametrize("hidden", ["", "-1", "NoDevFiles", " "])
def test_who_hides_the_gpus_asks_for_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hidden: str) -> None:
    smi(tmp_path)
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert require_usable_gpu(fake_torch()) is False


@pytest.mark.parametrize("name", ["SLURM_GPUS_ON_NODE", "SLURM_GPUS"])
def test_no_gpus_of_slurm_are_none(name: str) -> None:
    assert gpus_given({name: "0"}) == []
    assert gpus_given({name: ""}) == []
