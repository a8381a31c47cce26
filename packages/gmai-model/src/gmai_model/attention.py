"""Attention over packed rows: each sample sees itself only, without a mask and without a flash-attn build."""

from contextlib import nullcontext
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
        output = attend_packed(
            query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1), cu_seq_lens_q, max_length_q,
            scaling=scaling, backend=_chosen,
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


def attend_packed(
    query: Tensor, key: Tensor, value: Tensor, ends: Tensor, longest: int, *, scaling: float | None,
    backend: str | None,
) -> Tensor:  # fmt: skip
    """Attend causally inside each segment by one call of torch.

    Args:
        query: Shape `(tokens, heads, head_dim)`, bf16 or fp16, on a GPU.
        key: Shape `(tokens, kv_heads, head_dim)`.
        value: Like `key`.
        ends: Segment boundaries, int32, shape `(segments + 1,)`.
        longest: Longest segment in tokens.
        scaling: Factor of the scores.
        backend: `flash` or `cudnn`; with none torch chooses.

    Returns:
        Shape `(tokens, heads, head_dim)`.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.attention.varlen import varlen_attn

    by = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
    with nullcontext() if backend is None else sdpa_kernel(by[backend]):
        output: Any = varlen_attn(
            query, key, value, ends, ends, longest, longest, scale=scaling, window_size=(-1, 0), enable_gqa=True
        )
    return output


_chosen: str | None = None


def use(backend: str | None) -> None:
    """Let `varlen_attention` compute by `flash` or `cudnn` on a GPU; with none torch chooses."""
    global _chosen
    _chosen = backend


AttentionInterface.register(NAME, varlen_attention)
