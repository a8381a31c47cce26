"""The frozen language model in 4 bits (bitsandbytes, an extra): QLoRA, with adapters that stay in 16 or 32 bits.

The weights become NormalFloat-4 with doubly quantised scales (https://arxiv.org/abs/2305.14314); embedding, head,
norms, vision encoder and projector stay as they are. The checkpoint on disk is never quantised: adapters are merged
into its own weights.
"""

import logging
from collections.abc import Iterator
from typing import Any

import torch
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration

BYTES_PER_WEIGHT = (4 + 8 / 64 + 32 / (64 * 256)) / 8
"""4 bits, a scale of 8 bits for 64 weights and one of 32 bits for 256 scales."""
_LAYERS = "model.language_model.layers."


def require() -> Any:
    """Return bitsandbytes.

    Raises:
        UserError: It is not installed, or does not start here.
    """
    # It would tell of kernels of the Hub that could be downloaded.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        import bitsandbytes
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(
            f"quantize=nf4 needs bitsandbytes ({error}). Install it with `{pip_install('gmai-model[qlora]')}`."
        ) from error
    return bitsandbytes


def _matrices(llava: LlavaForConditionalGeneration) -> Iterator[tuple[str, nn.Linear]]:
    for name, module in llava.named_modules():
        if name.startswith(_LAYERS) and isinstance(module, nn.Linear):
            yield name, module


def count_quantized(llava: LlavaForConditionalGeneration) -> int:
    """Return how many weights are held in 4 bits, from the shapes alone."""
    return sum(matrix.in_features * matrix.out_features for _, matrix in _matrices(llava))


def quantize(llava: LlavaForConditionalGeneration, device: torch.device) -> None:
    """Put the matrices of the language model's layers into 4 bits, one after the other, on the device.

    Args:
        llava: With frozen layers, not quantised yet.
        device: Where they are to be computed: bitsandbytes packs them for it.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    layers: Any = require().nn
    matrix: Any
    for name, matrix in list(_matrices(llava)):
        packed = layers.Linear4bit(
            matrix.in_features, matrix.out_features, bias=matrix.bias is not None, compute_dtype=matrix.weight.dtype,
            compress_statistics=True, quant_type="nf4", device="meta",
        )  # fmt: skip
        packed.weight = layers.Params4bit(
            matrix.weight.detach().cpu().contiguous(), requires_grad=False, compress_statistics=True, quant_type="nf4",
            module=packed,
        )  # fmt: skip
        packed.bias = matrix.bias
        parent, _, own = name.rpartition(".")
        setattr(llava.get_submodule(parent), own, packed.to(device))
    language_model: Any = llava.get_submodule("model.language_model")
    language_model.is_loaded_in_4bit = True  # peft asks for it


def size_of(parameter: Tensor) -> int:
    """Return the number of weights in a parameter, quantised ones counted as what they stand for."""
    state: Any = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else int(torch.Size(state.shape).numel())
