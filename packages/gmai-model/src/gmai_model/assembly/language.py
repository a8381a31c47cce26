"""The language model's side: Llama-layout and InternLM2 checkpoints ▶ tensors and settings in the Llama layout."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from gmai_cli.errors import UserError
from torch import Tensor

from gmai_model.assembly.weights import WeightFiles

_INTERNLM2_RENAMES = {
    "model.tok_embeddings.weight": "model.embed_tokens.weight",
    "model.norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_INTERNLM2_LAYER_RENAMES = {
    "attention.wo.weight": "self_attn.o_proj.weight",
    "feed_forward.w1.weight": "mlp.gate_proj.weight",
    "feed_forward.w3.weight": "mlp.up_proj.weight",
    "feed_forward.w2.weight": "mlp.down_proj.weight",
    "attention_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
}


def read_config(folder: Path) -> dict[str, Any]:
    """Return a folder's `config.json`."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(
            f"{folder}: no config.json. A model is a Hugging Face folder with config.json and safetensors. "
            f"Give such a folder, or a Hub id."
        )
    config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if "quantization_config" in config:
        raise UserError(f"{path}: a quantised model. Parts are assembled from plain weights. Use the original model.")
    return config


class LanguageModel:
    """A language model's folder, read as a Llama.

    InternLM2 and InternLM2.5 are Llamas with other names and one fused projection, so the conversion is exact: see
    `split_wqkv`. Their dynamic position scaling does nothing up to `max_position_embeddings` and is left out.

    Raises:
        UserError: Another architecture, tied embeddings, biases, or broken weight files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = read_config(folder)
        self.is_internlm2 = config.get("model_type") == "internlm2"
        if not self.is_internlm2 and config.get("model_type") != "llama":
            raise UserError(
                f"{folder / 'config.json'}: model_type is {config.get('model_type')!r}. The language model must be of "
                f"the Llama layout (`llama`) or InternLM2 (`internlm2`). Choose another model."
            )
        if config.get("tie_word_embeddings"):
            raise UserError(
                f"{folder / 'config.json'}: tie_word_embeddings is true. Input and output embeddings must be two "
                f"tensors, since stage 3 trains both. Untie them first (copy embed_tokens to lm_head)."
            )
        if config.get("bias") or config.get("attention_bias") or config.get("mlp_bias"):
            raise UserError(f"{folder / 'config.json'}: the model has biases, which the Llama layout here has not.")
        self.weights = WeightFiles(folder)
        self.text_config = _llama_config(config)
        self._embedding = "model.tok_embeddings.weight" if self.is_internlm2 else "model.embed_tokens.weight"
        shape = self.weights.shape(self._embedding)
        expected = (self.text_config["vocab_size"], self.text_config["hidden_size"])
        if shape != expected:
            raise UserError(
                f"{folder}: the embedding is {shape}, config.json says {expected} (vocab_size, hidden_size). "
                f"The two must agree. Download the model again."
            )

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the input embedding, which stands for the whole model."""
        return self.weights.dtype(self._embedding)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (name in the Llama layout, tensor), one source tensor in memory at a time."""
        for name, tensor in self.weights.tensors():
            if not self.is_internlm2:
                if not name.endswith("rotary_emb.inv_freq"):  # a buffer that old checkpoints saved
                    yield name, tensor
            elif name in _INTERNLM2_RENAMES:
                yield _INTERNLM2_RENAMES[name], tensor
            else:
                yield from self._layer_tensor(name, tensor)

    def _layer_tensor(self, name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        model, layers, number, rest = name.split(".", 3)
        prefix = f"{model}.{layers}.{number}"
        if rest == "attention.wqkv.weight":
            heads, kv_heads = self.text_config["num_attention_heads"], self.text_config["num_key_value_heads"]
            for letter, part in zip("qkv", split_wqkv(tensor, heads=heads, kv_heads=kv_heads), strict=True):
                yield f"{prefix}.self_attn.{letter}_proj.weight", part
        elif rest in _INTERNLM2_LAYER_RENAMES:
            yield f"{prefix}.{_INTERNLM2_LAYER_RENAMES[rest]}", tensor
        else:
            raise UserError(f"{self.folder}: tensor {name} is not one of InternLM2's. Check that the folder is right.")


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


def _llama_config(config: dict[str, Any]) -> dict[str, Any]:
    heads = config["num_attention_heads"]
    rope: dict[str, Any] = config.get("rope_parameters") or {}
    theta = config.get("rope_theta", rope.get("rope_theta", 10000.0))
    scaling = config.get("rope_scaling") or {key: value for key, value in rope.items() if key != "rope_theta"}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if config["model_type"] == "internlm2" and kind == "dynamic":
        kind, scaling = "default", {}
    parameters: dict[str, Any] = {"rope_type": kind, "rope_theta": theta}
    result: dict[str, Any] = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": config["vocab_size"],
        "hidden_size": config["hidden_size"],
        "intermediate_size": config["intermediate_size"],
        "num_hidden_layers": config["num_hidden_layers"],
        "num_attention_heads": heads,
        "num_key_value_heads": config.get("num_key_value_heads") or heads,
        "head_dim": config.get("head_dim") or config["hidden_size"] // heads,
        "hidden_act": config.get("hidden_act", "silu"),
        "max_position_embeddings": config["max_position_embeddings"],
        "initializer_range": config.get("initializer_range", 0.02),
        "rms_norm_eps": config["rms_norm_eps"],
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": False,
        # transformers 5 reads and writes only `rope_parameters`; 4.x and servers read only `rope_theta`, and fall back
        # to 10000 without a word when it is absent.
        "rope_theta": theta,
        "rope_parameters": parameters,
    }
    if kind != "default":
        extra = {key: value for key, value in scaling.items() if key not in {"type", "rope_type", "rope_theta"}}
        result["rope_scaling"] = {"rope_type": kind, **extra}
        parameters.update(extra)
    return result
