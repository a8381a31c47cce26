"""What a run will need, from the model's configuration and the counted samples alone: memory per GPU and hours.

The formulas stand in docs/explanation/packing.md; the operations are those of `flops.py`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gmai_formats.checkpoints import naming_opened
from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.weights import require_filled
from transformers import AutoConfig, LlavaForConditionalGeneration

from gmai_model.flops import PEAK_BF16_TFLOPS, peak_flops
from gmai_model.opening import require_features
from gmai_model.stages import Part
from gmai_model.target_loss import ROWS_AT_ONCE
from gmai_model.training import lora, parts
from gmai_model.training.config import TrainConfig
from gmai_model.training.quantized import BYTES_PER_WEIGHT, count_quantized

BUCKET_ELEMENTS = 500_000_000
"""DeepSpeed's default `reduce_bucket_size`; it allocates the whole bucket, and two of them on a GPU, where one travels
while the other is filled."""
CONTEXT_BYTES = 1.0 * 2**30
"""What CUDA, cuBLAS and NCCL take beside torch's own memory: an assumption, not measured here."""


def load_on_meta(model: Path) -> LlavaForConditionalGeneration:
    """Return a checkpoint's model without its weights: shapes only, whatever its size.

    Raises:
        UserError: The folder holds no LLaVA, or one that needs code of its own.
    """
    with naming_opened(model):
        config: Any = AutoConfig.from_pretrained(model, trust_remote_code=False, local_files_only=True)
    if config.model_type != "llava":
        raise UserError(f"{model}: a {config.model_type} model. --model takes a LLaVA, as `gmai model init` writes it.")
    require_features(model, config)
    with naming_opened(model), torch.device("meta"):
        llava = LlavaForConditionalGeneration(config)
    require_filled(model, llava)
    return llava


def require_size(model: Path, config: Any, side: int) -> None:
    """Refuse a checkpoint whose processor makes images of another size than its vision encoder takes.

    Raises:
        UserError: It is so; no step could be computed.
    """
    taken = getattr(config.vision_config, "image_size", side)
    if taken not in (side, [side, side], (side, side)):
        raise UserError(
            f"{model}: crop_size of preprocessor_config.json is {side}, and the vision encoder of config.json takes "
            f"images of {taken} px. Restore the file that is wrong; `gmai model check {model}` says more."
        )


