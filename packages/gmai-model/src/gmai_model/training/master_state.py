"""What AdamW has made so far, parameter by parameter: the fp32 weights and two moments that each rank holds a part of.

DeepSpeed lays the parameters of a rank end to end in flat fp32 tensors. Here that layout is read back into pieces of
named parameters, so that what one number of ranks wrote is exactly what another number reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors import safe_open
from torch import Tensor

MOMENTS = ("exp_avg", "exp_avg_sq")
KINDS = ("fp32", *MOMENTS)


@dataclass(frozen=True)
class Fragment:
    """The piece of one parameter that this rank holds."""

    name: str
    start: int
    """First element in the flattened parameter."""
    flat: Tensor
    """The rank's flat fp32 tensor that the piece lies in."""
    offset: int
    """First element in `flat`."""
    numel: int

    def of(self, tensor: Tensor) -> Tensor:
        """Return the piece's part of `flat`, or of a moment of the same layout."""
        return tensor.narrow(0, self.offset, self.numel)


def fragments(engine: Any) -> list[Fragment]:
    """Return the pieces that this rank holds, in the order of the parameters; of ZeRO-2 or ZeRO-3."""
    optimizer = engine.optimizer
    trained = [(name, parameter) for name, parameter in engine.module.named_parameters() if parameter.requires_grad]
    if trained and hasattr(trained[0][1], "ds_id"):
        return list(_of_zero_3(optimizer, trained))
    found: list[Fragment] = []
    for name, parameter in trained:
        piece = parameter._hp_mapping  # none where the parameter lies on other ranks
        if piece is not None:
            flat = optimizer.single_partition_of_fp32_groups[piece.param_group_index]
            of_parameter, of_flat = piece.lp_fragment_address, piece.hp_fragment_address
            found.append(Fragment(name, of_parameter.start, flat, of_flat.start, of_flat.numel))
    return found


def _of_zero_3(optimizer: Any, trained: Sequence[tuple[str, Any]]) -> Iterator[Fragment]:
    for name, parameter in trained:
        group, offset, padded = optimizer.grad_position[optimizer.get_param_id(parameter)]
        start = dist.get_rank() * padded
        numel = min(padded, parameter.ds_numel - start)  # behind a parameter's end lies padding
        if numel > 0:
            yield Fragment(name, start, optimizer.fp32_partitioned_groups_flat[group], offset, numel)


def tensors(engine: Any) -> dict[str, Tensor]:
    """Return what this rank has to save: `NAME@START:KIND` ▶ flat fp32 tensor, a view of the engine's own."""
    states: Mapping[Tensor, dict[str, Tensor]] = engine.optimizer.optimizer.state
    found: dict[str, Tensor] = {}
    for piece in fragments(engine):
        found[_key(piece, "fp32")] = piece.of(piece.flat.detach())
        for kind in MOMENTS:
            found[_key(piece, kind)] = piece.of(states[piece.flat][kind])
    return found


def _key(piece: Fragment, kind: str) -> str:
    return f"{piece.name}@{piece.start}:{kind}"


@torch.no_grad()
def restore(engine: Any, files: Sequence[Path], *, steps: int) -> None:
    """Put what any number of ranks saved into the engine, of which nothing may have been trained yet.

    Args:
        engine: DeepSpeed's engine.
        files: The files of all ranks.
        steps: Optimiser steps done, which AdamW's bias correction needs.

    Raises:
        RuntimeError: The files do not cover a piece, so that they are of another model.
    """
    saved = Saved(files)
    optimizer = engine.optimizer
    inner: torch.optim.Optimizer = optimizer.optimizer
    zero_3 = hasattr(optimizer, "fp32_partitioned_groups_flat")
    # ZeRO-3 empties the torch optimiser's groups between steps, so its own lists are asked.
    flats = optimizer.fp32_partitioned_groups_flat if zero_3 else optimizer.single_partition_of_fp32_groups
    on_device = inner.defaults.get("fused") or inner.defaults.get("capturable")
    for flat in flats:
        count = torch.tensor(float(steps), device=flat.device if on_device else "cpu")
        inner.state[flat] = {"step": count, **{kind: torch.zeros_like(flat) for kind in MOMENTS}}
    for piece in fragments(engine):
        saved.read(piece, "fp32", into=piece.of(piece.flat.data))
        for kind in MOMENTS:
            saved.read(piece, kind, into=piece.of(inner.state[piece.flat][kind]))
    # The weights that the model computes with follow from the fp32 ones, as they do after a step.
    if zero_3:
        for number in range(len(flats)):
            optimizer._reassign_or_swap_out_partitioned_parameters(number)
        if optimizer.persistent_parameters:
            _gather_persistent(optimizer)
    else:
        optimizer.update_lp_params()


def _gather_persistent(optimizer: Any) -> None:
    """Let every rank hold the small parameters whole again, as ZeRO-3 keeps them between steps."""
    optimizer.persistent_parameters[0].partition(optimizer.persistent_parameters)
    optimizer.persistent_parameters[0].all_gather(optimizer.persistent_parameters)


class Saved:
    """The pieces in the files of all ranks, read where they are asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files: list[Any] = [safe_open(file, framework="pt") for file in files]
        self._pieces: dict[tuple[str, str], list[tuple[int, int, Any, str]]] = {}
        for file in self._files:
            for key in file.keys():  # noqa: SIM118 (no mapping)
                name, start, kind = _split(key)
                numel = file.get_slice(key).get_shape()[0]
                self._pieces.setdefault((name, kind), []).append((start, start + numel, file, key))

    def read(self, piece: Fragment, kind: str, *, into: Tensor) -> None:
        """Copy a piece's values from wherever they lie.

        Raises:
            RuntimeError: A part of them is nowhere.
        """
        first, last = piece.start, piece.start + piece.numel
        missing = piece.numel
        for start, stop, file, key in self._pieces.get((piece.name, kind), ()):
            low, high = max(first, start), min(last, stop)
            if low < high:
                into[low - first : high - first].copy_(file.get_slice(key)[low - start : high - start])
                missing -= high - low
        if missing:
            raise RuntimeError(f"the checkpoint lacks {missing} values of {kind} of {piece.name}")


def _split(key: str) -> tuple[str, int, str]:
    place, _, kind = key.rpartition(":")
    name, _, start = place.rpartition("@")
    return name, int(start), kind
