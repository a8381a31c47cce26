import pytest
import torch
from gmai_model.assembly.internlm2 import llama_names, split_wqkv


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("model.tok_embeddings.weight", ["model.embed_tokens.weight"]),
        ("output.weight", ["lm_head.weight"]),
        ("model.norm.weight", ["model.norm.weight"]),
        ("model.layers.7.attention.wo.weight", ["model.layers.7.self_attn.o_proj.weight"]),
        ("model.layers.0.feed_forward.w1.weight", ["model.layers.0.mlp.gate_proj.weight"]),
        ("model.layers.0.feed_forward.w2.weight", ["model.layers.0.mlp.down_proj.weight"]),
        ("model.layers.0.feed_forward.w3.weight", ["model.layers.0.mlp.up_proj.weight"]),
        ("model.layers.0.ffn_norm.weight", ["model.layers.0.post_attention_layernorm.weight"]),
        ("model.layers.12.attention.wqkv.weight", [f"model.layers.12.self_attn.{x}_proj.weight" for x in "qkv"]),
        ("model.layers.0.odd.weight", ["model.layers.0.odd.weight"]),
    ],
)
def test_a_tensor_has_its_names_in_a_llama(name: str, names: list[str]) -> None:
    assert llama_names(name) == names


def test_split_wqkv_keeps_every_row_once() -> None:
    fused = torch.arange((4 + 2 * 2) * 3).float()[:, None]
    q, k, v = split_wqkv(fused, heads=4, kv_heads=2)
    assert q[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17]
    assert k[:, 0].tolist() == [6, 7, 8, 18, 19, 20]
    assert v[:, 0].tolist() == [9, 10, 11, 21, 22, 23]
