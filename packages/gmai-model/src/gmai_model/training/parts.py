"""The parts of a LLaVA by name: what trains in a stage, and what each parameter is called on disk."""

from collections.abc import Iterable, Iterator
from typing import Any

from gmai_formats.errors import UserError
from torch import nn
from transformers import LlavaForConditionalGeneration

from gmai_model.stages import PARTS, Part
from gmai_model.training.quantized import size_of

_PREFIXES: dict[Part, tuple[str, ...]] = {
    "vision_encoder": ("model.vision_tower.",),
    "projector": ("model.multi_modal_projector.",),
    "language_model": ("model.language_model.", "lm_head."),
}

# In memory ▶ on disk, the classic layout first; transformers 5 also writes the others.
_DISK_PREFIXES = (
    ("model.vision_tower.", ("vision_tower.vision_model.", "model.vision_tower.vision_model.", "model.vision_tower.")),
    ("model.multi_modal_projector.", ("multi_modal_projector.", "model.multi_modal_projector.")),
    ("model.language_model.", ("language_model.model.", "model.language_model.")),
    ("lm_head.", ("language_model.lm_head.", "lm_head.")),
)


def part_of(name: str) -> Part:
    """Return the part that a parameter of `LlavaForConditionalGeneration` belongs to."""
    for part in PARTS:
        if name.startswith(_PREFIXES[part]):
            return part
    raise ValueError(f"parameter {name} belongs to no part of a LLaVA")


def set_trainable(llava: LlavaForConditionalGeneration, trainable: Iterable[Part]) -> list[str]:
    """Freeze everything but the trainable parts.

    Returns:
        Names of parameters of trainable parts that stay frozen because no gradient reaches them: the vision
        encoder's layers beyond the feature layer, and its last norm.
    """
    trainable = set(trainable)
    beyond: list[str] = []
    unreached = unreached_prefixes(llava)
    for name, parameter in llava.named_parameters():
        wanted = part_of(name) in trainable
        if wanted and name.startswith(unreached):
            beyond.append(name)
            wanted = False
        parameter.requires_grad_(wanted)
    return beyond


def unreached_prefixes(llava: LlavaForConditionalGeneration) -> tuple[str, ...]:
    """Return how the names of parameters begin that no gradient reaches: they lie behind the feature layer."""
    config: Any = llava.config
    layers: int = config.vision_config.num_hidden_layers
    chosen: int | list[int] = config.vision_feature_layer
    # hidden_states[0] is the embedding and hidden_states[k] the output of layer k-1.
    last = max(
        index if index >= 0 else layers + 1 + index for index in ([chosen] if isinstance(chosen, int) else chosen)
    )
    unreached = [f"model.vision_tower.encoder.layers.{index}." for index in range(last, layers)]
    return (*unreached, "model.vision_tower.post_layernorm.")


def count_parameters(module: nn.Module) -> dict[Part, tuple[int, int]]:
    """Return part ▶ (parameters, of which trainable)."""
    counts: dict[Part, tuple[int, int]] = dict.fromkeys(PARTS, (0, 0))
    for name, parameter in module.named_parameters():
        total, train = counts[part_of(name)]
        size = getattr(parameter, "ds_numel", size_of(parameter))
        counts[part_of(name)] = total + size, train + (size if parameter.requires_grad else 0)
    return counts


def product_weights(llava: LlavaForConditionalGeneration) -> tuple[dict[Part, int], int]:
    """Return the parameters that a position is multiplied with, by part, and those of the head.

    The embedding is looked up, and the vision encoder's layers beyond the feature layer do nothing useful.
    """
    unreached = (*unreached_prefixes(llava), "model.language_model.embed_tokens.", "lm_head.")
    weights: dict[Part, int] = dict.fromkeys(PARTS, 0)
    for name, parameter in llava.named_parameters():
        if not name.startswith(unreached):
            weights[part_of(name)] += parameter.numel()
    return weights, llava.lm_head.weight.numel()


def disk_names(names: Iterable[str], on_disk: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (name in memory, name on disk).

    Raises:
        UserError: A parameter has no counterpart in the checkpoint.
    """
    known = set(on_disk)
    for name in names:
        prefix, candidates = next((p, c) for p, c in _DISK_PREFIXES if name.startswith(p))
        rest = name.removeprefix(prefix)
        found = next((candidate + rest for candidate in candidates if candidate + rest in known), None)
        if found is None:
            raise UserError(
                f"the checkpoint has no tensor for {name} (looked for {candidates[0] + rest}). `gmai model check` "
                "lists what is missing."
            )
        yield name, found
