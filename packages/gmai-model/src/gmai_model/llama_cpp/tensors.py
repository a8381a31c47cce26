"""A GGUF file, written with one tensor in memory at a time."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import quant_shape_to_byte_shape, quantize
from gmai_cli.console import progress
from gmai_formats.errors import UserError
from torch import Tensor

from gmai_model.assembly.weights import count_not_finite

_OF_TORCH = {
    torch.float32: GGMLQuantizationType.F32, torch.float16: GGMLQuantizationType.F16,
    torch.bfloat16: GGMLQuantizationType.BF16,
}  # fmt: skip
DTYPES = {
    "f32": GGMLQuantizationType.F32, "f16": GGMLQuantizationType.F16, "bf16": GGMLQuantizationType.BF16,
    "q8_0": GGMLQuantizationType.Q8_0,
}  # fmt: skip
"""Words of `--dtype` ▶ type of the matrices; `auto` is the checkpoint's own."""
_FILE_TYPES = {
    GGMLQuantizationType.F32: LlamaFileType.ALL_F32, GGMLQuantizationType.F16: LlamaFileType.MOSTLY_F16,
    GGMLQuantizationType.BF16: LlamaFileType.MOSTLY_BF16, GGMLQuantizationType.Q8_0: LlamaFileType.MOSTLY_Q8_0,
}  # fmt: skip
_Q8_0_BLOCK = 32
"""Values that share one scale: a row holds whole blocks."""


@dataclass(frozen=True)
class Planned:
    """One tensor of the file."""

    name: str
    shape: tuple[int, ...]
    """As torch has it; the file lists it in reverse."""
    kind: GGMLQuantizationType
    load: Callable[[], Tensor]


def matrix_kind(dtype: str, stored: torch.dtype, shape: Sequence[int]) -> GGMLQuantizationType:
    """Return the type of a tensor: vectors stay in fp32, as llama.cpp needs them, and matrices take what was asked for.

    Args:
        dtype: A key of `DTYPES`, or `auto`.
        stored: Its type in the checkpoint.
        shape: Of the tensor.
    """
    if len(shape) == 1:
        return GGMLQuantizationType.F32
    kind = _OF_TORCH[stored] if dtype == "auto" else DTYPES[dtype]
    if kind is GGMLQuantizationType.Q8_0 and shape[-1] % _Q8_0_BLOCK:
        return GGMLQuantizationType.F16
    return kind


def write_file(
    path: Path, architecture: str, tensors: Sequence[Planned], describe: Iterable[Callable[[GGUFWriter], object]]
) -> None:
    """Write a GGUF file.

    Args:
        path: The file, which must not exist.
        architecture: `general.architecture`.
        tensors: In the order of the file.
        describe: Each adds metadata.

    Raises:
        UserError: Values are too large for the type that was asked for.
    """
    writer = GGUFWriter(path, architecture)
    kinds = [tensor.kind for tensor in tensors if len(tensor.shape) > 1]
    most = max(_FILE_TYPES, key=kinds.count)
    writer.add_file_type(_FILE_TYPES[most])
    writer.add_quantization_version(2)  # GGML_QNT_VERSION, of the blocks that the package gguf writes
    for each in describe:
        each(writer)
    for tensor in tensors:
        shape, dtype = _on_disk(tensor)
        size_bytes = math.prod(shape) * dtype.itemsize
        writer.add_tensor_info(tensor.name, shape, dtype, size_bytes, raw_dtype=tensor.kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    with progress(path.name, total=len(tensors), unit="tensors") as bar:
        for tensor in tensors:
            writer.write_tensor_data(_encode(tensor))
            bar.advance()
    writer.close()


def _on_disk(tensor: Planned) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if tensor.kind is GGMLQuantizationType.F32:
        return tensor.shape, np.dtype(np.float32)
    if tensor.kind is GGMLQuantizationType.F16:
        return tensor.shape, np.dtype(np.float16)
    return tuple(quant_shape_to_byte_shape(tensor.shape, tensor.kind)), np.dtype(np.uint8)


def _encode(tensor: Planned) -> np.ndarray[Any, Any]:
    values = tensor.load().contiguous()
    if tuple(values.shape) != tensor.shape:
        raise ValueError(f"{tensor.name}: {tuple(values.shape)} was to be {tensor.shape}")
    if tensor.kind is GGMLQuantizationType.Q8_0:
        return quantize(values.float().numpy(), tensor.kind)
    torch_dtype = next(dtype for dtype, kind in _OF_TORCH.items() if kind is tensor.kind)
    stored = values.to(torch_dtype)
    if count_not_finite(stored):
        raise UserError(
            f"{tensor.name}: values up to {float(values.abs().max()):.3g} are no numbers of {tensor.kind.name}. A "
            "model with them answers nothing. Give --dtype bf16 or f32."
        )
    if torch_dtype is torch.bfloat16:
        return stored.view(torch.uint8).numpy()
    return stored.numpy()
