"""InternLM2 and InternLM2.5 ▶ Llama: other names and one fused projection, so that the conversion is exact."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention, silu

_RENAMES = {
    "model.tok_embeddings.weight": "model.embed_tokens.weight",
    "model.norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LAYER_RENAMES = {
    "attention.wo.weight": "self_attn.o_proj.weight",
    "feed_forward.w1.weight": "mlp.gate_proj.weight",
    "feed_forward.w3.weight": "mlp.up_proj.weight",
    "feed_forward.w2.weight": "mlp.down_proj.weight",
    "attention_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
}
FUSED = "attention.wqkv.weight"


def llama_names(name: str) -> list[str]:
    """Return what a tensor of InternLM2 is called in a Llama; q, k and v for the fused one."""
    if name in _RENAMES:
        return [_RENAMES[name]]
    parts = name.split(".", 3)
    prefix, rest = ".".join(parts[:3]), parts[-1]
    if rest == FUSED:
        return [f"{prefix}.self_attn.{letter}_proj.weight" for letter in "qkv"]
    return [f"{prefix}.{_LAYER_RENAMES.get(rest, rest)}"]


def split_wqkv(wqkv: Tensor, *, heads: int, kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split InternLM2's fused projection into Llama's q, k and v projections.

    Args:
        wqkv: Shape `((heads + 2·kv_heads)·head_dim, hidden)`: for each key-value head its `heads/kv_heads` query
            heads, then its key, then its value (InternLM2 `modeling_internlm2.py`).
        heads: Number of query heads.
        kv_heads: Number of key-value heads; divides `heads`.
    """
    group = heads // kv_heads
    head_dim = wqkv.shape[0] // (heads + 2 * kv_heads)
    grouped = wqkv.view(kv_heads, group + 2, head_dim, wqkv.shape[1])
    q = grouped[:, :group].reshape(heads * head_dim, -1)
    k = grouped[:, group].reshape(kv_heads * head_dim, -1)
    v = grouped[:, group + 1].reshape(kv_heads * head_dim, -1)
    return q, k, v


def reference_logits(
    tensor: Callable[[str], Tensor], config: Mapping[str, Any], embedded: Tensor, head: Tensor, *, layers: int
) -> Tensor:
    """Compute as InternLM2's own code does, from its own tensors: what the conversion is held to.

    Args:
        tensor: Returns a tensor of the source by its name.
        config: The source's `config.json`.
        embedded: The embedded tokens, fp32, shape `(tokens, hidden)`.
        head: Rows of the output matrix, fp32.
        layers: How many layers to compute.

    Returns:
        Shape `(tokens, rows of head)`.
    """
    heads = int(config["num_attention_heads"])
    kv_heads = int(config.get("num_key_value_heads") or heads)
    head_dim, group, length = int(config["hidden_size"]) // heads, heads // kv_heads, len(embedded)

    def norm(x: Tensor, name: str) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]) * tensor(name)

    angles = torch.arange(length)[:, None] / config["rope_theta"] ** (torch.arange(0, head_dim, 2) / head_dim)
    cos, sin = (torch.cat([function(angles)] * 2, dim=-1) for function in (torch.cos, torch.sin))

    def rotate(x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-second, first], dim=-1) * sin

    x = embedded
    for number in range(layers):
        layer = f"model.layers.{number}"
        fused = linear(norm(x, f"{layer}.attention_norm.weight"), tensor(f"{layer}.{FUSED}"))
        fused = fused.view(length, kv_heads, group + 2, head_dim)  # rearrange "q (h gs d) -> q h gs d"
        q = fused[:, :, :group].reshape(length, heads, head_dim).transpose(0, 1)
        k, v = (fused[:, :, at].transpose(0, 1).repeat_interleave(group, dim=0) for at in (-2, -1))
        mixed = scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
        x = x + linear(mixed.transpose(0, 1).reshape(length, -1), tensor(f"{layer}.attention.wo.weight"))
        y = norm(x, f"{layer}.ffn_norm.weight")
        gate = silu(linear(y, tensor(f"{layer}.feed_forward.w1.weight")))
        x = x + linear(
            gate * linear(y, tensor(f"{layer}.feed_forward.w3.weight")), tensor(f"{layer}.feed_forward.w2.weight")
        )
    return linear(norm(x, "model.norm.weight"), head)
