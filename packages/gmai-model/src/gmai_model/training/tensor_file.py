"""Tensors ▶ one safetensors file, written tensor by tensor with its digest: never more than one of them in host memory.

https://huggingface.co/docs/safetensors#format: eight bytes of length, a JSON header, the values end to end.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class NotFiniteError(Exception):
    """A tensor holds a NaN or an infinity."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write flat fp32 tensors durably and return the file's SHA-256.

    Raises:
        NotFiniteError: Names the first tensor that holds a value that is not finite.
        OSError: It could not be written.
    """
    header: dict[str, object] = {}
    end = 0
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 or tensor.dim() != 1:
            raise TypeError(f"{name}: expected a flat fp32 tensor, found {tensor.dtype} of {tuple(tensor.shape)}")
        size = 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in (len(text).to_bytes(8, "little"), text):
            file.write(part)
            digest.update(part)
        for name, tensor in tensors.items():
            if not bool(torch.isfinite(tensor).all()):
                raise NotFiniteError(name)
            array: Any = tensor.detach().cpu().contiguous().numpy().astype("<f4", copy=False)
            values = memoryview(array).cast("B")
            file.write(values)
            digest.update(values)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
