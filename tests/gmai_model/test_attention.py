"""Attention inside the segments of a packed row, and the call that runs on a GPU alone, held to torch's signature."""

import ast
import inspect

import pytest
import torch
from gmai_model import attention
from gmai_model.attention import varlen_attention
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention

LAYER = torch.nn.Identity()


def heads(count: int, tokens: int, *, seed: int) -> torch.Tensor:
    return torch.randn(1, count, tokens, 8, generator=torch.Generator().manual_seed(seed))


def test_each_segment_sees_itself_alone() -> None:
    query, key, value = heads(4, 10, seed=0), heads(2, 10, seed=1), heads(2, 10, seed=2)
    ends = torch.tensor([0, 3, 4, 10], dtype=torch.int32)
    found, weights = varlen_attention(LAYER, query, key, value, None, scaling=0.3, cu_seq_lens_q=ends, max_length_q=6)
    assert weights is None
    assert found.shape == (1, 10, 4, 8)
    for first, last in ((0, 3), (3, 4), (4, 10)):
        alone = scaled_dot_product_attention(
            query[:, :, first:last], key[:, :, first:last], value[:, :, first:last],
            is_causal=True, scale=0.3, enable_gqa=True,
        )  # fmt: skip
        torch.testing.assert_close(found[:, first:last], alone.transpose(1, 2))


def test_a_later_token_changes_no_earlier_one() -> None:
    query, key, value = heads(2, 6, seed=0), heads(2, 6, seed=1), heads(2, 6, seed=2)
    ends = torch.tensor([0, 6], dtype=torch.int32)
    before, _ = varlen_attention(LAYER, query, key, value, None, cu_seq_lens_q=ends, max_length_q=6)
    value[:, :, 4:] = 0
    after, _ = varlen_attention(LAYER, query, key, value, None, cu_seq_lens_q=ends, max_length_q=6)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.equal(before[:, 4:], after[:, 4:])


def test_without_boundaries_or_with_a_mask_nothing_is_attended() -> None:
    one = heads(2, 4, seed=0)
    with pytest.raises(ValueError, match="`cu_seq_lens_q`, which is missing"):
        varlen_attention(LAYER, one, one, one, None)
    ends = torch.tensor([0, 4], dtype=torch.int32)
    with pytest.raises(ValueError, match="one packed row without a mask"):
        varlen_attention(LAYER, one, one, one, torch.ones(1, 1, 4, 4), cu_seq_lens_q=ends)
    two = one.repeat(2, 1, 1, 1)
    with pytest.raises(ValueError, match="found 2 rows"):
        varlen_attention(LAYER, two, two, two, None, cu_seq_lens_q=ends)


def test_the_call_on_a_gpu_fits_the_signature_of_this_torch() -> None:
    """It needs no GPU: torch 2.10 and 2.11 lack some of the names, which was a TypeError in the first step."""
    tree = ast.parse(inspect.getsource(attention))
    (call,) = [node for node in ast.walk(tree) if isinstance(node, ast.Call)
               and getattr(node.func, "id", "") == "varlen_attn"]  # fmt: skip
    names = {keyword.arg: object() for keyword in call.keywords if keyword.arg}
    bound = inspect.signature(varlen_attn).bind(*[object() for _ in call.args], **names)
    assert {"scale", "window_size", "enable_gqa"} <= bound.arguments.keys()
    positional = [getattr(argument, "id", "") for argument in call.args[3:]]
    assert positional == ["ends", "ends", "longest", "longest"]
    assert list(bound.arguments)[3:7] == ["cu_seq_q", "cu_seq_k", "max_q", "max_k"]
