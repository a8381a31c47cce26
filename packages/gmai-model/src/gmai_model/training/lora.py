"""Adapters instead of full weights in some parts (peft, an extra), merged into them on export, or by themselves."""

import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from gmai_formats.installing import pip_install
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration

from gmai_model.stages import PARTS, Part
from gmai_model.training.parts import unreached_prefixes

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""Matrices of a language model's layers."""
_MATRICES: dict[Part, list[str]] = {
    "language_model": TARGETS,
    "projector": ["linear_1", "linear_2"],
    "vision_encoder": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
}
_PREFIXES: dict[Part, str] = {
    "language_model": "model.language_model.",
    "projector": "model.multi_modal_projector.",
    "vision_encoder": "model.vision_tower.",
}
_ORDER: tuple[Part, ...] = ("language_model", *(part for part in PARTS if part != "language_model"))
_A, _B = ".lora_A.default.weight", ".lora_B.default.weight"


def add_adapters(
    llava: LlavaForConditionalGeneration, parts: Collection[Part] = ("language_model",), *, rank: int, alpha: float,
    seed: int,
) -> None:  # fmt: skip
    """Freeze some parts and put adapters beside every matrix of their layers that a gradient reaches.

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
        for part in _ORDER:
            if part not in parts:
                continue
            prefix = _PREFIXES[part]
            names = [name.removeprefix(prefix) for name, _ in _matrices(llava, part)]
            inject_adapter_in_model(
                LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=names),  # pyright: ignore[reportArgumentType]
                llava.get_submodule(prefix.removesuffix(".")),
            )
    if "language_model" in parts:
        llava.lm_head.requires_grad_(False)


def count_adapters(llava: LlavaForConditionalGeneration, part: Part, rank: int) -> int:
    """Return the parameters of a part's adapters, from the shapes alone."""
    return sum(rank * (matrix.in_features + matrix.out_features) for _, matrix in _matrices(llava, part))


def _matrices(llava: LlavaForConditionalGeneration, part: Part) -> Iterator[tuple[str, nn.Linear]]:
    unreached = unreached_prefixes(llava)
    for name, module in llava.named_modules():
        own = name.startswith(_PREFIXES[part]) and name.rpartition(".")[2] in _MATRICES[part]
        if own and isinstance(module, nn.Linear) and not name.startswith(unreached):
            yield name, module


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


def write_adapter(out: Path, trained: Mapping[str, Tensor], *, base: Path, rank: int, alpha: float) -> None:
    """Write adapters in peft's layout, for `PeftModel.from_pretrained(LLAVA, OUT)`.

    Args:
        out: Folder to write; an older one is replaced.
        trained: Name in memory ▶ tensor; all of them are adapters.
        base: The checkpoint that they belong to; only its name is kept.
        rank: Of the adapters.
        alpha: Their scaling, times the rank.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    tensors = {
        f"base_model.model.{name.replace('.default.', '.')}": value.contiguous() for name, value in trained.items()
    }
    save_file(tensors, out / "adapter_model.safetensors", metadata={"format": "pt"})
    stems = sorted({re.sub(r"\.lora_[AB]\.default\.weight$", "", name) for name in trained})
    settings: dict[str, Any] = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": alpha, "lora_dropout": 0.0,
        "bias": "none", "target_modules": stems, "base_model_name_or_path": base.name, "inference_mode": True,
    }  # fmt: skip
    write_json(out / "adapter_config.json", settings)
