"""The tensors of a checkpoint: classic name ▶ shape, from its configuration alone."""

from collections.abc import Iterator, Mapping
from typing import Any

Shape = tuple[int, ...]


def expected_shapes(config: Mapping[str, Any]) -> dict[str, Shape]:
    """Return every tensor of a CLIP + Llama LLaVA under its name on disk.

    Args:
        config: The checkpoint's `config.json`.
    """
    vision, text = config["vision_config"], config["text_config"]
    shapes = {f"vision_tower.{name}": shape for name, shape in vision_shapes(vision)}
    sizes = {"linear_1": vision["hidden_size"], "linear_2": text["hidden_size"]}
    for layer, inputs in sizes.items():
        shapes[f"multi_modal_projector.{layer}.weight"] = (text["hidden_size"], inputs)
        shapes[f"multi_modal_projector.{layer}.bias"] = (text["hidden_size"],)
    return shapes | {f"language_model.{name}": shape for name, shape in llama_shapes(text)}


def vision_shapes(vision: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    """Yield the tensors of a `CLIPVisionModel`."""
    size, inner = vision["hidden_size"], vision["intermediate_size"]
    patch, patches = vision["patch_size"], (vision["image_size"] // vision["patch_size"]) ** 2
    yield "vision_model.embeddings.class_embedding", (size,)
    yield "vision_model.embeddings.patch_embedding.weight", (size, vision.get("num_channels", 3), patch, patch)
    yield "vision_model.embeddings.position_embedding.weight", (patches + 1, size)
    for norm in ("pre_layrnorm", "post_layernorm"):  # the name is misspelt in every CLIP checkpoint
        yield from _with_bias(f"vision_model.{norm}", (size,))
    for number in range(vision["num_hidden_layers"]):
        layer = f"vision_model.encoder.layers.{number}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            yield from _with_bias(f"{layer}.self_attn.{name}", (size, size))
        for norm in ("layer_norm1", "layer_norm2"):
            yield from _with_bias(f"{layer}.{norm}", (size,))
        yield from _with_bias(f"{layer}.mlp.fc1", (inner, size))
        yield from _with_bias(f"{layer}.mlp.fc2", (size, inner))


def _with_bias(name: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def llama_shapes(text: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    """Yield the tensors of a `LlamaForCausalLM` without biases and with an output matrix of its own."""
    size, inner = text["hidden_size"], text["intermediate_size"]
    heads = text["num_attention_heads"]
    head_dim = text.get("head_dim") or size // heads
    queries, keys = heads * head_dim, (text.get("num_key_value_heads") or heads) * head_dim
    yield "model.embed_tokens.weight", (text["vocab_size"], size)
    for number in range(text["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        yield f"{layer}.self_attn.q_proj.weight", (queries, size)
        yield f"{layer}.self_attn.k_proj.weight", (keys, size)
        yield f"{layer}.self_attn.v_proj.weight", (keys, size)
        yield f"{layer}.self_attn.o_proj.weight", (size, queries)
        yield f"{layer}.mlp.gate_proj.weight", (inner, size)
        yield f"{layer}.mlp.up_proj.weight", (inner, size)
        yield f"{layer}.mlp.down_proj.weight", (size, inner)
        yield f"{layer}.input_layernorm.weight", (size,)
        yield f"{layer}.post_attention_layernorm.weight", (size,)
    yield "model.norm.weight", (size,)
    yield "lm_head.weight", (text["vocab_size"], size)


def classic_name(name: str) -> str:
    """Return the name that 4.x, vLLM and SGLang look for, given one that transformers 5 may have written.

    A LLaVA built in memory by transformers 5 is saved with `vision_tower.embeddings…`; older ones have
    `model.language_model…` and a top-level `lm_head`.
    """
    name = (
        name.removeprefix("model.") if name.startswith(("model.vision_tower", "model.multi_modal_projector")) else name
    )
    if name.startswith("model.language_model."):
        name = f"language_model.model.{name.removeprefix('model.language_model.')}"
    if name.startswith("lm_head."):
        name = f"language_model.{name}"
    rest = name.removeprefix("vision_tower.")
    if rest != name and rest.split(".")[0] in {"embeddings", "encoder", "pre_layrnorm", "post_layernorm"}:
        name = f"vision_tower.vision_model.{rest}"
    return name
