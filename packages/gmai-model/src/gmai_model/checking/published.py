"""Settings of a checkpoint of others that none of the published models of its classes has.

Nothing beside such a checkpoint says what it was trained with, and a wrong activation or a wrong number of heads fits
the same tensors. A checkpoint of gmai's own is held to its record instead.
"""

from collections.abc import Iterator
from typing import Any

from gmai_model.checking.files import Files

_TEXT = ("silu", "swish")
"""The same function under two names: Llama, Mistral, Qwen2 and Qwen3 have no other."""
_SIGLIP = ("gelu_pytorch_tanh",)
_PROJECTOR = ("gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "quick_gelu")
_NARROWEST, _WIDEST = 48, 112
"""Widths of a head in CLIP (64 to 104) and SigLIP (64, 72), with room on both sides."""
_SMALL = 512
"""Vision encoders of fewer channels are demonstrations, whose heads have any width."""


def check_published(files: Files) -> Iterator[str]:
    """Yield settings that no published model has, one line each; nothing for a checkpoint with gmai's record."""
    if not files.foreign:
        return
    siglip = files.vision.get("model_type") == "siglip_vision_model"
    for where, given, known in (
        ("text_config.hidden_act", files.text.get("hidden_act"), _TEXT),
        ("vision_config.hidden_act", files.vision.get("hidden_act") if siglip else None, _SIGLIP),
        ("projector_hidden_act", files.config.get("projector_hidden_act"), _PROJECTOR),
    ):
        if given is not None and given not in known:
            yield (
                f"config.json: {where} is {given}, where published models have {known[0]}. Write what it was trained "
                f"with"
            )
    width, heads = files.vision.get("hidden_size"), files.vision.get("num_attention_heads")
    if files.sized and width and heads and width >= _SMALL and not _NARROWEST <= width / heads <= _WIDEST:
        yield (
            f"config.json: vision_config has {heads} heads of {width / heads:g} channels, where published ones have 64 "
            f"to 104. Restore num_attention_heads"
        )
    layers, chosen = files.vision.get("num_hidden_layers"), files.config.get("vision_feature_layer", -2)
    each: list[Any] = chosen if isinstance(chosen, list) else [chosen]
    numbers = [layer + layers + 1 if layer < 0 else layer for layer in each if type(layer) is int and layers]
    if layers and numbers and 0 <= max(numbers) < layers / 2:
        yield (
            f"config.json: vision_feature_layer {chosen} is in the first half of {layers} layers, which know no "
            "objects yet. LLaVA takes -2; write what it was trained with"
        )
    factor = files.image_processor.get("rescale_factor", 1 / 255)
    if isinstance(factor, int | float) and 0.5 <= factor * 255 <= 2 and abs(factor * 255 - 1) > 0.01:
        yield f"preprocessor_config.json: rescale_factor is {factor:g}, where published ones have 1/255. Write that"
