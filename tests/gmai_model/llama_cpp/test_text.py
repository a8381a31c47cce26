"""What llama.cpp's architectures do not compute is refused by name."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="install gmai-model[gguf]")
SIZES = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "max_position_embeddings": 128}  # fmt: skip
LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"model_type": "gemma"}, "model_type 'gemma'"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"model_type": "mistral", "sliding_window": 64}, "a sliding window of 64 tokens"),
        ({"model_type": "qwen3", "attention_bias": True}, "attention_bias"),
        ({"model_type": "qwen2", "rope_parameters": LLAMA3}, "the position scaling 'llama3'"),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
         "the position scaling 'dynamic'"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "beta_fast": 16.0,
                              "original_max_position_embeddings": 64}}, "beta_fast of the position scaling"),
    ],
)  # fmt: skip
def test_settings_of_another_computation(tmp_path: Path, settings: dict[str, Any], what: str) -> None:
    from gmai_model.llama_cpp.text import TextPart

    TextPart(tmp_path, {**SIZES, "sliding_window": None, "model_type": "mistral"})
    with pytest.raises(UserError, match=f"{what}.* cannot be exported to llama.cpp"):
        TextPart(tmp_path, {**SIZES, **settings})
