"""InternLM2 ▶ Llama: a reference of InternLM2's own computation, written from its published layout."""

import json
from pathlib import Path

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly.language import LanguageModel
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention, silu
from transformers import LlamaConfig, LlamaForCausalLM

HIDDEN, HEAD_DIM, VOCAB, LAYERS = 32, 8, 50, 2


def internlm2_tensors(kv_heads: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(kv_heads)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.2

    tensors = {
        "model.tok_embeddings.weight": draw(VOCAB, HIDDEN),
        "model.norm.weight": draw(HIDDEN),
        "output.weight": draw(VOCAB, HIDDEN),
    }
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        tensors |= {
            prefix + "attention.wqkv.weight": draw((4 + 2 * kv_heads) * HEAD_DIM, HIDDEN),
            prefix + "attention.wo.weight": draw(HIDDEN, 4 * HEAD_DIM),
            prefix + "feed_forward.w1.weight": draw(48, HIDDEN),
            prefix + "feed_forward.w3.weight": draw(48, HIDDEN),
            prefix + "feed_forward.w2.weight": draw(HIDDEN, 48),
            prefix + "attention_norm.weight": draw(HIDDEN),
            prefix + "ffn_norm.weight": draw(HIDDEN),
        }
    return tensors


def internlm2_config(kv_heads: int) -> dict[str, object]:
    return {
        "model_type": "internlm2", "vocab_size": VOCAB, "hidden_size": HIDDEN, "intermediate_size": 48,
        "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": kv_heads,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 1e6,
        "rope_scaling": {"type": "dynamic", "factor": 2.0}, "bias": False, "tie_word_embeddings": False,
    }  # fmt: skip


def norm(x: Tensor, weight: Tensor) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


def rotate(x: Tensor) -> Tensor:
    """Rotary positions, x of shape (heads, tokens, head_dim)."""
    angles = torch.arange(x.shape[1])[:, None] / 1e6 ** (torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    cos, sin = (torch.cat([f(angles)] * 2, dim=-1) for f in (torch.cos, torch.sin))
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def internlm2_logits(tensors: dict[str, Tensor], ids: Tensor, kv_heads: int) -> Tensor:
    x = tensors["model.tok_embeddings.weight"][ids]
    group = 4 // kv_heads
    for layer in range(LAYERS):
        t = {k.removeprefix(f"model.layers.{layer}."): v for k, v in tensors.items()}
        fused = linear(norm(x, t["attention_norm.weight"]), t["attention.wqkv.weight"])
        fused = fused.view(len(ids), kv_heads, group + 2, HEAD_DIM)  # rearrange "q (h gs d) -> q h gs d"
        q = fused[:, :, :group].reshape(len(ids), 4, HEAD_DIM).transpose(0, 1)
        k, v = (fused[:, :, i].transpose(0, 1).repeat_interleave(group, dim=0) for i in (-2, -1))
        mixed = scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
        x = x + linear(mixed.transpose(0, 1).reshape(len(ids), -1), t["attention.wo.weight"])
        y = norm(x, t["ffn_norm.weight"])
        gate = silu(linear(y, t["feed_forward.w1.weight"])) * linear(y, t["feed_forward.w3.weight"])
        x = x + linear(gate, t["feed_forward.w2.weight"])
    return linear(norm(x, tensors["model.norm.weight"]), tensors["output.weight"])


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_converted_internlm2_gives_the_same_logits(tmp_path: Path, kv_heads: int) -> None:
    tensors = internlm2_tensors(kv_heads)
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(internlm2_config(kv_heads)))
    source = LanguageModel(tmp_path)
    assert "rope_scaling" not in source.text_config
    settings = {k: v for k, v in source.text_config.items() if k not in {"model_type", "architectures"}}
    llama = LlamaForCausalLM(LlamaConfig(**settings)).eval()
    llama.load_state_dict(dict(source.tensors()))
    ids = torch.randint(0, VOCAB, (20,), generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        assert (llama(ids[None]).logits[0] - internlm2_logits(tensors, ids, kv_heads)).abs().max() < 1e-5


@pytest.mark.parametrize("keep", [False, True])
def test_dynamic_scaling_is_kept_on_request(tmp_path: Path, keep: bool) -> None:
    save_file(internlm2_tensors(2), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(internlm2_config(2)))
    text_config = LanguageModel(tmp_path, keep_rope_scaling=keep).text_config
    assert text_config.get("rope_scaling") == ({"rope_type": "dynamic", "factor": 2.0} if keep else None)
    assert text_config["rope_theta"] == text_config["rope_parameters"]["rope_theta"] == 1e6
    assert text_config["rope_parameters"]["rope_type"] == ("dynamic" if keep else "default")


@pytest.mark.parametrize("same", [True, False])
def test_output_matrix_beside_a_tied_embedding(tmp_path: Path, same: bool) -> None:
    tensors = internlm2_tensors(2)
    if same:
        tensors["output.weight"] = tensors["model.tok_embeddings.weight"].clone()
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**internlm2_config(2), "tie_word_embeddings": True}))
    if same:
        assert LanguageModel(tmp_path).untied
    else:
        with pytest.raises(UserError, match=r"tie_word_embeddings is true, but output\.weight is not model\.tok"):
            LanguageModel(tmp_path)
