"""Attention over packed rows: each sample sees itself only, without a mask and without a flash-attn build."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "gmai_varlen"


def varlen_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int = 0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend causally inside each segment of one packed row.

    It relies on the given boundaries only, never on a mask or a cache being absent: transformers' own detection of
    packed rows switches itself off when `use_cache` is left on, and then samples see each other.

    Args:
        module: The attention layer (unused).
        query: Shape `(1, heads, tokens, head_dim)`.
        key: Shape `(1, kv_heads, tokens, head_dim)`.
        value: Like `key`.
        attention_mask: Must be absent; the boundaries say it all.
        scaling: Factor of the scores.
        cu_seq_lens_q: Segment boundaries, int32, shape `(segments + 1,)`, from 0 to `tokens`.
        max_length_q: Longest segment in tokens.

    Returns:
        Shape `(1, tokens, heads, head_dim)`, and no weights.

    Raises:
        ValueError: No boundaries were given, or a mask was, or there is more than one row.
    """
    del module
    if cu_seq_lens_q is None:
        raise ValueError(f"{NAME} attends inside the segments of `cu_seq_lens_q`, which is missing.")
    if attention_mask is not None or query.shape[0] != 1:
        raise ValueError(f"{NAME} takes one packed row without a mask, found {query.shape[0]} rows or a mask.")
    if query.is_cuda and query.dtype in {torch.bfloat16, torch.float16}:
        from torch.nn.attention.varlen import varlen_attn

        output: Any = varlen_attn(
            query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1),
            cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q,
            scale=scaling, window_size=(-1, 0), enable_gqa=True,
        )  # fmt: skip
        return output.unsqueeze(0), None
    lengths = cu_seq_lens_q.diff().tolist()
    segments = (
        scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)
        for q, k, v in zip(
            query.split(lengths, dim=2), key.split(lengths, dim=2), value.split(lengths, dim=2), strict=True
        )
    )
    return torch.cat(list(segments), dim=2).transpose(1, 2), None


AttentionInterface.register(NAME, varlen_attention)
