"""open_clip folders of CLIP layout ▶ the vision encoder of a CLIP: other names, q, k and v in one tensor."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from gmai_formats.errors import UserError
from gmai_formats.json_text import read_json_object
from torch import Tensor
from torch.nn.functional import conv2d, layer_norm, linear, multi_head_attention_forward

from gmai_model.assembly.layout import square_side

CONFIG, STEM = "open_clip_config.json", "open_clip_model"
_TOP = {
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_pre.weight": "pre_layrnorm.weight",  # misspelt in every CLIP checkpoint
    "ln_pre.bias": "pre_layrnorm.bias",
    "ln_post.weight": "post_layernorm.weight",
    "ln_post.bias": "post_layernorm.bias",
}
_LAYER = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}  # fmt: skip
_RESAMPLE = {"bilinear": 2, "bicubic": 3}
_AGAIN = "Download the model again."


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the vision encoder, and of its image preparation as a preprocessor_config.json has them.

    Raises:
        UserError: A vision encoder that is no CLIP, such as timm's (BiomedCLIP has one).
    """
    path = folder / CONFIG
    content: dict[str, Any] = read_json_object(path, remedy=_AGAIN)
    model = _part(path, content, "model_cfg", content)
    vision = _part(path, model, "vision_cfg", None)
    odd = [key for key in ("timm_model_name", "attentional_pool", "attn_pooler_queries", "ls_init_value", "no_ln_pre",
                           "final_ln_after_pool", "act_kwargs", "norm_kwargs")
           if vision.get(key)]  # fmt: skip
    if odd or not isinstance(vision.get("layers"), int):
        why = f"{odd[0]} is {vision[odd[0]]!r}" if odd else f"layers is {vision.get('layers')!r}"
        raise UserError(
            f"{path}: {why}, so that the vision encoder is none of CLIP's layout (class token, a norm before the "
            f"layers). LLaVA's class computes CLIP and SigLIP only. Choose another vision encoder."
        )
    width, head_width = _whole(path, vision, "width", 768), _whole(path, vision, "head_width", 64)
    ratio = vision.get("mlp_ratio", 4.0)
    if not isinstance(ratio, int | float):
        raise UserError(f"{path}: mlp_ratio is {ratio!r}. It must be a number. {_AGAIN}")
    settings = {
        "hidden_size": width, "intermediate_size": int(width * ratio),
        "num_hidden_layers": vision["layers"], "num_attention_heads": width // head_width,
        "image_size": _whole(path, vision, "image_size", 224), "patch_size": _whole(path, vision, "patch_size", 16),
        "hidden_act": "quick_gelu" if model.get("quick_gelu") else "gelu", "layer_norm_eps": 1e-5,
        "projection_dim": model.get("embed_dim", 512),
    }  # fmt: skip
    return settings, read_preparation(folder)


def read_preparation(folder: Path) -> dict[str, Any]:
    """Return how an image is prepared, as a preprocessor_config.json has it; None for what is not stated."""
    path = folder / CONFIG
    prepared = _part(path, read_json_object(path, remedy=_AGAIN), "preprocess_cfg", {})
    interpolation = prepared.get("interpolation", "bicubic")
    if not isinstance(interpolation, str) or interpolation not in _RESAMPLE:
        raise UserError(f"{path}: interpolation is {interpolation!r}. It must be one of {', '.join(_RESAMPLE)}.")
    return {"image_mean": prepared.get("mean"), "image_std": prepared.get("std"),
            "resample": _RESAMPLE[interpolation], "size": _side(prepared.get("size")), "where": CONFIG}  # fmt: skip


def _part(path: Path, content: dict[str, Any], key: str, default: dict[str, Any] | None) -> dict[str, Any]:
    found = content.get(key, default)
    if not isinstance(found, dict):
        raise UserError(f"{path}: {key} is {found!r}. It must be an object with settings. {_AGAIN}")
    return found  # pyright: ignore[reportUnknownVariableType]


