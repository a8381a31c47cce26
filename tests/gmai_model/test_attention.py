"""Attention inside the segments of a packed row, and the call that runs on a GPU alone, held to torch's signature."""

import inspect
from importlib.metadata import requires

import pytest
import torch
from gmai_model import attention
from gmai_model.attention import varlen_attention
from packaging.specifiers import SpecifierSet
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


def signature(*by_name: str, **defaults: object) -> inspect.Signature:
    """Return that of a function of the seven tensors and numbers, then what may be given by its place, then by name."""
    first = ["query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in first]
    for name, default in defaults.items():
        kind = inspect.Parameter.KEYWORD_ONLY if name in by_name else inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(inspect.Parameter(name, kind, default=default))
    return inspect.Signature(parameters)


OF_2_11 = {"return_aux": None, "scale": None, "window_size": (-1, -1)}
OF_2_12 = {**OF_2_11, "enable_gqa": False, "seqused_k": None, "block_table": None, "num_splits": None}
SIGNATURES = {
    "2.10": signature(is_causal=False, return_aux=None),
    "2.11": signature(*OF_2_11, **OF_2_11),
    **dict.fromkeys(("2.12", "2.13", "2.14", "2.15"), signature(*OF_2_12, **OF_2_12)),
}
"""Minor version of torch ▶ `varlen_attn` as torch/nn/attention/varlen.py of its wheel has it (2.10.0, 2.11.0, 2.12.1,
2.13.0, 2.14.1, 2.15.0), without the types."""


@pytest.mark.parametrize("version", SIGNATURES)
def test_the_call_on_a_gpu_fits_every_torch_that_the_package_allows(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs no GPU: torch 2.10 and 2.11 lack some of the names, which was a TypeError in the first step."""
    calls: list[dict[str, object]] = []

    def varlen_attn(*values: object, **named: object) -> None:
        calls.append(SIGNATURES[version].bind(*values, **named).arguments)

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", varlen_attn)
    tensors = [heads(2, 4, seed=number)[0].transpose(0, 1) for number in range(3)]
    ends = torch.tensor([0, 1, 4], dtype=torch.int32)
    (bound,) = (line for line in requires("gmai-model") or [] if line.startswith("torch>="))
    if version in ("2.10", "2.11"):
        assert version not in SpecifierSet(bound.removeprefix("torch"))
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            attention.attend_packed(*tensors, ends, 3, scaling=0.25, backend=None)
        return
    assert version in SpecifierSet(bound.removeprefix("torch"))
    for backend in (None, "flash", "cudnn"):
        attention.attend_packed(*tensors, ends, 3, scaling=0.25, backend=backend)
    for given in calls:
        assert all(given[name] is tensor for name, tensor in zip(("query", "key", "value"), tensors, strict=True))
        assert given["cu_seq_q"] is given["cu_seq_k"] is ends
        assert (given["max_q"], given["max_k"], given["scale"]) == (3, 3, 0.25)
        assert (given["window_size"], given["enable_gqa"]) == ((-1, 0), True)
    assert len(calls) == 3


def test_the_signature_of_this_torch_is_in_the_table() -> None:
    version = ".".join(torch.__version__.split(".")[:2])
    own = inspect.signature(varlen_attn).parameters.values()
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in own]
    assert inspect.Signature(plain) == SIGNATURES[version]
