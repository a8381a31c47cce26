"""Presets: each fits its card by the estimate, at the real model's shape."""

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.flops import peak_flops
from gmai_model.training import estimate
from gmai_model.training.config import resolve
from gmai_model.training.presets import PRESETS, preset_of
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

GIB = 2**30


@pytest.fixture(scope="module")
def eight_b():
    """CLIP-L/14 at 336 px and InternLM2.5-7B, without memory."""
    vision = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
                              image_size=336, patch_size=14, projection_dim=768)  # fmt: skip
    text = LlamaConfig(vocab_size=92544, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
                       num_attention_heads=32, num_key_value_heads=8)  # fmt: skip
    with torch.device("meta"):
        return LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text))


def need(llava, name, stage):
    preset = preset_of(name)
    config = resolve(stage, None, [], name)
    total, train = (sum(pair[i] for pair in estimate.trained_parameters(llava, config).values()) for i in (0, 1))
    activations = estimate.activation_bytes(
        llava, config, supervised=config.pack_tokens / 4, images=config.pack_tokens / 1024
    )
    found = estimate.memory(config, zero_stage=config.zero_stage, world=preset.gpus, parameters=total, trainable=train,
                            activations=activations,
                            quantized=estimate.quantized_parameters(llava, config))  # fmt: skip
    return found.total / GIB


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_fits_its_card(eight_b, name):
    assert max(need(eight_b, name, stage) for stage in (1, 2, 3)) < preset_of(name).memory_gib


@pytest.mark.parametrize("name", PRESETS)
def test_a_step_keeps_the_packs_of_the_paper(name):
    for stage in (1, 2, 3):
        config = resolve(stage, None, [], name)
        assert config.global_batch_size == 512
        assert config.global_batch_size % (PRESETS[name].gpus * config.micro_batch_size) == 0
    assert peak_flops(PRESETS[name].gpu)


def test_settings_of_the_user_win_and_the_paper_changes_nothing():
    assert resolve(3, None, ["lora_rank=4"], "one-24gb").lora_rank == 4
    assert resolve(3, None, [], "paper-32") == resolve(3, None, [])
    with pytest.raises(UserError, match="no such preset"):
        resolve(3, None, [], "one-24")
