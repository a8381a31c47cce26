import json
from pathlib import Path
from typing import Any

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly.open_clip import CONFIG, parts, read, shapes

VISION: dict[str, Any] = {"layers": 12, "width": 768, "image_size": 224, "patch_size": 16}


def folder(
    path: Path, vision: dict[str, Any] | None = None, prepared: dict[str, Any] | None = None, **model: Any
) -> Path:
    content = {"model_cfg": {"vision_cfg": VISION | (vision or {}), **model}, "preprocess_cfg": prepared or {}}
    (path / CONFIG).write_text(json.dumps(content))
    return path


def test_settings_are_those_of_a_clip(tmp_path: Path) -> None:
    settings, preparation = read(folder(tmp_path))
    assert settings == {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
        "image_size": 224, "patch_size": 16, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "projection_dim": 512,
    }  # fmt: skip
    assert preparation == {"image_mean": None, "image_std": None, "resample": 3, "size": None, "where": CONFIG}
    given = folder(
        tmp_path, {"head_width": 32, "mlp_ratio": 3}, {"interpolation": "bilinear"}, quick_gelu=True, embed_dim=9
    )
    settings, preparation = read(given)
    names = ("num_attention_heads", "intermediate_size", "hidden_act", "projection_dim")
    assert [settings[name] for name in names] == [24, 2304, "quick_gelu", 9]
    assert preparation["resample"] == 2
    assert read(folder(tmp_path, {"image_size": [336, 336]}))[0]["image_size"] == 336


@pytest.mark.parametrize(
    ("vision", "why"),
    [
        ({"timm_model_name": "vit"}, "timm_model_name is 'vit'"),
        ({"no_ln_pre": True}, "no_ln_pre is True"),
        ({"attentional_pool": True}, "attentional_pool is True"),
        ({"layers": [1, 2]}, r"layers is \[1, 2\]"),
    ],
)
def test_an_encoder_that_is_no_clip_is_refused(tmp_path: Path, vision: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=rf"{why}, so that the vision encoder is none of CLIP's layout"):
        read(folder(tmp_path, vision))


def test_an_unknown_interpolation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"interpolation is 'random'\. It must be one of bilinear, bicubic\."):
        read(folder(tmp_path, prepared={"interpolation": "random"}))


@pytest.mark.parametrize(
    ("vision", "why"),
    [
        ({"width": None}, "width is None"),
        ({"head_width": 0}, "head_width is 0"),
        ({"image_size": [224, 256]}, r"image_size is \[224, 256\]"),
        ({"patch_size": "16"}, "patch_size is '16'"),
        ({"mlp_ratio": "4"}, "mlp_ratio is '4'"),
    ],
)
def test_a_setting_of_another_kind_is_one_line(tmp_path: Path, vision: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=rf"open_clip_config\.json: {why}\. It must be a"):
        read(folder(tmp_path, vision))


@pytest.mark.parametrize("content", ["{}", '{"model_cfg": []}', '{"model_cfg": {"vision_cfg": "ViT-B-16"}}'])
def test_a_file_without_a_vision_encoder_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(UserError, match=r"(model|vision)_cfg is .*\. It must be an object with settings"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("given", "size"), [(224, 224), ([224, 256], {"height": 224, "width": 256}), ([3, 9, 9], {"height": 9, "width": 9})]
)
def test_the_size_of_its_images_is_read(tmp_path: Path, given: Any, size: Any) -> None:
    assert read(folder(tmp_path, prepared={"size": given}))[1]["size"] == size


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("visual.conv1.weight", ["vision_model.embeddings.patch_embedding.weight"]),
        ("visual.ln_pre.bias", ["vision_model.pre_layrnorm.bias"]),
        ("visual.transformer.resblocks.3.ln_2.weight", ["vision_model.encoder.layers.3.layer_norm2.weight"]),
        ("visual.transformer.resblocks.0.mlp.c_fc.bias", ["vision_model.encoder.layers.0.mlp.fc1.bias"]),
        (
            "visual.transformer.resblocks.1.attn.in_proj_bias",
            [f"vision_model.encoder.layers.1.self_attn.{letter}_proj.bias" for letter in "qkv"],
        ),
        ("visual.proj", []),
        ("text.token_embedding.weight", []),
        ("visual.odd", ["?.visual.odd"]),
        ("visual.transformer.resblocks.1.odd.weight", ["?.visual.transformer.resblocks.1.odd.weight"]),
    ],
)
def test_a_tensor_has_its_names_in_a_clip(name: str, targets: list[str]) -> None:
    tensor = torch.arange(12.0).reshape(6, 2)
    made = dict(parts(name, tensor))
    assert list(made) == targets
    assert not made or torch.equal(torch.cat(list(made.values())), tensor)
    assert shapes(name, (6, 2)) == {target: tuple(part.shape) for target, part in made.items()}
