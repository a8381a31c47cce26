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
_CLIP = ("quick_gelu", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh")
_EPSILONS = (1e-8, 1e-4)
_OPENAI_336 = {"hidden_size": 1024, "num_hidden_layers": 24, "image_size": 336, "patch_size": 14}
"""Of openai/clip-vit-large-patch14-336, the encoder of LLaVA-1.5; no other CLIP of this layout has this size
(https://huggingface.co/openai/clip-vit-large-patch14-336/blob/main/config.json)."""
_LLAMA31 = {"rope_theta": 500000.0, "max_position_embeddings": 131072}
"""Of Llama-3.1 and 3.2, both with a position scaling `llama3`
(https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct/blob/main/config.json)."""
_LAST = 2
"""LLaVA takes the features of the last layer but one, some of its kind those of the last."""
OPENAI = [[0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]]
"""Mean and deviation of CLIP (`transformers.image_utils`)."""
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
    of_vision = _SIGLIP if siglip else ("quick_gelu",) if _is_openai_336(files) else _CLIP
    for where, given, known in (
        ("text_config.hidden_act", files.text.get("hidden_act"), _TEXT),
        ("vision_config.hidden_act", files.vision.get("hidden_act"), of_vision),
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
    if layers and numbers and 0 <= max(numbers) < (layers / 2 if len(numbers) > 1 else layers + 1 - _LAST):
        yield (
            f"config.json: vision_feature_layer {chosen} is none of the last {_LAST} of {layers} layers, which "
            "published models take. LLaVA takes -2; write what it was trained with"
        )
    for where, part, key in (
        ("text_config", files.text, "rms_norm_eps"),
        ("vision_config", files.vision, "layer_norm_eps"),
    ):
        value = part.get(key)
        if isinstance(value, int | float) and (_EPSILONS[1] < value <= 1e-2 or 0 < value < _EPSILONS[0]):
            yield f"config.json: {where} has {key} {value:g}, where published models have 1e-6 or 1e-5. Restore that"
    if all(files.text.get(key) == value for key, value in _LLAMA31.items()) and not _is_scaled(files.text):
        yield (
            "config.json: text_config has rope_theta 500000 and 131072 positions, as Llama-3.1 and 3.2, and not their "
            "rope_scaling. Restore it, in rope_scaling and in rope_parameters"
        )
    factor = files.image_processor.get("rescale_factor", 1 / 255)
    if isinstance(factor, int | float) and 0.5 <= factor * 255 <= 2 and abs(factor * 255 - 1) > 0.01:
        yield f"preprocessor_config.json: rescale_factor is {factor:g}, where published ones have 1/255. Write that"


def published_normalisation(files: Files) -> tuple[str, list[list[float]]] | None:
    """Return mean and deviation that all published encoders of this class or size have, with its name; else None."""
    if not files.foreign:
        return None
    if files.vision.get("model_type") == "siglip_vision_model":
        return "SigLIP", [[0.5] * 3, [0.5] * 3]
    return ("openai/clip-vit-large-patch14-336", OPENAI) if _is_openai_336(files) else None


def _is_openai_336(files: Files) -> bool:
    kind = files.vision.get("model_type", "clip_vision_model")
    return kind == "clip_vision_model" and all(files.vision.get(key) == value for key, value in _OPENAI_336.items())


def _is_scaled(text: dict[str, Any]) -> bool:
    rope: dict[str, Any] = text.get("rope_parameters") or {}
    return bool(text.get("rope_scaling")) or rope.get("rope_type", "default") != "default"