def _whole(path: Path, vision: dict[str, Any], key: str, default: int) -> int:
    """Return a size; one that is not given is open_clip's own (`CLIPVisionCfg`)."""
    found = square_side(vision.get(key, default))
    if type(found) is not int or found < 1:
        raise UserError(f"{path}: {key} is {found!r}. It must be a whole number from 1 on. {_AGAIN}")
    return found


def _side(size: Any) -> Any:
    """Return the size of an image as a preprocessor_config.json has it, where it is a list as `[224, 224]`."""
    sides: list[Any] = list(size[-2:]) if isinstance(size, list) else []  # pyright: ignore[reportUnknownArgumentType]
    return {"height": sides[0], "width": sides[1]} if len(sides) == 2 else size


def parts(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield what a tensor becomes in a CLIP vision encoder, under classic names; nothing for the text side."""
    targets = _targets(name)
    for target, part in zip(targets, tensor.chunk(len(targets)) if targets else (), strict=True):
        yield target, part.clone() if len(targets) > 1 else part


def shapes(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the same for shapes alone."""
    targets = _targets(name)
    return {target: (shape[0] // len(targets), *shape[1:]) for target in targets}


def _targets(name: str) -> list[str]:
    rest = name.removeprefix("visual.")
    if rest == name or rest == "proj":
        return []
    if rest in _TOP:
        return [f"vision_model.{_TOP[rest]}"]
    prefix = "transformer.resblocks."
    number, _, inner = rest.removeprefix(prefix).partition(".")
    layer = f"vision_model.encoder.layers.{number}"
    if rest.startswith(prefix) and inner in {"attn.in_proj_weight", "attn.in_proj_bias"}:
        return [f"{layer}.self_attn.{letter}_proj.{inner.rpartition('_')[2]}" for letter in "qkv"]
    module, _, kind = inner.rpartition(".")
    return [f"{layer}.{_LAYER[module]}.{kind}"] if rest.startswith(prefix) and module in _LAYER else [f"?.{name}"]


def reference_features(
    tensor: Callable[[str], Tensor], config: dict[str, Any], pixels: Tensor, *, layers: int
) -> Tensor:
    """Compute the patches' features as open_clip does, from the source's own tensors.

    Args:
        tensor: Returns a tensor of the source by its name, fp32.
        config: Of the vision encoder.
        pixels: Shape `(1, 3, size, size)`.
        layers: How many layers to compute.

    Returns:
        Shape `(1, patches + 1, hidden)`: those of the class token first.
    """
    size, heads = config["hidden_size"], config["num_attention_heads"]

    def norm(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, (size,), tensor(f"visual.{name}.weight"), tensor(f"visual.{name}.bias"))

    def act(x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x) if config["hidden_act"] == "quick_gelu" else torch.nn.functional.gelu(x)

    patches = conv2d(pixels, tensor("visual.conv1.weight"), stride=config["patch_size"]).flatten(2).transpose(1, 2)
    x = torch.cat([tensor("visual.class_embedding").expand(1, 1, -1), patches], dim=1)
    x = norm(x + tensor("visual.positional_embedding"), "ln_pre").transpose(0, 1)
    for number in range(layers):
        block = f"transformer.resblocks.{number}"
        y = norm(x, f"{block}.ln_1")
        mixed, _ = multi_head_attention_forward(
            y, y, y, size, heads, tensor(f"visual.{block}.attn.in_proj_weight"),
            tensor(f"visual.{block}.attn.in_proj_bias"), None, None, False, 0.0,
            tensor(f"visual.{block}.attn.out_proj.weight"), tensor(f"visual.{block}.attn.out_proj.bias"),
            training=False, need_weights=False,
        )  # fmt: skip
        x = x + mixed
        y = norm(x, f"{block}.ln_2")
        y = act(linear(y, tensor(f"visual.{block}.mlp.c_fc.weight"), tensor(f"visual.{block}.mlp.c_fc.bias")))
        x = x + linear(y, tensor(f"visual.{block}.mlp.c_proj.weight"), tensor(f"visual.{block}.mlp.c_proj.bias"))
    return x.transpose(0, 1)
