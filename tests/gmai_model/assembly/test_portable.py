"""What a checkpoint says, it says to older and newer readers alike, and it survives being saved again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gmai_model.assembly.assemble import FEATURE_LAYER, assemble
from gmai_model.assembly.layout import classic_name, expected_shapes
from gmai_model.assembly.portable import make_portable
from gmai_model.assembly.weights import WeightFiles
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, CLIPVisionModel, LlamaForCausalLM


def read(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / name).read_text())


def make_parts(folder: Path) -> tuple[Path, Path]:
    from gmai_model.assembly.presets import PRESETS
    from gmai_model.assembly.tokenizer import train_tokenizer

    torch.manual_seed(3)
    CLIPVisionModel(PRESETS["tiny"].vision).save_pretrained(folder / "clip")
    LlamaForCausalLM(PRESETS["tiny"].text).save_pretrained(folder / "llama")
    train_tokenizer(["hello world"] * 9, vocab_size=400).save_pretrained(folder / "llama")
    return folder / "clip", folder / "llama"


def test_config_names_every_value_for_both_generations(checkpoint: Path) -> None:
    config = read(checkpoint, "config.json")
    assert config["architectures"] == ["LlavaForConditionalGeneration"]
    assert config["dtype"] == config["torch_dtype"] == "float32"
    assert config["text_config"]["rope_theta"] == config["text_config"]["rope_parameters"]["rope_theta"] == 1e6
    assert config["text_config"]["architectures"] == ["LlamaForCausalLM"]
    tokenizer = read(checkpoint, "tokenizer_config.json")
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert tokenizer["extra_special_tokens"] == {"image_token": "<image>"}
    assert tokenizer["chat_template"] == (checkpoint / "chat_template.jinja").read_text()
    assert "image_processor" not in read(checkpoint, "processor_config.json")
    assert read(checkpoint, "preprocessor_config.json")["image_processor_type"] == "LlavaImageProcessor"
    assert len(read(checkpoint, "generation_config.json")["eos_token_id"]) == 2


def test_every_tensor_has_the_shape_that_config_calls_for(checkpoint: Path) -> None:
    weights = WeightFiles(checkpoint)
    assert {name: weights.shape(name) for name in weights.names()} == expected_shapes(read(checkpoint, "config.json"))


def test_round_trip_through_transformers_changes_no_tensor_and_no_meaning(checkpoint: Path, tmp_path: Path) -> None:
    for source, out in ((checkpoint, tmp_path / "once"), (tmp_path / "once", tmp_path / "twice")):
        AutoModelForImageTextToText.from_pretrained(source, dtype="auto").save_pretrained(out)
        AutoProcessor.from_pretrained(source).save_pretrained(out)
        make_portable(out, dtype="float32")
    tensors = [
        {name: tensor.numpy().tobytes() for name, tensor in WeightFiles(folder).tensors()}
        for folder in (checkpoint, tmp_path / "once", tmp_path / "twice")
    ]
    assert tensors[0] == tensors[1] == tensors[2]
    for file in sorted(checkpoint.glob("*.json")):
        if file.name == "gmai.json":
            continue
        first, once, twice = (read(folder, file.name) for folder in (checkpoint, tmp_path / "once", tmp_path / "twice"))
        assert once == twice, file.name
        if file.name in {"generation_config.json", "preprocessor_config.json", "processor_config.json"}:
            assert {key: once[key] for key in first} == first, file.name
        if file.name == "config.json":
            for part in ("text_config", "vision_config"):
                kept = {key: value for key, value in first.pop(part).items() if key in once[part]}
                assert {key: once[part][key] for key in kept} == kept
            assert {key: once[key] for key in first if key in once} == {k: v for k, v in first.items() if k in once}


def test_model_built_in_memory_by_transformers_5_gets_its_classic_names(checkpoint: Path) -> None:
    names = WeightFiles(checkpoint).names()
    assert [classic_name(name) for name in names] == names
    assert classic_name("vision_tower.embeddings.class_embedding") == (
        "vision_tower.vision_model.embeddings.class_embedding"
    )
    assert classic_name("model.language_model.layers.0.mlp.up_proj.weight") == (
        "language_model.model.layers.0.mlp.up_proj.weight"
    )
    assert classic_name("lm_head.weight") == "language_model.lm_head.weight"


@pytest.mark.parametrize("images", [1, 2])
def test_forward_equals_a_computation_from_the_parts(tmp_path: Path, images: int) -> None:
    clip, llama = make_parts(tmp_path)
    assemble(clip, llama, tmp_path / "model", image_mode="pad", seed=4)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "model").eval()
    processor = AutoProcessor.from_pretrained(tmp_path / "model")
    pictures = [Image.effect_noise((90 + 40 * n, 70), 80).convert("RGB") for n in range(images)]
    inputs = processor(images=pictures, text=["<image>\n" * images + "hello world"], return_tensors="pt")

    vision, text = CLIPVisionModel.from_pretrained(clip).eval(), LlamaForCausalLM.from_pretrained(llama).eval()
    tensors = dict(WeightFiles(tmp_path / "model").tensors())

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        prefix = f"multi_modal_projector.{name}"
        return x @ tensors[f"{prefix}.weight"].T + tensors[f"{prefix}.bias"]

    with torch.no_grad():
        features = vision(inputs["pixel_values"], output_hidden_states=True).hidden_states[FEATURE_LAYER][:, 1:]
        features = linear(torch.nn.functional.gelu(linear(features, "linear_1")), "linear_2")
        embedded = text.get_input_embeddings()(inputs["input_ids"])
        embedded[inputs["input_ids"] == processor.tokenizer.convert_tokens_to_ids("<image>")] = features.flatten(0, 1)
        due = text(inputs_embeds=embedded).logits
        assert (model(**inputs).logits - due).abs().max() < 1e-5


def test_image_modes_make_the_squares_they_say(checkpoint: Path, tmp_path: Path) -> None:
    clip, llama = make_parts(tmp_path)
    picture = Image.effect_noise((224, 112), 80).convert("RGB")
    side = 112
    mean, deviation = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    background = tuple(int(value * 255) for value in mean)
    padded = Image.new("RGB", (224, 224), background)
    padded.paste(picture, (0, 56))
    due = {
        "pad": padded.resize((side, side), Image.Resampling.BICUBIC),
        "stretch": picture.resize((side, side), Image.Resampling.BICUBIC),
        "crop": picture.crop((56, 0, 168, 112)),
    }
    for mode, square in due.items():
        assemble(clip, llama, tmp_path / mode, image_mode=mode, seed=0)  # type: ignore[arg-type]
        processor = AutoProcessor.from_pretrained(tmp_path / mode)
        pixels = processor.image_processor(images=[picture], return_tensors="pt")["pixel_values"][0]
        expected = (np.asarray(square) / 255 - mean) / deviation
        assert np.abs(pixels.permute(1, 2, 0).numpy() - expected).max() < 1e-5, mode
        assert read(tmp_path / mode, "gmai.json")["image_mode"] == mode
