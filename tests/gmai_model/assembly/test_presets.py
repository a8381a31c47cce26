import json
from pathlib import Path

import numpy as np
import pytest
from gmai_model.assembly.presets import PRESETS, init_preset
from gmai_model.assembly.weights import WeightFiles


@pytest.mark.parametrize(("name", "tokens"), [("demo", 16), ("tiny", 64), ("small", 256)])
def test_a_preset_fits_together(name: str, tokens: int) -> None:
    vision, text = PRESETS[name].vision, PRESETS[name].text
    assert (vision.image_size // vision.patch_size) ** 2 == tokens
    assert vision.image_size % vision.patch_size == 0
    assert vision.hidden_size % vision.num_attention_heads == 0
    assert text.hidden_size % text.num_attention_heads == 0
    assert text.num_attention_heads % text.num_key_value_heads == 0
    assert text.max_position_embeddings > 4 * tokens


def test_the_tiny_preset_is_what_its_name_says(checkpoint: Path) -> None:
    weights = WeightFiles(checkpoint)
    assert 1.5e6 < sum(int(np.prod(weights.shape(name))) for name in weights.names()) < 2.5e6
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    assert (config["image_seq_length"], config["vision_feature_layer"]) == (64, -2)


def test_the_preset_of_the_demo_is_smaller_than_tiny(checkpoint: Path, tmp_path: Path) -> None:
    init_preset("demo", ["the liver is shown"] * 9, tmp_path / "demo", image_mode="pad", seed=0)
    tiny, demo = (
        {name: int(np.prod(WeightFiles(folder).shape(name))) for name in WeightFiles(folder).names()}
        for folder in (checkpoint, tmp_path / "demo")
    )
    assert sum(demo.values()) < sum(tiny.values())
    assert len(demo) < len(tiny)
    config = json.loads((tmp_path / "demo/config.json").read_text("utf-8"))
    assert (config["image_seq_length"], config["vision_feature_layer"]) == (16, -2)


def test_small_preset_has_some_tens_of_millions_of_parameters(tmp_path: Path) -> None:
    init_preset("small", ["the liver is shown"] * 9, tmp_path / "small", image_mode="pad", seed=0)
    weights = WeightFiles(tmp_path / "small")
    assert 30e6 < sum(int(np.prod(weights.shape(name))) for name in weights.names()) < 90e6
    assert json.loads((tmp_path / "small/config.json").read_text("utf-8"))["image_seq_length"] == 256
