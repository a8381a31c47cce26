"""What llama.cpp's projector type mlp does not compute, or prepare, is refused by name."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_model.checking.files import Files

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="install gmai-model[gguf]")
SIGLIP = {"model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
          "num_attention_heads": 4, "image_size": 56, "patch_size": 14}  # fmt: skip


def files(folder: Path, config: dict[str, Any], vision: dict[str, Any], processor: dict[str, Any]) -> Files:
    whole = {"text_config": {"hidden_size": 16}, "vision_config": {**SIGLIP, **vision},
             "vision_feature_select_strategy": "full", **config}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(whole))
    prepared = {"image_processor_type": "LlavaImageProcessor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
                "image_std": [0.5] * 3, **processor}  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared))
    return Files(folder)


@pytest.mark.parametrize(
    ("config", "vision", "processor", "what"),
    [
        ({"vision_feature_layer": [1, 2]}, {}, {}, r"vision_feature_layer \[1, 2\]"),
        ({"vision_feature_layer": 0}, {}, {}, "vision_feature_layer 0"),
        ({"vision_feature_select_strategy": "default"}, {}, {}, "vision_feature_select_strategy 'default'"),
        ({"projector_hidden_act": "silu"}, {}, {}, "projector_hidden_act 'silu'"),
        ({"multimodal_projector_bias": False}, {}, {}, "a projector without biases"),
        ({}, {"hidden_act": "relu"}, {}, "hidden_act 'relu'"),
        ({}, {"intermediate_size": 32}, {}, "intermediate_size as large as hidden_size"),
        ({}, {}, {"rescale_factor": 1.0}, "rescale_factor 1.0"),
        ({}, {}, {"image_processor_type": "CLIPImageProcessor"}, "an image processor that stretches"),
        (
            {},
            {},
            {"image_processor_type": "CLIPImageProcessor", "do_center_crop": True},
            "an image processor that crops",
        ),
        ({}, {}, {"image_mean": [0.5] * 3}, r"padding with the colour \(127, 127, 127\)"),
    ],
)
def test_settings_of_another_computation(
    tmp_path: Path, config: dict[str, Any], vision: dict[str, Any], processor: dict[str, Any], what: str
) -> None:
    from gmai_model.llama_cpp.vision import VisionPart

    assert VisionPart(files(tmp_path, {}, {}, {})).blocks == 2
    with pytest.raises(UserError, match=f"{what}.* cannot be exported to llama.cpp"):
        VisionPart(files(tmp_path, config, vision, processor))
