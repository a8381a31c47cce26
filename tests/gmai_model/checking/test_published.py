"""Settings that no published model has are named for checkpoints of others, and for no others."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from gmai_model.checking.files import Files
from gmai_model.checking.published import check_published, published_normalisation
from gmai_model.checking.rules import check_files

OPENAI_336 = {"hidden_size": 1024, "num_hidden_layers": 24, "image_size": 336, "patch_size": 14,
              "num_attention_heads": 16}  # fmt: skip
LLAMA31 = {"rope_theta": 500000.0, "max_position_embeddings": 131072}

FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("config.json", {"text_config": {"hidden_act": "gelu"}}, "text_config.hidden_act is gelu, where published models"),
    ("config.json", {"projector_hidden_act": "relu"}, "projector_hidden_act is relu, where published models have gelu"),
    ("config.json", {"vision_feature_layer": 0}, "vision_feature_layer 0 is none of the last 2"),
    ("config.json", {"vision_feature_layer": -3}, "vision_feature_layer -3 is none of the last 2 of 5 layers"),
    ("config.json", {"vision_feature_layer": [1, 2]}, "vision_feature_layer [1, 2] is none of the last 2"),
    ("config.json", {"vision_config": {"hidden_act": "relu"}}, "vision_config.hidden_act is relu, where published"),
    ("config.json", {"vision_config": {**OPENAI_336, "hidden_act": "gelu"}}, "vision_config.hidden_act is gelu, where"),
    ("config.json", {"text_config": {"rms_norm_eps": 1e-3}}, "text_config has rms_norm_eps 0.001, where published"),
    ("config.json", {"text_config": {"rms_norm_eps": 1e-12}}, "text_config has rms_norm_eps 1e-12, where published"),
    ("config.json", {"vision_config": {"layer_norm_eps": 5e-3}}, "vision_config has layer_norm_eps 0.005, where"),
    ("config.json", {"text_config": LLAMA31}, "as Llama-3.1 and 3.2, and not their rope_scaling"),
    ("config.json", {"vision_config": {"hidden_size": 1024, "num_attention_heads": 32}}, "32 heads of 32 channels"),
    ("preprocessor_config.json", {"rescale_factor": 1 / 127.5}, "rescale_factor is 0.00784314"),
]
SOUND: list[tuple[str, dict[str, Any]]] = [
    ("config.json", {"text_config": {"hidden_act": "swish"}}),
    ("config.json", {"vision_config": {"hidden_act": "gelu"}}),
    ("config.json", {"vision_feature_layer": -1}),
    ("config.json", {"vision_feature_layer": [-2, -5, 1]}),
    ("config.json", {"vision_config": {**OPENAI_336, "hidden_act": "quick_gelu"}}),
    ("config.json", {"vision_config": {**OPENAI_336, "image_size": 224, "hidden_act": "gelu"}}),
    ("config.json", {"text_config": {"rms_norm_eps": 9.999999747378752e-06}}),
    ("config.json", {"text_config": {**LLAMA31, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}}),
    ("config.json", {"text_config": {**LLAMA31, "rope_theta": 2.8e8}}),
    ("config.json", {"vision_config": {"hidden_size": 1664, "num_attention_heads": 16}}),
    ("config.json", {"vision_config": {"hidden_size": 1152, "num_attention_heads": 16}}),
]


def changed(checkpoint: Path, folder: Path, name: str, change: dict[str, Any], *, foreign: bool) -> Path:
    shutil.copytree(checkpoint, folder)
    content = json.loads((folder / name).read_text())
    for key, value in change.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    (folder / name).write_text(json.dumps(content))
    if foreign:
        (folder / "gmai.json").unlink()
    return folder


@pytest.mark.parametrize(("name", "change", "line"), FAULTS)
def test_what_no_published_model_has_is_named(
    checkpoint: Path, tmp_path: Path, name: str, change: dict[str, Any], line: str
) -> None:
    (found,) = check_published(Files(changed(checkpoint, tmp_path / "a", name, change, foreign=True)))
    assert line in found
    assert ". " in found, "every line has its remedy"
    assert not list(check_published(Files(changed(checkpoint, tmp_path / "b", name, change, foreign=False))))


@pytest.mark.parametrize(("name", "change"), SOUND)
def test_what_published_models_have_is_not(checkpoint: Path, tmp_path: Path, name: str, change: dict[str, Any]) -> None:
    assert not list(check_published(Files(changed(checkpoint, tmp_path / "a", name, change, foreign=True))))


def test_the_rules_ask_and_notice_a_mix_of_two_normalisations(checkpoint: Path, tmp_path: Path) -> None:
    mix = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.26862954, 0.26130258, 0.27577711]}
    (line,) = check_files(Files(changed(checkpoint, tmp_path / "a", "preprocessor_config.json", mix, foreign=True)))
    assert "image_std is that of CLIP and image_mean [0.485, 0.456, 0.406] is not" in line
    (line,) = check_files(
        Files(changed(checkpoint, tmp_path / "b", "config.json", {"projector_hidden_act": "silu"}, foreign=True))
    )
    assert "projector_hidden_act is silu" in line


@pytest.mark.parametrize(
    ("vision", "mean", "std", "name"),
    [
        (OPENAI_336, [0.5] * 3, [0.5] * 3, "openai/clip-vit-large-patch14-336"),
        (OPENAI_336, [0.0] * 3, [1.0] * 3, "openai/clip-vit-large-patch14-336"),
        (OPENAI_336, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], "openai/clip-vit-large-patch14-336"),
        ({"model_type": "siglip_vision_model"}, [0.48145466, 0.4578275, 0.40821073],
         [0.26862954, 0.26130258, 0.27577711], "SigLIP"),
        ({"model_type": "siglip_vision_model"}, [0.5] * 3, [0.2] * 3, "SigLIP"),
        (OPENAI_336, [0.4815, 0.4578, 0.4082], [0.2686, 0.2613, 0.2758], ""),
        ({"model_type": "siglip_vision_model"}, [0.5] * 3, [0.5] * 3, ""),
        ({"image_size": 224}, [0.5] * 3, [0.5] * 3, ""),
    ],
)  # fmt: skip
def test_normalisation_of_a_known_encoder(
    checkpoint: Path, tmp_path: Path, vision: dict[str, Any], mean: list[float], std: list[float], name: str
) -> None:
    folder = changed(checkpoint, tmp_path / "a", "config.json", {"vision_config": vision}, foreign=True)
    content = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**content, "image_mean": mean, "image_std": std}))
    found = [line for line in check_files(Files(folder)) if "image_mean" in line]
    assert len(found) == bool(name)
    assert f"those of {name} are " in "".join(found) or not name
    (folder / "gmai.json").write_text(json.dumps({"settings": {"config.json": {}}}))
    assert published_normalisation(Files(folder)) is None
