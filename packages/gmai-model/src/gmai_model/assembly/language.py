"""The language model's side: Llama-layout and InternLM2 checkpoints ▶ tensors and settings in the Llama layout."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from gmai_formats.errors import UserError
from torch import Tensor

from gmai_model.assembly.layout import Shape, llama_shapes
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

    Args:
        folder: A Hugging Face model folder.
        keep_rope_scaling: Keep InternLM2's dynamic scaling, which acts beyond `max_position_embeddings` only.

    Raises:
        UserError: Another architecture, tied embeddings, biases, quantised or broken weights, or tensors that do not
            have the names and shapes that `config.json` calls for.
    """

    def __init__(self, folder: Path, *, keep_rope_scaling: bool = False) -> None:
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
            raise UserError(
                f"{folder / 'config.json'}: the model has biases. The Llama layout here has none, and leaving them out "
                f"would change the model. Choose another model."
            )
        self.weights = WeightFiles(folder)
        self.text_config = _llama_config(config, keep_rope_scaling=keep_rope_scaling)
        self._check_shapes()

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the input embedding, which stands for the whole model."""
        return self.weights.dtype("model.tok_embeddings.weight" if self.is_internlm2 else "model.embed_tokens.weight")

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (name in the Llama layout, tensor), one source tensor in memory at a time."""
        heads, kv_heads = self.text_config["num_attention_heads"], self.text_config["num_key_value_heads"]
        for name, tensor in self.weights.tensors():
            targets = self._targets(name)
            if len(targets) > 1:
                yield from zip(targets, split_wqkv(tensor, heads=heads, kv_heads=kv_heads), strict=True)
            elif targets:
                yield targets[0], tensor

    def _targets(self, name: str) -> list[str]:
        """Return what a tensor of the source becomes: no tensor, one, or q, k and v."""
        if not self.is_internlm2:
            return [] if name.endswith("rotary_emb.inv_freq") else [name]  # a buffer that old checkpoints saved
        if name in _INTERNLM2_RENAMES:
            return [_INTERNLM2_RENAMES[name]]
        parts = name.split(".", 3)
        prefix, rest = ".".join(parts[:3]), parts[-1]
        if rest == "attention.wqkv.weight":
            return [f"{prefix}.self_attn.{letter}_proj.weight" for letter in "qkv"]
        return [f"{prefix}.{_INTERNLM2_LAYER_RENAMES.get(rest, rest)}"]

    def _check_shapes(self) -> None:
        expected = dict(llama_shapes(self.text_config))
        due = set(expected)
        for name in self.weights.names():
            targets = self._targets(name)
            unknown = [target for target in targets if target not in expected]
            if unknown:
                raise UserError(
                    f"{self.folder}: {name} is no tensor of a {'InternLM2' if self.is_internlm2 else 'Llama'} with the "
                    f"layers that config.json gives. Nothing of a model may be left out. Check that the folder is "
                    f"right; a quantised or adapted model must be merged into plain weights first."
                )
            if targets:
                self.weights.dtype(name)  # refuses a quantised tensor
                self._check_shape(name, [expected[target] for target in targets])
            due -= set(targets)
        if due:
            raise UserError(
                f"{self.folder}: no tensor for {sorted(due)[0]} ({len(due)} such). config.json calls for it"
                + (", and a model without it ties its embeddings" if "lm_head.weight" in due else "")
                + ". Download the model again, or choose another."
            )

    def _check_shape(self, name: str, targets: list[Shape]) -> None:
        found = self.weights.shape(name)
        due = (sum(shape[0] for shape in targets), *targets[0][1:])
        if found != due:
            raise UserError(
                f"{self.folder}: {name} is {found}, config.json says {due} (hidden_size "
                f"{self.text_config['hidden_size']}, vocab_size {self.text_config['vocab_size']}). The two must agree. "
                f"Download the model again."
            )


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


def _llama_config(config: dict[str, Any], *, keep_rope_scaling: bool) -> dict[str, Any]:
    heads = config["num_attention_heads"]
    rope: dict[str, Any] = config.get("rope_parameters") or {}
    theta = config.get("rope_theta", rope.get("rope_theta", 10000.0))
    scaling = config.get("rope_scaling") or {key: value for key, value in rope.items() if key != "rope_theta"}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if config["model_type"] == "internlm2" and kind == "dynamic" and not keep_rope_scaling:
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
