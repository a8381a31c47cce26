"""Names and shapes that a configuration calls for, and sizes that none has."""

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly.layout import classic_name, configuration, text_shapes, vision_shapes

TEXT = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1}  # fmt: skip


@pytest.mark.parametrize(("kind", "own"), [("llama", None), ("qwen2", "k_proj.bias"), ("qwen3", "q_norm.weight")])
def test_text_shapes(kind: str, own: str | None) -> None:
    shapes = text_shapes({"model_type": kind, **TEXT})
    assert shapes["lm_head.weight"] == shapes["model.embed_tokens.weight"] == (50, 16)
    assert own is None or any(name.endswith(own) for name in shapes)


def test_vision_shapes_have_classic_names() -> None:
    shapes = vision_shapes({"model_type": "siglip_vision_model", "vision_use_head": False, "hidden_size": 16,
                            "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 30,
                            "patch_size": 14})  # fmt: skip
    assert shapes["vision_model.embeddings.position_embedding.weight"] == (4, 16)
    assert {classic_name(f"vision_tower.{name}") for name in shapes} == {f"vision_tower.{name}" for name in shapes}


def test_nested_settings_are_left_as_they_are() -> None:
    scaling = {"rope_type": "dynamic", "factor": 2.0}
    configuration({"model_type": "llama", **TEXT, "rope_scaling": scaling})
    assert scaling == {"rope_type": "dynamic", "factor": 2.0}


@pytest.mark.parametrize(
    "changes", [{"num_hidden_layers": 10**8}, {"vocab_size": -1}, {"hidden_size": "big"}, {"hidden_size": 0}]
)
def test_absurd_sizes(changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match="must be a whole number from 1 to"):
        text_shapes({"model_type": "llama", **TEXT, **changes})
