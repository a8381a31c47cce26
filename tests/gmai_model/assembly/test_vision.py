"""The vision encoder's side: settings kept, contradictions refused."""

import json
from pathlib import Path

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly.vision import VisionEncoder
from safetensors.torch import load_file, save_file

from .stand_ins import VISIONS, by_name, edit


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    by_name(VISIONS, "CLIP, vision part, other").write(tmp_path / "clip")
    return tmp_path / "clip"


def test_preparation_is_the_sources_own(clip: Path) -> None:
    edit(clip, "preprocessor_config.json", resample=2, rescale_factor=1 / 256, image_mean=[0.1, 0.2, 0.3])
    own = VisionEncoder(clip).preparation
    assert (own.mean, own.std, own.resample, own.rescale_factor) == ([0.1, 0.2, 0.3], [0.5] * 3, 2, 1 / 256)


@pytest.mark.parametrize(
    ("changes", "mean", "resample"),
    [
        ({"image_mean": 0.5, "image_std": 0.5}, [0.5] * 3, 3),
        ({"image_mean": None, "image_std": None, "resample": None}, [0.48145466, 0.4578275, 0.40821073], 3),
    ],
)
def test_numbers_that_stand_alone_or_are_null(
    clip: Path, changes: dict[str, object], mean: list[float], resample: int
) -> None:
    content = {**json.loads((clip / "preprocessor_config.json").read_text()), **changes}
    (clip / "preprocessor_config.json").write_text(json.dumps(content))
    own = VisionEncoder(clip).preparation
    assert (own.mean, own.resample, len(own.std)) == (mean, resample, 3)


def test_open_clip_folder_with_the_config_of_timm(tmp_path: Path) -> None:
    """As in the repositories of timm, such as timm/vit_base_patch16_clip_224.openai."""
    by_name(VISIONS, "open_clip of CLIP layout").write(tmp_path)
    (tmp_path / "config.json").write_text('{"architecture": "vit_base_patch16_clip_224", "num_classes": 512}')
    assert VisionEncoder(tmp_path).is_open_clip
    save_file({"blocks.0.norm1.weight": torch.ones(2)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert VisionEncoder(tmp_path).is_open_clip
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(UserError):
        VisionEncoder(tmp_path)


def test_open_clip_folder_for_images_of_another_size_is_refused(tmp_path: Path) -> None:
    by_name(VISIONS, "open_clip of CLIP layout").write(tmp_path)
    content = json.loads((tmp_path / "open_clip_config.json").read_text())
    for size in (56, [56, 56]):
        content["preprocess_cfg"]["size"] = size
        (tmp_path / "open_clip_config.json").write_text(json.dumps(content))
        assert VisionEncoder(tmp_path).is_open_clip
    content["preprocess_cfg"]["size"] = [56, 112]
    (tmp_path / "open_clip_config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"size is .*112.*, the vision encoder takes 56 px"):
        VisionEncoder(tmp_path)


def test_preparation_that_only_open_clip_states(clip: Path) -> None:
    """Both layouts' configurations beside transformers' weights, as in laion/CLIP-ViT-H-14-laion2B-s32B-b79K."""
    own = json.loads((clip / "preprocessor_config.json").read_text())
    prepared = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bilinear", "size": 56}
    (clip / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}, "preprocess_cfg": prepared}))
    with pytest.raises(
        UserError, match=r"image_mean is \[.*\] in preprocessor_config.json, \[0.1, 0.2, 0.3\] in open_cl"
    ):
        VisionEncoder(clip)
    (clip / "preprocessor_config.json").unlink()
    found = VisionEncoder(clip)
    assert not found.is_open_clip
    assert (found.preparation.mean, found.preparation.std, found.preparation.resample) == (
        [0.1, 0.2, 0.3], [0.4, 0.5, 0.6], 2,
    )  # fmt: skip
    prepared = {"mean": own["image_mean"], "std": own["image_std"]}
    (clip / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}, "preprocess_cfg": prepared}))
    (clip / "preprocessor_config.json").write_text(json.dumps(own))
    assert VisionEncoder(clip).preparation.where == "preprocessor_config.json"


def test_size_written_as_two_equal_sides(clip: Path) -> None:
    size = VisionEncoder(clip).config["image_size"]
    edit(clip, image_size=[size, size])
    assert VisionEncoder(clip).config["image_size"] == size
    edit(clip, image_size=[size, 2 * size])
    with pytest.raises(UserError, match=r"image_size is \[56, 112\]\. It must be a whole number"):
        VisionEncoder(clip)


def test_preparation_inside_a_processor_config(clip: Path) -> None:
    content = json.loads((clip / "preprocessor_config.json").read_text())
    (clip / "preprocessor_config.json").unlink()
    (clip / "processor_config.json").write_text(json.dumps({"image_processor": {**content, "image_std": [0.7] * 3}}))
    assert VisionEncoder(clip).preparation.std == [0.7] * 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"do_normalize": False}, "do_normalize is false"),
        ({"do_rescale": False}, "do_rescale is false"),
        ({"crop_size": {"height": 98, "width": 98}}, "crop_size is .* takes 56 px"),
        ({"size": {"shortest_edge": 224}}, "size is .* takes 56 px"),
        ({"image_std": [0.5, 0.5, 0.0]}, "a deviation above 0"),
        ({"image_mean": [0.5]}, "must be three numbers"),
    ],
)
def test_contradictions_are_refused(clip: Path, changes: dict[str, object], why: str) -> None:
    edit(clip, "preprocessor_config.json", **changes)
    with pytest.raises(UserError, match=why):
        VisionEncoder(clip)


def test_clip_of_a_size_between_two_patches(clip: Path) -> None:
    (clip / "preprocessor_config.json").unlink()
    edit(clip, image_size=60)
    with pytest.raises(UserError, match="image_size 60 is no multiple of patch_size 14"):
        VisionEncoder(clip)


def test_head_of_siglip_is_left_out_and_all_patches_are_taken(tmp_path: Path) -> None:
    by_name(VISIONS, "SigLIP as").write(tmp_path)
    encoder = VisionEncoder(tmp_path)
    assert any(".head." in f".{name}" for name in encoder.weights.names())
    assert not any(".head." in name for name, _ in encoder.tensors())
    assert (encoder.strategy, encoder.tokens) == ("full", 16)


def test_open_clip_splits_and_names(tmp_path: Path) -> None:
    by_name(VISIONS, "open_clip of CLIP layout, quick").write(tmp_path)
    source, encoder = load_file(tmp_path / "open_clip_model.safetensors"), VisionEncoder(tmp_path)
    made = dict(encoder.tensors())
    fused = source["visual.transformer.resblocks.2.attn.in_proj_weight"]
    layer = "vision_tower.vision_model.encoder.layers.2.self_attn"
    assert torch.equal(torch.cat([made[f"{layer}.{letter}_proj.weight"] for letter in "qkv"]), fused)
    assert encoder.config["hidden_act"] == "quick_gelu"
    assert encoder.preparation.mean == [0.4] * 3
    assert encoder.preparation.resample == 2
    assert not any("proj" in name and "self_attn" not in name and "projection" in name for name in made)
    save_file({**source, "visual.extra": torch.ones(2)}, tmp_path / "open_clip_model.safetensors")
    with pytest.raises(UserError, match=r"visual\.extra is \(2,\)"):
        VisionEncoder(tmp_path)


def test_absurd_sizes_are_refused_before_anything_is_built(clip: Path) -> None:
    edit(clip, num_hidden_layers=10**9)
    with pytest.raises(UserError, match="num_hidden_layers is 1,000,000,000"):
        VisionEncoder(clip)
