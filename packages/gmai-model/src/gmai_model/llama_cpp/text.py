"""The language model's side: its settings and tensors under the names that llama.cpp's architectures have."""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGMLQuantizationType, GGUFWriter, RopeScalingType, get_tensor_name_map
from torch import Tensor
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from gmai_model.assembly.layout import classic_name, configuration
from gmai_model.assembly.weights import WeightFiles
from gmai_model.llama_cpp.refusals import refusal
from gmai_model.llama_cpp.tensors import Planned, matrix_kind

ARCHITECTURES = {
    "llama": MODEL_ARCH.LLAMA, "mistral": MODEL_ARCH.LLAMA, "qwen2": MODEL_ARCH.QWEN2, "qwen3": MODEL_ARCH.QWEN3,
}  # fmt: skip
"""`model_type` of a `text_config` ▶ the architecture that computes it
(https://github.com/ggml-org/llama.cpp/blob/master/conversion/__init__.py)."""
_PREFIX = "language_model."
_refusal = functools.partial(refusal, where="text_config")
_ROPE = {"default", "linear", "llama3", "yarn"}
_YARN_DEFAULTS = {"attention_factor": None, "mscale": None, "mscale_all_dim": None, "truncate": True,
                  "beta_fast": 32.0, "beta_slow": 1.0}  # fmt: skip
"""What llama.cpp computes with where a file says nothing (ggml's rope_yarn)."""


class TextPart:
    """The language model of a checkpoint, as llama.cpp is to compute it.

    Raises:
        UserError: Its settings ask for what llama.cpp does not compute.
    """

    def __init__(self, folder: Path, text: Mapping[str, Any]) -> None:
        self.folder, self.settings = folder, dict(text)
        self.config: Any = configuration({"model_type": "llama", **text})
        kind = self.config.model_type
        if kind not in ARCHITECTURES:
            raise _refusal(f"model_type {kind!r}", f"its architectures are asked for {', '.join(ARCHITECTURES)}")
        self.architecture = ARCHITECTURES[kind]
        self.rope: dict[str, Any] = dict(self.config.rope_parameters)
        self._check()

    @property
    def name(self) -> str:
        """`general.architecture`."""
        return MODEL_ARCH_NAMES[self.architecture]

    @property
    def rows(self) -> int:
        """Rows of the embedding."""
        return self.config.vocab_size

    def describe(self, writer: GGUFWriter) -> None:
        """Add the settings to a file."""
        config = self.config
        writer.add_context_length(config.max_position_embeddings)
        writer.add_embedding_length(config.hidden_size)
        writer.add_block_count(config.num_hidden_layers)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count(config.num_attention_heads)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_key_length(self.head_dim)
        writer.add_value_length(self.head_dim)
        writer.add_rope_dimension_count(self.head_dim)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_vocab_size(self.rows)
        writer.add_rope_freq_base(self.rope["rope_theta"])
        kind = self.rope["rope_type"]
        if kind in {"linear", "yarn"}:
            writer.add_rope_scaling_type(RopeScalingType(kind))
            writer.add_rope_scaling_factor(self.rope["factor"])
        if kind == "yarn":
            original = self.rope.get("original_max_position_embeddings") or config.max_position_embeddings
            writer.add_rope_scaling_orig_ctx_len(original)

    @property
    def head_dim(self) -> int:
        """Values of one head."""
        return getattr(self.config, "head_dim", None) or self.config.hidden_size // self.config.num_attention_heads

    def tensors(self, weights: WeightFiles, dtype: str) -> Iterator[Planned]:
        """Yield what the file holds.

        Args:
            weights: Of the checkpoint.
            dtype: Of the matrices, see `matrix_kind`.

        Raises:
            UserError: A tensor that the architecture has no place for.
        """
        names = get_tensor_name_map(self.architecture, self.config.num_hidden_layers)
        for name in weights.names():
            own = classic_name(name)
            if not own.startswith(_PREFIX) or own.endswith("rotary_emb.inv_freq"):  # a buffer that old ones saved
                continue
            target = names.get_name(own.removeprefix(_PREFIX), try_suffixes=(".weight", ".bias"))
            if target is None:
                raise _refusal(f"the tensor {own}", f"its architecture {self.name} has no place for it")
            shape = weights.shape(name)
            kind = matrix_kind(dtype, weights.dtype(name), shape)
            yield Planned(target, shape, kind, lambda name=name, own=own: self._turned(own, weights.tensor(name)))
        if self.rope["rope_type"] == "llama3":
            factors = self._frequency_factors()
            yield Planned("rope_freqs.weight", tuple(factors.shape), GGMLQuantizationType.F32, lambda: factors)

    def _turned(self, name: str, tensor: Tensor) -> Tensor:
        """Put the rows of queries and keys in the order of the architecture `llama`.

        It rotates neighbouring values, where transformers rotates the first half of a head with the second.
        """
        if self.architecture is not MODEL_ARCH.LLAMA:
            return tensor
        if ".self_attn.q_proj." in name:
            heads = self.config.num_attention_heads
        elif ".self_attn.k_proj." in name:
            heads = self.config.num_key_value_heads
        else:
            return tensor
        halves = tensor.unflatten(0, (heads, 2, self.head_dim // 2))
        return halves.transpose(1, 2).reshape(tensor.shape)

    def _frequency_factors(self) -> Tensor:
        """Return by what llama.cpp divides each frequency: transformers' own computation gives the scaled ones."""
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](self.config, torch.device("cpu"))
        steps = torch.arange(0, self.head_dim, 2, dtype=torch.float64) / self.head_dim
        return (self.rope["rope_theta"] ** -steps / scaled.double()).float()

    def _check(self) -> None:
        config, rope = self.config, self.rope
        if (activation := config.hidden_act) != "silu":
            raise _refusal(f"hidden_act {activation!r}", "it computes SiLU")
        window = getattr(config, "sliding_window", None)
        if window is not None and window < config.max_position_embeddings:
            raise _refusal(f"a sliding window of {window} tokens", "its architectures of these models have none")
        if self.architecture is not MODEL_ARCH.LLAMA and self.settings.get("attention_bias"):
            raise _refusal("attention_bias", f"its architecture {self.name} has none")
        kind = rope.get("rope_type", "default")
        if kind not in _ROPE or (kind == "llama3" and self.architecture is not MODEL_ARCH.LLAMA):
            raise _refusal(f"the position scaling {kind!r}", f"its architecture {self.name} does not compute it")
        if rope.get("partial_rotary_factor", 1.0) != 1.0:
            raise _refusal("partial_rotary_factor", "whole heads are rotated")
        own = {key for key, value in _YARN_DEFAULTS.items() if rope.get(key, value) != value} if kind == "yarn" else {}
        if own:
            raise _refusal(f"{', '.join(sorted(own))} of the position scaling", "it computes YaRN's own values")