def gpu_peak(name: str) -> float:
    """Return a named GPU's peak in FLOP/s (dense bf16).

    Raises:
        UserError: It is not in the table.
    """
    peak = peak_flops(name)
    if peak is None:
        raise UserError(f"--gpu {name}: no peak known.{did_you_mean(name, PEAK_BF16_TFLOPS)}")
    return peak


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    """On the CPU, what a step of AdamW takes for a moment where that is more: by then they are gone."""
    context: float = 0.0
    """Memory of the CUDA context and libraries; 0 on the CPU."""
    host: float = 0.0
    """Host memory per GPU: what `offload` moves there. Not part of the sum."""

    @property
    def total(self) -> float:
        """Their sum."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.context


def trained_parameters(llava: LlavaForConditionalGeneration, config: TrainConfig) -> dict[Part, tuple[int, int]]:
    """Return part ▶ (parameters, of which trainable), adapters counted; freezes what the stage freezes.

    Args:
        llava: The model; may be on the meta device, and has no adapters yet.
        config: The settings.
    """
    parts.set_trainable(llava, config.trainable)
    counts = parts.count_parameters(llava)
    if config.lora_rank:
        for part in config.lora_parts:
            adapters = lora.count_adapters(llava, part, config.lora_rank)
            counts[part] = counts[part][0] + adapters, adapters
    return counts


def quantized_parameters(llava: LlavaForConditionalGeneration, config: TrainConfig) -> int:
    """Return how many weights a run holds in 4 bits."""
    return 0 if config.quantize == "none" else count_quantized(llava)


def bucket_elements(trainable: int) -> int:
    """Return the size of a bucket of gradients: no larger than what trains."""
    return max(min(trainable, BUCKET_ELEMENTS), 1)


def memory(
    config: TrainConfig, *, zero_stage: int, world: int, parameters: int, trainable: int, activations: float,
    quantized: int = 0, on_gpu: bool = True,
) -> Memory:  # fmt: skip
    """Return the memory of one GPU under a ZeRO stage (0 to 3).

    bf16 keeps a bf16 copy of the weights, fp32 gradients (`grad_accum_dtype`) and, of what trains, fp32 weights with
    AdamW's two moments. ZeRO-1 divides the optimiser's states by the GPUs, ZeRO-2 the gradients too, ZeRO-3 the weights
    too. Gradients travel in buckets of at most 500 M, two of them on a GPU. AdamW is fused there, so that a step needs
    no copy of what it changes; on the CPU it has the gradients in one piece and two more of their size. In fp32 ZeRO-1
    and ZeRO-2 hold the weights that train twice, as DeepSpeed clones what it changes. Of the parameters `quantized` are
    held in 4 bits.
    """
    of_weight = 2 if config.precision == "bf16" else 4
    of_optimizer = 12 if config.precision == "bf16" or zero_stage in (1, 2) else 8
    of_step = 0.0 if on_gpu else 12 * trainable / (world if zero_stage >= 1 else 1)
    buckets = (2 if on_gpu else 1) * of_weight * bucket_elements(trainable) if world > 1 or zero_stage else 0
    states = of_optimizer * trainable / (world if zero_stage >= 1 else 1)
    weights = of_weight * (parameters - quantized) + BYTES_PER_WEIGHT * quantized
    on_host = (config.offload != "none") + (config.offload == "all")
    return Memory(
        weights=0 if on_host == 2 else weights / (world if zero_stage >= 3 else 1),
        gradients=4 * trainable / (world if zero_stage >= 2 else 1) + buckets,
        optimizer=0 if on_host else states,
        activations=max(activations, of_step),
        context=CONTEXT_BYTES if on_gpu else 0.0,
        host=(states if on_host else 0.0) + (weights / world if on_host == 2 else 0.0),
    )


def activation_bytes(
    llava: LlavaForConditionalGeneration, config: TrainConfig, *, supervised: float, images: float
) -> float:
    """Return what one micro-batch keeps for its backward pass, estimated from the layers' widths.

    With activation checkpointing a layer keeps its input, and one layer at a time is recomputed; without, every layer
    keeps what it computed. Logits exist at the supervised positions alone, with their gradient; in fp32 a few rows of
    them at a time (`target_loss`).

    Args:
        llava: The model; may be on the meta device.
        config: The settings.
        supervised: Tokens of a full pack that the loss counts.
        images: Images of a full pack.
    """
    of_value = 2 if config.precision == "bf16" else 4
    both: Any = llava.config
    text, vision = both.text_config, both.vision_config
    tokens = config.micro_batch_size * config.pack_tokens
    key_values = text.hidden_size * text.num_key_value_heads / text.num_attention_heads
    # A norm keeps its input in fp32, what it scales and what it gives.
    of_norms = 2 * text.hidden_size * (4 + 2 * of_value)
    of_products = 2 * text.hidden_size + 2 * key_values + 4 * text.intermediate_size
    text_layer = tokens * (of_norms + of_value * of_products)
    kept = _kept(tokens * text.hidden_size * of_value, text_layer, text.num_hidden_layers, config)
    if "vision_encoder" in config.trainable:
        patches = config.micro_batch_size * images * ((vision.image_size // vision.patch_size) ** 2 + 1)
        vision_layer = patches * of_value * (8 * vision.hidden_size + 3 * vision.intermediate_size)
        kept += _kept(patches * vision.hidden_size * of_value, vision_layer, vision.num_hidden_layers, config)
    rows = config.micro_batch_size * supervised
    logits = text.vocab_size * (rows * 2 * of_value + min(rows, ROWS_AT_ONCE) * 3 * 4)
    return kept + logits


def _kept(of_input: float, of_layer: float, layers: int, config: TrainConfig) -> float:
    return layers * of_input + of_layer if config.activation_checkpointing else layers * of_layer
