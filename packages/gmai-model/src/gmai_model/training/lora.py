"""Adapters instead of full weights in the language model (peft, an extra), merged into it on export."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from torch import Tensor
from transformers import LlavaForConditionalGeneration

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_A, _B = ".lora_A.default.weight", ".lora_B.default.weight"


def add_adapters(llava: LlavaForConditionalGeneration, *, rank: int, alpha: float, seed: int) -> None:
    """Freeze the language model and put adapters beside every matrix of its layers.

    Raises:
        UserError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise UserError(
            f"lora_rank={rank} needs peft ({error}). Install it with `{pip_install('gmai-model[lora]')}`."
        ) from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(
            LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=TARGETS),  # pyright: ignore[reportArgumentType]
            llava.model.language_model,
        )
    llava.lm_head.requires_grad_(False)


@dataclass(frozen=True)
class Adapter:
    """The two factors of one matrix's change."""

    a: Tensor
    b: Tensor
    scaling: float

    def merge(self, weight: Tensor) -> Tensor:
        """Return the matrix with the adapter in it, fp32."""
        return weight.float() + self.scaling * (self.b @ self.a)


def merged(trained: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor | Adapter]:
    """Return the trained tensors with each pair of factors as one adapter under its matrix's name."""
    result: dict[str, Tensor | Adapter] = {name: value for name, value in trained.items() if ".lora_" not in name}
    for name, a in trained.items():
        if name.endswith(_A):
            stem = name.removesuffix(_A)
            result[f"{stem}.weight"] = Adapter(a, trained[stem + _B], alpha / a.shape[0])
    return result
