"""The trained checkpoint: the model folder we started from, with the trained tensors in place of the old ones."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from gmai_cli.console import say
from gmai_formats.files import fsync_directory, write_json
from gmai_formats.weights import RECORD, damaged, read_record, sealed_files
from torch import Tensor, nn

from gmai_model.assembly.layout import classic_name
from gmai_model.assembly.portable import make_portable
from gmai_model.assembly.weights import WeightFiles, WeightWriter
from gmai_model.training.lora import Adapter
from gmai_model.training.parts import disk_names


def gather_trained(llava: nn.Module, *, precision: str, zero_stage: int, keep: bool) -> dict[str, Tensor]:
    """Return the trained tensors in fp32, by their name in memory. Every rank must call this.

    Args:
        llava: The model inside the DeepSpeed engine.
        precision: `bf16` takes the optimiser's fp32 master weights.
        zero_stage: 3 gathers each tensor from all ranks.
        keep: False on ranks that only take part in the gathering.
    """
    import deepspeed
    from deepspeed.utils import safe_get_full_fp32_param

    trained: dict[str, Tensor] = {}
    for name, parameter in llava.named_parameters():
        if not parameter.requires_grad:
            continue
        if precision == "bf16":
            value = safe_get_full_fp32_param(parameter)
        else:
            with deepspeed.zero.GatheredParameters([parameter], enabled=zero_stage == 3):
                value = parameter.detach().clone()
        if value is None:
            raise RuntimeError(f"DeepSpeed holds no fp32 copy of {name}")
        if keep:
            trained[name] = value.detach().float().cpu().reshape(getattr(parameter, "ds_shape", parameter.shape))
    return trained


def export(source: Path, out: Path, trained: Mapping[str, Tensor | Adapter], *, history: dict[str, Any]) -> None:
    """Write `out`: every file of `source`, its tensors copied bit by bit except the trained ones.

    Args:
        source: The checkpoint that the stage started from.
        out: The folder to write, whole or not at all; an older one is replaced.
        trained: Name in memory ▶ fp32 tensor, or adapter to merge; stored in the dtype that it had in `source`.
        history: Appended to `stages` in `gmai.json`.
    """
    weights = WeightFiles(source)
    new = {disk: trained[name] for name, disk in disk_names(trained, weights.names())}
    building = out.with_name(f".{out.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for file in sorted(source.iterdir()):
        if file.is_file() and not file.name.startswith("model") and file.suffix not in {".bin", ".safetensors"}:
            shutil.copyfile(file, building / file.name)
    writer = WeightWriter(building)
    for name, tensor in weights.tensors():
        value = new.get(name, tensor)
        if isinstance(value, Adapter):
            value = value.merge(tensor)
        if value.shape != tensor.shape:
            raise RuntimeError(f"{name}: trained {tuple(value.shape)}, stored {tuple(tensor.shape)}")
        writer.add(classic_name(name), value.to(tensor.dtype))
    writer.close()
    make_portable(building, dtype=str(weights.dtype(weights.names()[0])).removeprefix("torch."))
    made = read_record(source)
    stages = [*made.get("stages", []), history]
    write_json(building / RECORD, {**made, "stages": stages, **sealed_files(building)})
    for file in building.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    fsync_directory(building)
    if out.exists():
        shutil.rmtree(out)
    building.rename(out)
    fsync_directory(out.parent)


def is_whole(model: Path) -> bool:
    """Return whether a run has exported its model; one that was damaged since is named, and to be written again."""
    if not (model / "config.json").is_file() and not (model / RECORD).is_file():
        return False
    found = damaged(model, weights_only=False)
    if found:
        say(f"{model} is damaged ({found}); it is written again from the last checkpoint")
    return not found


def assert_finite(trained: Mapping[str, Tensor]) -> None:
    """Refuse to write weights that are not finite.

    Raises:
        RuntimeError: Names the first tensor with a NaN or an infinity.
    """
    for name, tensor in trained.items():
        if not bool(torch.isfinite(tensor).all()):
            raise RuntimeError(f"{name} holds values that are not finite; nothing was exported")
